"""A real HTTP server on loopback that answers as the providers do: a mirror of recorded pages.

`https://host/path` of a provider is `http://127.0.0.1:PORT/host/path` here, which is what `SKYBROKER_MIRROR` makes of
it. Each source has a folder `tests/recorded/<source>` with a `stage.json`:

    {"env": {"LAMBDA_API_KEY": "a-key"},
     "routes": [{"method": "GET", "url": "https://cloud.lambda.ai/api/v1/instance-types", "query": {"page": "1"},
                 "headers": {"authorization": "Bearer a-key"}, "body": "text that the request's body contains",
                 "file": "instance_types.json", "status": 200, "answer_headers": {}}]}

Of a route only `url` and `file` are needed; `query`, `headers` and `body` must be met by the request where they are
given (a wrong key is answered with 401), and the first route that fits answers. Answers carry an ETag, where they bear
no `ETag` or `Last-Modified` of their own, and a request that names it is answered 304. Pages are packed by gzip, where
they bear no `Content-Encoding` of their own.
"""

from __future__ import annotations

import _thread
import gzip
import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

RECORDED: Final = Path(__file__).resolve().parent.parent / "recorded"


class _Server(ThreadingHTTPServer):
    """Answers each connection in a thread that nothing traces.

    Coverage traces what `threading` starts, and Python 3.11 fails now and then where two threads begin to be traced at
    the same moment ("Cannot install a trace function while another trace function is being installed").
    """

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the thread that answers, below `threading`."""
        _thread.start_new_thread(self.process_request_thread, (request, client_address))


@dataclass(frozen=True)
class Route:
    """One answer, and the request that it answers."""

    url: str
    content: bytes
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    status: int = 200
    answer_headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """What happens to the next `times` requests in place of their answer.

    status: answer so, with `headers` and `content`. cut: break off half of the (gzipped) answer, all lengths right.
    drop: close the connection in mid-answer. hang_s: say nothing for so long. drip_s: wait so long after each byte of
    the answer.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    cut: bool = False
    drop: bool = False
    hang_s: float = 0
    drip_s: float = 0
    times: int = 1


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    method: str
    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: str
    status: int


class Provider:
    """The server; `received` lists what was asked of it."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = list(routes)
        self.received: list[Received] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                provider._answer(self)

            do_POST = do_GET  # noqa: N815 (names of the standard library)
            do_PUT = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)

    @property
    def mirror(self) -> str:
        """The address of the mirror."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fail(self, *faults: Fault) -> None:
        """Let the next requests fail, in this order."""
        with self._lock:
            self._faults += [fault for fault in faults for _ in range(fault.times)]

    def serve(self) -> None:
        """Answer until `close`."""
        self._server.serve_forever(poll_interval=0.02)

    def close(self) -> None:
        """Stop, even where an answer hangs."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("content-length") or 0)
        body = handler.rfile.read(length).decode("utf-8", "replace")
        split = urlsplit(handler.path)
        url, query = f"https:/{split.path}", dict(parse_qsl(split.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self._lock:
            fault = self._faults.pop(0) if self._faults else Fault()
        status, content, answer_headers = self._content(handler.command, url, query, headers, body)
        if fault.status:
            status, content, answer_headers = fault.status, fault.content, dict(fault.headers)
        if status == 200:
            answer_headers = _validators(content, answer_headers) | answer_headers
            if _is_confirmed(headers, answer_headers):
                status, content = 304, b""
        with self._lock:
            self.received.append(Received(handler.command, url, query, headers, body, status))
        if fault.hang_s:
            self._closing.wait(fault.hang_s)
        is_packable = "gzip" in headers.get("accept-encoding", "") and "Content-Encoding" not in answer_headers
        if content and status == 200 and is_packable:
            content = gzip.compress(content, mtime=0)
            answer_headers["Content-Encoding"] = "gzip"
        if fault.cut:
            content = content[: len(content) // 2]
        self._send(handler, status, content, answer_headers, fault)

    def _send(
        self, handler: BaseHTTPRequestHandler, status: int, content: bytes, headers: Mapping[str, str], fault: Fault
    ) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        with suppress(BrokenPipeError, ConnectionResetError):  # a client may have had enough
            handler.end_headers()
            sent = content[: len(content) // 2] if fault.drop else content
            pieces = [sent[at : at + 1] for at in range(len(sent))] if fault.drip_s else [sent]
            for piece in pieces:
                handler.wfile.write(piece)
                if fault.drip_s and self._closing.wait(fault.drip_s):
                    break
        if fault.drop:
            handler.close_connection = True

    def _content(
        self, method: str, url: str, query: Mapping[str, str], headers: Mapping[str, str], body: str
    ) -> tuple[int, bytes, dict[str, str]]:
        status, what = 404, "no such page"
        for route in self.routes:
            if (route.method, route.url) != (method, url) or not route.query.items() <= query.items():
                continue
            if route.body and route.body not in body:
                continue
            if any(headers.get(name.lower()) != value for name, value in route.headers.items()):
                status, what = 401, "who are you?"
                continue
            return route.status, route.content, dict(route.answer_headers)
        return status, what.encode(), {"Content-Type": "text/plain"}


def _validators(content: bytes, headers: Mapping[str, str]) -> dict[str, str]:
    """An ETag, where the answer has no validator of its own."""
    if {"etag", "last-modified"} & {name.lower() for name in headers}:
        return {}
    return {"ETag": f'"{hashlib.sha256(content).hexdigest()[:16]}"'}


def _is_confirmed(asked: Mapping[str, str], answer: Mapping[str, str]) -> bool:
    """Whether the request names a validator that the answer still has."""
    named = {asked.get("if-none-match"), asked.get("if-modified-since")} - {None}
    return any(value in named for name, value in answer.items() if name.lower() in {"etag", "last-modified"})


@contextmanager
def provider_of(routes: Iterable[Route]) -> Iterator[Provider]:
    """A provider that answers while the context lasts."""
    provider = Provider(routes)
    thread = threading.Thread(target=provider.serve)
    thread.start()
    try:
        yield provider
    finally:
        provider.close()
        thread.join()


def recorded_stage(source: str) -> dict[str, Any]:
    """The `stage.json` of a source."""
    stage: dict[str, Any] = json.loads((RECORDED / source / "stage.json").read_text(encoding="utf-8"))
    return stage


def recorded_routes(source: str) -> list[Route]:
    """The routes of a source's `stage.json`."""
    folder = RECORDED / source
    return [
        Route(
            url=route["url"],
            content=(folder / route["file"]).read_bytes(),
            method=route.get("method", "GET"),
            query=route.get("query", {}),
            headers=route.get("headers", {}),
            body=route.get("body", ""),
            status=route.get("status", 200),
            answer_headers=route.get("answer_headers", {}),
        )
        for route in recorded_stage(source)["routes"]
    ]


def recorded_env(source: str) -> dict[str, str]:
    """The environment that a source needs on its stage."""
    return dict(recorded_stage(source)["env"])

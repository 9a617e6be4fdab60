"""HTTP as every source needs it: patient, polite, and sparing with what was downloaded before.

One client serves one look at one source, in one thread. It retries what may pass (a refused or broken connection, 408,
425, 429 and 5xx), waits as long as the server asks, keeps to the source's rate, asks for changes only, and gives up
when the time of the look is over. Errors name the address without its query and never a header: credentials stay out of
them. What a caller's own function raises (`reduce`, `step`) is passed on as it is.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final, Self

import httpx

from catalog_fetchers.cache import VALIDATORS, Cache, Entry
from catalog_fetchers.errors import AnswerError, MissingPageError, RefusedError, RepeatedPageError, UnreachableError

PASSING: Final = frozenset({408, 425, 429})
"""Faults of the request that may pass; those of the server (5xx) all may."""
REFUSED: Final = frozenset({401, 403})
MISSING: Final = frozenset({404, 410})
NOT_MODIFIED: Final = 304
MOST_PAGES: Final = 100_000
LARGEST: Final = 256 << 20
"""Bytes of a body that are held in memory; what may be larger is read by `reduced`."""
UNPACKED: Final = 1 << 20
"""Bytes that are unpacked at a time, however well they were packed."""
GZIP: Final = 31
"""The `wbits` of zlib that stand for gzip."""
HERE: Final = ("all://127.0.0.1", "all://[::1]", "all://localhost")
"""What is on this machine is reached without the proxy that the environment may name."""


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds: for a connection, for the next bytes, for the whole look; and how often to retry.

    The wait before a retry doubles from `first_wait_s`; a server that asks for more than `longest_wait_s` is left.
    """

    connect_s: float = 10
    read_s: float = 30
    total_s: float = 1800
    attempts: int = 5
    first_wait_s: float = 1
    longest_wait_s: float = 120


@dataclass
class Traffic:
    """What a look has cost: requests sent, answers that said "not modified", bytes of bodies received."""

    requests: int = 0
    unchanged: int = 0
    received_bytes: int = 0


class _RetryableError(Exception):
    """What may pass; `wait_s` is what the server asked for."""

    def __init__(self, message: str, wait_s: float = 0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class Client:
    """See the module. Use it as a context manager; `commit` once its answers have proven useful.

    `mirror` is the address of a mirror: `https://host/path` is then read from `<mirror>/host/path`. Proxies are those
    that the environment names. `stop` ends every wait.

    Raises:
        UnreachableError: the proxy that the environment names is of a kind that is not supported.
    """

    def __init__(
        self,
        cache: Cache,
        *,
        patience: Patience = Patience(),
        per_second: float = 5,
        mirror: str = "",
        stop: threading.Event | None = None,
    ) -> None:
        self.traffic = Traffic()
        self._cache = cache
        self._patience = patience
        self._interval_s = 1 / per_second
        self._mirror = mirror.rstrip("/")
        self._stop = stop or threading.Event()
        self._next_at = 0.0
        self._give_up_at = time.monotonic() + patience.total_s
        try:
            self._http = httpx.Client(
                headers={"User-Agent": f"skybroker/{version('skybroker')}", "Accept-Encoding": "gzip"},
                mounts=dict.fromkeys(HERE),
            )
        except (ImportError, ValueError) as error:
            raise UnreachableError(f"the proxy that the environment names cannot be used: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    @property
    def patience(self) -> Patience:
        """For sources that are read with a provider's own client."""
        return self._patience

    @property
    def is_mirrored(self) -> bool:
        """Whether addresses are read from a mirror."""
        return bool(self._mirror)

    def address(self, url: str) -> str:
        """Where the address is read: itself, or its copy on the mirror."""
        if not self._mirror:
            return url
        return f"{self._mirror}/{url.partition('://')[2]}"

    def get(
        self, url: str, *, params: Mapping[str, str | int] | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body at an address, from the server or, where that says it is unchanged, from the look before.

        A redirect is followed only where there are no headers, since credentials might go along.

        Raises:
            UnreachableError, RefusedError, AnswerError: see each.
        """
        asked = _full(url, params)
        # What an account is told is for its eyes.
        key = "\n".join([asked, *(f"{name}: {value}" for name, value in sorted((headers or {}).items()))])
        return self._conditional(key, asked, headers or {}, _in_memory)

    def reduced(self, url: str, folder: Path, reduce: Callable[[Path], bytes]) -> bytes:
        """What `reduce` makes of a file that is too large for memory; the file is gone afterwards.

        Only what it was reduced to is kept for the next look, of the same version of the program: it must depend on
        nothing but the file.

        Raises:
            UnreachableError, RefusedError, AnswerError: see each.
            OSError: the file cannot be written.
        """
        target = folder / "download"

        def through_file(parts: Iterator[bytes]) -> bytes:
            with target.open("wb") as file:
                file.writelines(parts)
            return reduce(target)

        asked = _full(url)
        try:
            return self._conditional(f"{asked}\nreduced by {version('skybroker')}", asked, {}, through_file)
        finally:
            target.unlink(missing_ok=True)

    def post(
        self,
        url: str,
        *,
        json: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The answer to a question that changes nothing on the server: it is repeated where that may help.

        A redirect is not followed.

        Raises:
            UnreachableError, RefusedError, AnswerError: see each.
        """
        request = self._request("POST", _full(url), headers or {}, json=json, form=form)
        return self._patiently(request, lambda answer: _in_memory(self._received(answer)), private=True)

    def follow(self, first: str, step: Callable[[str], str | None]) -> None:
        """Read pages: `step` reads one, by its address or token, and says which comes next.

        Raises:
            RepeatedPageError: a page was read before, or there is no end.
        """
        seen: set[str] = set()
        place: str | None = first
        while place is not None:
            if place in seen or len(seen) >= MOST_PAGES:
                raise RepeatedPageError(f"the pages go round in circles after {len(seen):,}")
            seen.add(place)
            place = step(place)

    def wait(self) -> None:
        """Wait until the source's rate allows another request, for calls through a provider's own client.

        Raises:
            UnreachableError: the time of the look is over.
        """
        self._pause(self._next_at - time.monotonic())
        self._next_at = time.monotonic() + self._interval_s
        self.traffic.requests += 1

    def commit(self) -> None:
        """Keep the answers for the next look.

        Raises:
            OSError: the folder of the cache cannot be written.
        """
        self._cache.commit()

    def _conditional(
        self, key: str, url: str, headers: Mapping[str, str], read: Callable[[Iterator[bytes]], bytes]
    ) -> bytes:
        """The body at an address, or what `read` made of it at the look before."""
        before = self._cache.find(key)
        conditions = before.conditions if before else {}
        request = self._request("GET", url, {**headers, **conditions})

        def body(answer: httpx.Response) -> bytes:
            if answer.status_code == NOT_MODIFIED and before is not None:
                self.traffic.unchanged += 1
                return before.body
            content = read(self._received(answer))
            said = {name: answer.headers.get(name, "") for name in VALIDATORS}
            validators = {name: value for name, value in said.items() if value and value.isascii()}
            self._cache.offer(key, Entry(validators, content))
            return content

        return self._patiently(request, body, private=bool(headers))

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        json: object = None,
        form: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        try:
            return self._http.build_request(method, self.address(url), json=json, data=form, headers=headers)
        except UnicodeEncodeError:
            raise _unsendable(_place(httpx.URL(url))) from None

    def _patiently(self, request: httpx.Request, read: Callable[[httpx.Response], bytes], *, private: bool) -> bytes:
        """Send the request until there is an answer that is no passing fault.

        private: it may hold credentials.
        """
        wait_s = self._patience.first_wait_s
        attempt = 1
        while True:
            self.wait()
            try:
                with self._sent(request, private=private) as answer:
                    return read(answer)
            except _RetryableError as error:
                pause_s = max(wait_s, error.wait_s)
                is_too_long = error.wait_s > self._patience.longest_wait_s or pause_s > self._left_s()
                if attempt >= self._patience.attempts or is_too_long:
                    tries = f" ({attempt} tries)" if attempt > 1 else ""
                    raise UnreachableError(f"{_place(request.url)}: {error}{tries}", "try again later") from error
                self._pause(pause_s)
            attempt += 1
            wait_s = min(2 * wait_s, self._patience.longest_wait_s)

    @contextmanager
    def _sent(self, request: httpx.Request, *, private: bool) -> Iterator[httpx.Response]:
        """The answer, its body unread; a fault of the way or of the server as one of ours."""
        where = _place(request.url)
        left_s = self._left_s()
        limits = httpx.Timeout(min(self._patience.read_s, left_s), connect=min(self._patience.connect_s, left_s))
        request.extensions["timeout"] = limits.as_dict()
        try:
            answer = self._http.send(request, stream=True, follow_redirects=not private)
            try:
                _require_usable(answer, where, private=private)
                yield answer
            finally:
                answer.close()
        except httpx.TimeoutException as error:
            raise _RetryableError("no answer in time") from error
        except httpx.LocalProtocolError:
            raise _unsendable(where) from None  # its text shows the header
        except (httpx.InvalidURL, httpx.TooManyRedirects, httpx.UnsupportedProtocol) as error:
            raise AnswerError(f"{where}: {error}") from error
        except httpx.TransportError as error:
            untrusted = _untrusted(error)
            if untrusted:
                hint = "SSL_CERT_FILE can name the certificates to trust"
                raise UnreachableError(f"{where}: its certificate is not trusted: {untrusted}", hint) from error
            raise _RetryableError(_of_the_way(error)) from error

    def _received(self, answer: httpx.Response) -> Iterator[bytes]:
        """The parts of the body, unpacked here since httpx takes a packed one that was cut off for whole."""
        packed = answer.headers.get("content-encoding", "identity").strip().lower()
        if packed not in {"identity", "gzip", "x-gzip"}:
            raise AnswerError(f"{_place(answer.request.url)}: packed as {packed}, which was not asked for")
        parts = self._raw(answer)
        return parts if packed == "identity" else _unpacked(parts)

    def _raw(self, answer: httpx.Response) -> Iterator[bytes]:
        # As they come: to wait for a chunk of some size would be to wait without end for a server that dribbles.
        for part in answer.iter_raw():
            self._require_time()
            self.traffic.received_bytes += len(part)
            yield part

    def _pause(self, seconds: float) -> None:
        self._require_time()
        if seconds > 0:
            self._stop.wait(min(seconds, self._left_s()))
        self._require_time()

    def _left_s(self) -> float:
        """Seconds of the look that are left; a little where there are none, since zero would be no limit."""
        return max(self._give_up_at - time.monotonic(), 0.001)

    def _require_time(self) -> None:
        if self._stop.is_set():
            raise UnreachableError("interrupted")
        if time.monotonic() >= self._give_up_at:
            raise UnreachableError(f"not done after {self._patience.total_s:g} s", "try again later")


def _full(url: str, params: Mapping[str, str | int] | None = None) -> str:
    """The address with parameters more; an error where it is none, as a link to the next page may be."""
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise AnswerError(f"not an address: {error}") from error
    if address.scheme not in {"http", "https"} or not address.host:
        raise AnswerError(f"not an address: {_place(address) or 'nothing'}")
    return str(address.copy_merge_params(params)) if params else url


def _place(url: httpx.URL) -> str:
    """An address as errors name it: without the query, which may hold credentials."""
    return f"{url.host}{url.path}"


def _in_memory(parts: Iterator[bytes]) -> bytes:
    kept: list[bytes] = []
    size = 0
    for part in parts:
        kept.append(part)
        size += len(part)
        if size > LARGEST:
            raise AnswerError(f"the answer is larger than {LARGEST >> 20} MiB")
    return b"".join(kept)


def _unpacked(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The content of gzip members, one after the other (RFC 1952, section 2.2); zeros may follow them."""
    member = zlib.decompressobj(GZIP)
    for received in parts:
        part = received
        while part:
            if member.eof:
                part = part.lstrip(b"\0")
                if not part:
                    break
                member = zlib.decompressobj(GZIP)
            try:
                content = member.decompress(part, UNPACKED)
            except zlib.error as error:
                raise _RetryableError("the answer is damaged") from error
            yield content
            part = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise _RetryableError("the answer was cut off")


def _require_usable(answer: httpx.Response, where: str, *, private: bool) -> None:
    """Raise what an answer without a usable body stands for."""
    status = answer.status_code
    said = f"answered {status} {answer.reason_phrase}".rstrip()
    if status in PASSING or status >= 500:
        wait_s = _retry_after_s(answer)
        raise _RetryableError(f"{said}, and asks for {wait_s:.0f} s of patience" if wait_s else said, wait_s)
    if status in REFUSED and private:
        raise RefusedError(f"{where}: the credentials are not accepted ({status})", "renew them")
    if status in REFUSED:
        raise RefusedError(f"{where}: {said}")
    if status in MISSING:
        raise MissingPageError(f"{where}: {said}")
    is_confirmation = status == NOT_MODIFIED and any(name in answer.request.headers for name in VALIDATORS.values())
    if not (is_confirmation or answer.is_success):
        raise AnswerError(f"{where}: {said}")


def _retry_after_s(answer: httpx.Response) -> float:
    """Seconds that the server asks for: a number, or the time until a date (RFC 9110, section 10.2.3); 0 for none."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _unsendable(where: str) -> RefusedError:
    return RefusedError(
        f"{where}: the credentials hold a character that no header may hold", "look for line breaks and accents in them"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came of."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _untrusted(error: BaseException) -> str:
    """Why the server's certificate is not trusted; an empty text where that is not the fault."""
    found = (str(cause.verify_message) for cause in _causes(error) if isinstance(cause, ssl.SSLCertVerificationError))
    return next(found, "")


def _of_the_way(error: httpx.TransportError) -> str:
    """What a fault on the way is, in words."""
    if any(isinstance(cause, socket.gaierror) for cause in _causes(error)):
        return "the host is not found: is there a network?"
    return str(error) or type(error).__name__

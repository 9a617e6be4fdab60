"""HTTP as every source needs it: patient, polite, and sparing with what was downloaded before.

One client serves one look at one source, in one thread. It retries what may pass (a refused or broken connection, 408,
429 and 5xx), waits as long as the server asks, keeps to the source's rate, asks for changes only, and gives up when the
time of the look is over. Errors name the address without its query and never a header: credentials stay out of them.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, Self

import httpx

from catalog_fetchers.cache import VALIDATORS, Cache, Entry
from catalog_fetchers.errors import AnswerError, RefusedError, RepeatedPageError, UnreachableError

RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
REFUSED: Final = frozenset({401, 403})
NOT_MODIFIED: Final = 304
MOST_PAGES: Final = 100_000
CHUNK: Final = 1 << 20


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

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class Client:
    """See the module. Use it as a context manager; `commit` once its answers have proven useful.

    `mirror` is the address of a mirror: `https://host/path` is then read from `<mirror>/host/path`.
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
        self._http = httpx.Client(
            timeout=httpx.Timeout(patience.read_s, connect=patience.connect_s),
            headers={"User-Agent": "skybroker", "Accept-Encoding": "gzip"},
        )

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

        Raises:
            UnreachableError, RefusedError, AnswerError: see each.
        """
        return self._conditional(
            str(httpx.URL(url, params={**httpx.URL(url).params, **(params or {})})), headers or {}, _in_memory
        )

    def reduced(self, url: str, folder: Path, reduce: Callable[[Path], bytes]) -> bytes:
        """What `reduce` makes of a file that is too large for memory; the file is gone afterwards.

        Only what it was reduced to is kept for the next look.

        Raises:
            UnreachableError, RefusedError, AnswerError: see each.
        """
        target = folder / "download"

        def through_file(parts: Iterator[bytes]) -> bytes:
            with target.open("wb") as file:
                for part in parts:
                    file.write(part)
            return reduce(target)

        try:
            return self._conditional(url, {}, through_file)
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

        Raises:
            UnreachableError, RefusedError, AnswerError: see each.
        """
        request = self._http.build_request("POST", self.address(url), json=json, data=form, headers=headers)
        return self._patiently(
            request, lambda answer: _in_memory(self._received(answer)), redirected=not headers and form is None
        )

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

    def _conditional(self, url: str, headers: Mapping[str, str], read: Callable[[Iterator[bytes]], bytes]) -> bytes:
        before = self._cache.find(url)
        asked = {**headers, **(before.conditions if before else {})}
        request = self._http.build_request("GET", self.address(url), headers=asked)

        def body(answer: httpx.Response) -> bytes:
            if answer.status_code == NOT_MODIFIED and before is not None:
                self.traffic.unchanged += 1
                return before.body
            content = read(self._received(answer))
            validators = {name: answer.headers[name] for name in VALIDATORS if name in answer.headers}
            self._cache.offer(url, Entry(validators, content))
            return content

        return self._patiently(request, body, redirected=not headers)

    def _patiently(self, request: httpx.Request, read: Callable[[httpx.Response], bytes], *, redirected: bool) -> bytes:
        """Send the request until there is an answer that is no passing fault."""
        where = f"{request.url.host}{request.url.path}"
        wait_s = self._patience.first_wait_s
        attempt = 1
        while True:
            self.wait()
            try:
                with self._sent(request, redirected=redirected) as answer:
                    return read(answer)
            except _RetryableError as error:
                asked_s = error.wait_s or 0.0
                if attempt >= self._patience.attempts or asked_s > self._patience.longest_wait_s:
                    tries = f" ({attempt} tries)" if attempt > 1 else ""
                    raise UnreachableError(f"{where}: {error}{tries}", "try again later") from error
                self._pause(max(wait_s, asked_s))
            attempt += 1
            wait_s = min(2 * wait_s, self._patience.longest_wait_s)

    @contextmanager
    def _sent(self, request: httpx.Request, *, redirected: bool) -> Iterator[httpx.Response]:
        """The answer, its body unread; a fault of the way or of the server as one of ours.

        A redirect is followed only where no credentials would go along.
        """
        where = f"{request.url.host}{request.url.path}"
        try:
            answer = self._http.send(request, stream=True, follow_redirects=redirected)
            try:
                _require_usable(answer, where)
                yield answer
            finally:
                answer.close()
        except httpx.TimeoutException as error:
            raise _RetryableError("no answer in time") from error
        except (httpx.TransportError, zlib.error) as error:
            raise _RetryableError(str(error) or type(error).__name__) from error
        except (httpx.InvalidURL, httpx.TooManyRedirects) as error:
            raise AnswerError(f"{where}: {error}") from error

    def _received(self, answer: httpx.Response) -> Iterator[bytes]:
        """The parts of the body, unpacked; one that ends too early is an error, which httpx does not make of it."""
        packed = answer.headers.get("content-encoding", "").strip().lower()
        unpack = zlib.decompressobj(wbits=31) if packed == "gzip" else None
        for part in answer.iter_raw(CHUNK):
            self._require_time()
            self.traffic.received_bytes += len(part)
            yield unpack.decompress(part) if unpack else part
        if unpack and not unpack.eof:
            raise _RetryableError("the answer was cut off")

    def _pause(self, seconds: float) -> None:
        self._require_time()
        left = self._give_up_at - time.monotonic()
        if seconds > 0 and self._stop.wait(min(seconds, left)):
            raise UnreachableError("interrupted")
        self._require_time()

    def _require_time(self) -> None:
        if self._stop.is_set():
            raise UnreachableError("interrupted")
        if time.monotonic() >= self._give_up_at:
            raise UnreachableError(f"not done after {self._patience.total_s:g} s", "try again later")


def _in_memory(parts: Iterator[bytes]) -> bytes:
    return b"".join(parts)


def _require_usable(answer: httpx.Response, where: str) -> None:
    """Raise what an answer without a usable body stands for."""
    status = answer.status_code
    if status in RETRIED:
        raise _RetryableError(f"answered {status} {answer.reason_phrase}".rstrip(), _retry_after_s(answer))
    if status in REFUSED:
        raise RefusedError(f"{where}: the credentials are not accepted ({status})", "renew them")
    if status != NOT_MODIFIED and not answer.is_success:
        raise AnswerError(f"{where}: answered {status} {answer.reason_phrase}".rstrip())


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Seconds that the server asks for: a number, or the time until a date (RFC 9110, section 10.2.3)."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isdigit():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None

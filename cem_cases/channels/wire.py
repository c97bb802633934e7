"""One POST to a stranger's server, from which nothing can come back that hurts.

The host's name is looked up once, all its addresses are checked, and the connection goes
to a checked one: a name that leads elsewhere a moment later changes nothing. Redirects
are not followed and proxies of the environment not used. The whole exchange has one
deadline by the wall clock, however slowly the bytes drip, and little of the answer is
read.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cem_cases.outbound import addresses, urls

SECONDS = 20.0
MOST_READ = 64 * 1024
"""Bytes of an answer that are read at all, its headers included."""
MOST_KEPT = 2048
"""Bytes of its body that are kept."""

Address = tuple[int, tuple[Any, ...]]
"""A family, and what `socket.connect` takes: the IP address first, then the port."""


class Refused(Exception):
    """We do not connect there; the message says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: str
    """The beginning of it."""
    retry_after: str = ""
    """The header of this name."""


def look_up(host: str, port: int) -> Sequence[Address]:
    """Return the addresses of this name. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """How requests go out. Tests hand in other ways; a site has only this one."""

    look_up: Callable[[str, int], Sequence[Address]] = look_up
    is_public: Callable[[str], bool] = addresses.is_public
    problem: Callable[..., str] = urls.problem
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    seconds: float = SECONDS

    def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        allow_http: bool = False,
    ) -> Answer:
        """Send this and return the answer, whatever its status.

        Raises Refused, and OSError or HTTPException for what the other side does.
        """
        if problem := self.problem(url, allow_http=allow_http):
            raise Refused(problem)
        until = time.monotonic() + self.seconds
        target = urls.target(url)
        with self._connect(target, until) as connection:
            connection.settimeout(_left(until))
            connection.sendall(_request(target, body, headers))
            return _read(connection, until)

    def _connect(self, target: urls.Target, until: float) -> socket.socket:
        """Return a connection to a checked address, TLS included."""
        found = self.look_up(target.host, target.port)
        if not found or not all(self.is_public(to[0]) for _, to in found):
            raise Refused("the host is not on the public internet")
        connection = _first_that_answers(found, until)
        if target.scheme == "http":
            return connection
        try:
            connection.settimeout(_left(until))
            return self.context.wrap_socket(connection, server_hostname=target.host)
        except BaseException:
            connection.close()
            raise


def _first_that_answers(found: Sequence[Address], until: float) -> socket.socket:
    error: OSError = TimeoutError()
    for family, address in found:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(_left(until))
            connection.connect(address)
        except OSError as refused:
            connection.close()
            error = refused
        else:
            return connection
    raise error


def _left(until: float) -> float:
    """Return the seconds that are left. Raises TimeoutError where none are."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _request(target: urls.Target, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.authority}",
        "User-Agent: django-cem-cases",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Accept-Encoding: identity",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _read(connection: socket.socket, until: float) -> Answer:
    response = http.client.HTTPResponse(_Source(connection, until), method="POST")  # type: ignore[arg-type]
    try:
        response.begin()
        return Answer(
            status=response.status,
            body=_text(_beginning(response)),
            retry_after=response.getheader("Retry-After") or "",
        )
    finally:
        response.close()


def _beginning(response: http.client.HTTPResponse) -> bytes:
    """Return the first bytes of the body; what does not come in time is left out.

    The status has come: what the body does changes nothing any more.
    """
    found = b""
    try:
        while len(found) < MOST_KEPT and (part := response.read1(MOST_KEPT)):
            found += part
    except (OSError, http.client.HTTPException, ValueError):
        pass
    return found[:MOST_KEPT]


def _text(found: bytes) -> str:
    """Return bytes as text that any database takes."""
    return found.decode("utf-8", "replace").replace("\x00", "\ufffd")


class _Source(io.RawIOBase):
    """What is read off a connection: so much, until then, and no more."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._connection, self._until = connection, until
        self._left = MOST_READ

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return itself, as `http.client` asks a socket for its bytes."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._left <= 0:
            raise OSError("too much")
        self._connection.settimeout(_left(self._until))
        with memoryview(buffer) as view:
            count = self._connection.recv_into(view[: self._left])
        self._left -= count
        return count

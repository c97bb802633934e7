"""Servers on this machine that receive webhooks, each with its own manners."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cem_cases.channels.wire import Wire

Manners = Callable[[socket.socket], None]


def answers(status: int = 200, body: bytes = b"ok", **headers: str) -> Manners:
    """Answer at once; `Retry_After="5"` is the header Retry-After."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    said = "\r\n".join([*lines, "", ""]).encode() + body

    def behave(connection: socket.socket) -> None:
        connection.sendall(said)

    return behave


def drips(first: bytes = b"", drop: bytes = b"x", pause: float = 0.02) -> Manners:
    """Send one drop after another, for ever."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(drop)
            time.sleep(pause)

    return behave


def hangs(connection: socket.socket) -> None:
    """Say nothing."""
    while connection.recv(1024):
        pass


@dataclass
class Receiver:
    """A server, and what came in: request lines, headers and bodies."""

    port: int
    manners: Manners
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://receiver.example:{self.port}/hook"

    @property
    def told(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.requests]


@contextlib.contextmanager
def receiver(
    manners: Manners | None = None, *, reads: bool = True
) -> Iterator[Receiver]:
    """A server of these manners; without `reads` they read the request themselves."""
    server = socket.create_server(("127.0.0.1", 0))
    made = Receiver(server.getsockname()[1], manners or answers())

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if reads:
                made.requests.append(_request(connection))
            made.manners(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=serve, args=[connection], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield made
    finally:
        server.close()


def _request(connection: socket.socket) -> tuple[str, dict[str, str], bytes]:
    found = b""
    while b"\r\n\r\n" not in found:
        part = connection.recv(65536)
        if not part:
            raise OSError("closed")
        found += part
    head, _, body = found.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = {
        name.lower(): value for name, _, value in (x.partition(": ") for x in lines)
    }
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return line, headers, body


def loopback(**fields: Any) -> Wire:
    """A wire for tests: every name leads to this machine, and that is allowed."""
    defaults: dict[str, Any] = {
        "look_up": lambda host, port: [(socket.AF_INET, ("127.0.0.1", port))],
        "is_public": lambda address: True,
        "problem": lambda url, allow_http: "",
        "seconds": 2.0,
    }
    return Wire(**defaults | fields)

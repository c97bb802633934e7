"""Which URLs a webhook may have, judged by their letters alone.

Where the host's name leads is found out when it is called, and checked then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from cem_cases.outbound.addresses import is_public

LONGEST = 500
PORTS = {"https": 443, "http": 80}
ALLOWED_PORTS = (443, 8443)
INWARD = (
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "lan",
    "home.arpa",
)
"""Names under which networks speak to themselves."""
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
LETTERS = re.compile(r"[!-~]+")
"""Printable ASCII; other scripts are written as punycode."""
NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes."""

    scheme: str
    host: str
    """A name, or an address without brackets."""
    port: int
    path: str
    """With the query; at least `/`."""

    @property
    def authority(self) -> str:
        """Return what the header `Host` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def problem(url: str, *, allow_http: bool = False) -> str:
    """Return why this URL is refused, in a sentence; empty: it is not.

    >>> problem("https://hooks.example.com/cem"), problem("https://127.1/")
    ('', 'Must name a host on the public internet.')
    """
    if len(url) > LONGEST:
        return f"Must be at most {LONGEST} characters."
    if "\\" in url or not LETTERS.fullmatch(url):
        return (
            "Must consist of printable ASCII without spaces and backslashes; write "
            "other letters of a host as punycode, xn--…"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "Must be a URL, https://hooks.example.com/path."
    return _problem_of(parts, port, allow_http)


def target(url: str) -> Target:
    """Return where this URL leads; call `problem` first."""
    parts = urlsplit(url)
    port = PORTS[parts.scheme] if parts.port is None else parts.port
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, parts.hostname or "", port, path)


def _problem_of(parts: SplitResult, port: int | None, allow_http: bool) -> str:
    schemes = ("https", "http") if allow_http else ("https",)
    if parts.scheme not in schemes:
        return f"Must begin with {' or '.join(f'{s}://' for s in schemes)}."
    if "@" in parts.netloc:
        return "Must not contain a user or a password."
    if parts.fragment:
        return "Must not contain a fragment (#)."
    ports = (*ALLOWED_PORTS, 80) if allow_http else ALLOWED_PORTS
    if port is not None and port not in ports:
        return f"Must use one of the ports {', '.join(map(str, ports))}."
    if not _may_be_public(parts.hostname or "", "[" in parts.netloc):
        return "Must name a host on the public internet."
    return ""


def _may_be_public(host: str, in_brackets: bool) -> bool:
    labels = host.split(".")
    if in_brackets or NUMERIC.fullmatch(labels[-1]):
        # an address: in its one canonical notation, or not at all
        return is_public(host)
    if len(labels) < 2 or len(host) > 253:
        return False
    if any(host == name or host.endswith(f".{name}") for name in INWARD):
        return False
    return all(LABEL.fullmatch(label) for label in labels)

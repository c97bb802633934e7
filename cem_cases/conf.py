"""The `CEM_CASES` setting: its keys, their types and their defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

DEVELOPMENT_KEY = {"development": "only-for-debug-never-in-production"}


@dataclass(frozen=True, kw_only=True)
class Conf:
    """What differs between sites. What differs between customers is a row."""

    AUDIT_KEYS: Mapping[str, str] = field(default_factory=dict)
    """Key id → secret of the audit chain; the last one signs, all of them verify."""

    BATCH_SIZE: int = 1000
    """How many rows one transaction takes up."""

    MAX_ATTEMPTS: int = 8
    """How often a response that fails is tried before it is parked as failed."""

    RETRY_SECONDS: int = 10
    """Wait after the first failure, in seconds; it doubles each time, up to an hour."""

    DRAIN_SECONDS: int = 25
    """How long one drain task works before it hands over to the next, in seconds."""

    RING_SECONDS: float = 2.0
    """How long a process that is ending waits for its doorbell, in seconds."""

    NOT_REACHED_ATTEMPTS: int = 3
    """Contact attempts needed before a case may be resolved as not reached."""

    NOT_REACHED_DAYS: int = 2
    """Different days on which those attempts must have been made."""

    NOT_REACHED_CHANNELS: int = 2
    """Different channels over which those attempts must have been made."""

    IMPORT_MAX_BYTES: int = 20 * 1024 * 1024
    """The largest file `cem_import` takes, in bytes."""

    IMPORT_MAX_ROWS: int = 100_000
    """The most rows `cem_import` takes from one file."""

    REPLAY_MAX: int = 200_000
    """The most answers a replay in the admin or the API looks at; `cem_replay` takes any."""

    API_MAX_BYTES: int = 256 * 1024
    """The largest request body the API reads, in bytes."""

    DIGEST_MINUTES: int = 10
    """A person gets at most one e-mail in so many minutes; it tells of all that is new."""

    MAIL_FROM: str | None = None
    """Sender of these e-mails; by default Django's `DEFAULT_FROM_EMAIL`."""

    SITE_URL: str = ""
    """Where people reach this site, `https://desk.example.org`; empty: mails have no links."""

    WEBHOOK_HTTP: bool = False
    """Whether webhooks may be called without TLS, by http and port 80."""

    SURVEY_URL: str = ""
    """The page of an invitation, `https://example.org/s/{token}`; empty: rules invite nobody."""

    COMMENT_ANALYSER: str | None = None
    """Dotted path of `analyser(comment, language) -> sentiment` (-1 to 1, or None)."""


OPTIONS = tuple(sorted(option.name for option in fields(Conf)))
PLUGINS = ("COMMENT_ANALYSER",)


def conf() -> Conf:
    """Return the settings of this moment, so that `override_settings` just works."""
    return Conf(**getattr(settings, "CEM_CASES", {}))


def audit_keys() -> Mapping[str, str]:
    """Return the keys of the audit chain, by id; the last one signs.

    Raises ImproperlyConfigured where none is set and DEBUG is off, or where one is
    blank: with a blank key anybody could sign.
    """
    keys = conf().AUDIT_KEYS
    if not keys and settings.DEBUG:
        return DEVELOPMENT_KEY
    if not keys or not all(secret.strip() for secret in keys.values()):
        raise ImproperlyConfigured(
            'CEM_CASES["AUDIT_KEYS"] has no key, or a blank one: name one, '
            '{"2026": "<50 random letters>"}.'
        )
    return keys


def site_secrets() -> Sequence[str]:
    """Return the secrets of the site: the one that counts, and former ones."""
    found = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [key if isinstance(key, str) else key.decode("latin-1") for key in found]


def plugin(option: str) -> Callable[..., Any] | None:
    """Return what the dotted path in this option names, or None where it is unset."""
    path = getattr(conf(), option)
    found: Callable[..., Any] | None = import_string(path) if path else None
    return found

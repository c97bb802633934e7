"""Mail backends that go wrong, each in its own way; named by dotted path in settings."""

import os
import signal
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPServerDisconnected

from django import VERSION
from django.core.mail.backends import filebased, locmem
from django.db import connection

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"
SMTP = "django.core.mail.backends.smtp.EmailBackend"


def use(settings, name, **options):
    """Let the site send through this backend, one of this module or one by its path."""
    path = name if "." in name else f"{__name__}.{name}"
    if VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": path, "OPTIONS": options}}
        return
    settings.EMAIL_BACKEND = path
    for option, value in options.items():
        setattr(settings, f"EMAIL_{option.upper()}", value)


class Watched(locmem.EmailBackend):
    """Keeps what was asked of it, and whether a transaction was open then."""

    calls: list[tuple[str, bool]] = []

    def open(self):
        self.calls.append(("open", connection.in_atomic_block))

    def send_messages(self, messages):
        self.calls.append(("send", connection.in_atomic_block))
        return super().send_messages(messages)

    def close(self):
        self.calls.append(("close", connection.in_atomic_block))


class Away(locmem.EmailBackend):
    def open(self):
        raise ConnectionRefusedError("mail.example.org does not answer")


class Refuses(Watched):
    """Refuses one address, and goes on."""

    def send_messages(self, messages):
        for message in messages:
            if message.to == ["bad@example.org"]:
                raise SMTPRecipientsRefused({"bad@example.org": (550, b"no such user")})
        return super().send_messages(messages)


class Full(locmem.EmailBackend):
    def send_messages(self, messages):
        raise SMTPDataError(452, b"disk full, says ada@example.org")


class Breaks(locmem.EmailBackend):
    """The line breaks when the mail is handed over; nobody knows whether it went."""

    def send_messages(self, messages):
        super().send_messages(messages)
        raise SMTPServerDisconnected("ada@example.org")


class Dies(locmem.EmailBackend):
    """The process ends when the mail was handed over."""

    def send_messages(self, messages):
        super().send_messages(messages)
        raise SystemExit


class Killed(filebased.EmailBackend):
    """The same, in earnest: for a process of its own."""

    def send_messages(self, messages):
        super().send_messages(messages)
        os.kill(os.getpid(), signal.SIGKILL)


class ClosesBadly(locmem.EmailBackend):
    def close(self):
        raise OSError

"""What the loop refuses. Messages are written for people and may be shown as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

FieldErrors = Mapping[str, Sequence[str]]


class CemCasesError(Exception):
    """Base of all refusals. `code` is stable and part of the API."""

    code = "refused"


class InvalidInput(CemCasesError):
    """The input is wrong; `errors` names each field and says what would be right."""

    code = "invalid"

    def __init__(self, errors: FieldErrors) -> None:
        self.errors = {name: list(messages) for name, messages in errors.items()}
        super().__init__(
            "; ".join(
                f"{name}: {' '.join(messages)}"
                for name, messages in self.errors.items()
            )
        )


class NotAllowedNow(CemCasesError):
    """The case is in a state in which this verb does not apply."""

    code = "not_allowed_now"


class AlreadyClaimed(NotAllowedNow):
    """Somebody else was first."""

    code = "already_claimed"


class StaleVersion(CemCasesError):
    """The case was changed since the caller looked at it."""

    code = "stale_version"


class TooMuch(CemCasesError):
    """More was asked for than is done at once; the message says how it can be done."""

    code = "too_much"


class MissingExtra(CemCasesError):
    """An optional package is not installed; the message says what to install."""

    code = "missing_extra"

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"Install django-cem-cases[{extra}] to {purpose}.")

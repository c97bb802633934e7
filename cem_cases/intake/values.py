"""What a response may say, checked before it comes near a database.

`parse_response` turns an outside mapping (JSON, a CSV row, a call in Python) into a
frozen value, or raises `InvalidResponse` with one message per wrong field. It knows no
surveys: whether a score fits its scale is checked where the survey is known.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import count
from types import MappingProxyType
from typing import Any, NamedTuple

MAX_COMMENT = 10_000
MAX_TEXT = 200
MAX_DEPTH = 32
MAX_NODES = 2_000
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_DAY = date(1900, 1, 1)
MAX_AHEAD = timedelta(days=1)  # clocks and zones differ; a response is never from later

EMAIL = re.compile(r"[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+\.[^@\s\x00-\x1f.]+")
PHONE = re.compile(r"\+?[0-9]{6,15}")
SLUG = re.compile(r"[-\w]+")
CURRENCY = re.compile(r"[A-Z]{3}")
NUMBER = re.compile(r"[+-]?\d{1,20}(\.\d{1,20})?", re.ASCII)
# Control characters but tab and line ends; lone surrogates no database can store.
UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
OBJECT = (dict, Mapping)  # to be asked in this order: an abstract class answers slowly
NOTHING: Mapping[str, Any] = MappingProxyType({})


class InvalidResponse(ValueError):
    """A response is wrong; `errors` says what, field by field."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        self.errors = {name: list(messages) for name, messages in errors.items()}
        super().__init__(self.errors)


class NewCustomer(NamedTuple):
    """Who answered. All of it is optional: an anonymous answer is an answer."""

    external_id: str | None = None
    said: Mapping[str, Any] = NOTHING
    """Columns of the customer, with their values; those that were left blank are not."""
    organization: str = ""
    attributes: Mapping[str, Any] = NOTHING
    identities: tuple[tuple[str, str], ...] = ()
    """(channel, identifier) pairs, normalised; an e-mail address is one of them."""


class NewResponse(NamedTuple):
    """One answer to one survey, as it came in."""

    survey: str
    customer: NewCustomer
    source_system: str = ""
    external_id: str | None = None
    score: int | None = None
    comment: str = ""
    answered_at: datetime | None = None
    touchpoint: str = ""
    channel: str = ""
    language: str = ""
    weight: Decimal = Decimal(1)
    wants_contact: bool = False
    answers: Mapping[str, Any] = NOTHING


def parse_response(raw: Mapping[str, Any], *, now: datetime) -> NewResponse:
    """Return the response that `raw` describes.

    >>> now = datetime(2025, 3, 3, tzinfo=UTC)
    >>> parse_response({"survey": "nps", "score": "7"}, now=now).score
    7
    >>> parse_response({"survey": "nps", "score": 7.5}, now=now)
    Traceback (most recent call last):
    ...
    cem_cases.intake.values.InvalidResponse: {'score': ['Must be a whole number.']}

    Raises InvalidResponse with every wrong field, unknown ones included.
    """
    errors: dict[str, list[str]] = {}
    values = _read(raw, RESPONSE_FIELDS, errors)
    values["customer"] = _customer(raw.get("customer"), now, errors)
    answered_at = values.get("answered_at")
    if answered_at and not EARLIEST <= answered_at <= now + MAX_AHEAD:
        errors["answered_at"] = [NOT_THEN]
    if "survey" not in values and "survey" not in errors:
        errors["survey"] = ["Is missing: give the survey's slug."]
    if errors:
        raise InvalidResponse(errors)
    return NewResponse(**values)


def normalise_identifier(channel: str, identifier: str) -> str:
    """Return the one spelling under which this identifier is stored.

    >>> normalise_identifier("email", " Ada@Example.ORG ")
    'ada@example.org'
    >>> normalise_identifier("phone", "+49 (30) 901-820")
    '+4930901820'
    """
    text = canonical(identifier)
    if channel == "email":
        return text.lower()
    if channel in ("phone", "sms", "whatsapp"):
        return re.sub(r"[\s()./-]", "", text)
    return text


def canonical(text: str) -> str:
    """Return an outside id in its canonical form: NFC, stripped, case kept."""
    text = text.strip()
    return text if text.isascii() else unicodedata.normalize("NFC", text)


Parser = Callable[[Any], Any]
"""Returns a value checked, or None where it says nothing; raises ValueError."""


def _read(
    raw: Mapping[str, Any],
    known: Mapping[str, Parser],
    errors: dict[str, list[str]],
    prefix: str = "",
) -> dict[str, Any]:
    """Return the fields that are not blank; add what is wrong to `errors`."""
    found: dict[str, Any] = {}
    for name, value in raw.items():
        if name not in known:
            errors[f"{prefix}{name}"[:MAX_TEXT]] = ["Is not a known field."]
        elif value is not None and value != "":
            try:
                parsed = known[name](value)
            except ValueError as error:
                errors[f"{prefix}{name}"] = [str(error)]
            else:
                if parsed is not None:
                    found[name] = parsed
    return found


def _customer(raw: Any, now: datetime, errors: dict[str, list[str]]) -> NewCustomer:
    if raw is None:
        return NewCustomer()
    if not isinstance(raw, OBJECT):
        errors["customer"] = ["Must be an object with the customer's fields."]
        return NewCustomer()
    said = _read(raw, CUSTOMER_FIELDS, errors, "customer.")
    if "annual_value" in said and "currency" not in said:
        errors.setdefault("customer.currency", ["Is needed with annual_value."])
    if (
        "since" in said
        and not EARLIEST_DAY <= said["since"] <= (now + MAX_AHEAD).date()
    ):
        errors["customer.since"] = ["Must lie between 1900 and today."]
    identities = dict.fromkeys(said.pop("identities", ()))
    if "email" in said:
        identities["email", normalise_identifier("email", said["email"])] = None
    if "phone" in said:
        number = normalise_identifier("phone", said["phone"])
        if PHONE.fullmatch(number):  # "n/a" is nobody's number
            identities["phone", number] = None
    return NewCustomer(
        external_id=said.get("external_id"),
        organization=said.pop("organization", ""),
        attributes=said.pop("attributes", {}),
        identities=tuple(identities),
        said=said,
    )


def _text(limit: int) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        text = value if isinstance(value, str) else _as_text(value)
        if len(text) > limit:
            raise ValueError(f"Must be at most {limit:,} characters.")
        # what can be printed can be stored; this is the cheaper question
        if not text.isprintable() and UNSTORABLE.search(text):
            raise ValueError("Must not contain control characters.")
        return text

    return parse


_line = _text(MAX_TEXT)
_email_line = _text(254)
_comment = _text(MAX_COMMENT)


def _as_text(value: Any) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("Must be text.")
    return _digits(value)


def _digits(value: int) -> str:
    if abs(value) >= 10**30:
        raise ValueError("Must be a number of at most 30 digits.")
    return str(value)


def _id(value: Any) -> str | None:
    text = canonical(_line(value))
    # checked once more: the canonical form may be longer than what was sent
    return (text if text.isascii() else _line(text)) or None


def _short(value: Any) -> str | None:
    return _line(value).strip() or None


def _slug(value: Any) -> str:
    text = _line(value).strip()
    if not SLUG.fullmatch(text):
        raise ValueError("Must be a slug: letters, digits, hyphens, underscores.")
    return text


def _score(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,4}", value.strip(), re.ASCII):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("Must be a whole number.")
    if abs(value) > 9_999:
        raise ValueError("Must be a whole number on the survey's scale.")
    return value


def _decimal(whole: int, places: int) -> Callable[[Any], Decimal]:
    limit, smallest, zero = Decimal(10) ** whole, Decimal(10) ** -places, Decimal(0)

    def parse(value: Any) -> Decimal:
        text = value.strip() if isinstance(value, str) else _as_number(value)
        if not NUMBER.fullmatch(text):
            raise ValueError("Must be a number, such as 1234.5.")
        try:
            number = Decimal(text).quantize(smallest)
        except InvalidOperation:
            raise ValueError("Must be a number, such as 1234.5.") from None
        if not zero <= number < limit:
            raise ValueError(f"Must be at least 0 and below 10^{whole}.")
        return number

    return parse


def _as_number(value: Any) -> str:
    """Return the text of a number, or one that is none."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _digits(value)
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    return "not a number"


_up_to_99999 = _decimal(5, 10)  # 15 digits: SQLite keeps no more


def _weight(value: Any) -> Decimal:
    weight = _up_to_99999(value)
    if not weight:
        raise ValueError("Must be above 0.")
    return weight


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Must be true or false.")
    return value


NO_MOMENT = "Must be a date and time with its zone, such as 2026-03-01T14:30:00Z."
NOT_THEN = "Must lie between 1970 and now."


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(NO_MOMENT) from None
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ValueError(NO_MOMENT)
    try:
        return value.astimezone(UTC)
    except OverflowError:  # the first and the last day there is
        raise ValueError(NOT_THEN) from None


def _day(value: Any) -> date:
    if isinstance(value, str):
        with suppress(ValueError):
            return date.fromisoformat(value.strip())
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise ValueError("Must be a date, such as 2026-03-01.")


def _email(value: Any) -> str:
    text = _email_line(value).strip()
    if not EMAIL.fullmatch(text):
        raise ValueError("Must be an e-mail address.")
    if not text.isascii():
        _email_line(text.lower())  # the identity may be longer than what was sent
    return text


def _currency(value: Any) -> str:
    text = _line(value).strip().upper()
    if not CURRENCY.fullmatch(text):
        raise ValueError("Must be a currency code of three letters, such as EUR.")
    return text


def _identities(value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, list) or len(value) > 20:
        raise ValueError("Must be a list of at most 20 channel identities.")
    return [_identity(item) for item in value]


def _identity(item: Any) -> tuple[str, str]:
    if not isinstance(item, Mapping) or set(item) != {"channel", "identifier"}:
        raise ValueError("Each identity needs channel and identifier, nothing else.")
    channel = _slug(item["channel"])
    identifier = normalise_identifier(channel, _id(item["identifier"]) or "")
    if not identifier:
        raise ValueError("An identifier must not be empty.")
    return channel, str(_line(identifier))


def _json_object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, OBJECT):
        raise ValueError("Must be an object.")
    nodes, level = 1, [value]
    for depth in count(1):  # level by level, without recursion
        inside = [child for holder in level for child in _children(holder)]
        nodes += len(inside)
        if nodes > MAX_NODES:
            raise ValueError(f"Must have at most {MAX_NODES:,} values.")
        if inside and depth > MAX_DEPTH:
            raise ValueError(f"Must be nested at most {MAX_DEPTH} deep.")
        level = _holders(inside)
        if not level:
            break
    return value


def _children(holder: Any) -> Iterable[Any]:
    return holder if isinstance(holder, list) else (*holder, *holder.values())


def _holders(nodes: Iterable[Any]) -> list[Any]:
    """Return the lists and objects among these; refuse what is no JSON."""
    found = []
    for node in nodes:
        if isinstance(node, str):
            _comment(node)
        elif isinstance(node, float):
            if not math.isfinite(node):
                raise ValueError("Must hold only finite numbers.")
        elif isinstance(node, int):
            _digits(node)
        elif isinstance(node, (list, *OBJECT)):
            found.append(node)
        elif node is not None:
            raise ValueError(
                "Must hold only text, numbers, true, false, lists, objects."
            )
    return found


CUSTOMER_FIELDS: Mapping[str, Parser] = {
    "external_id": _id,
    "name": _short,
    "email": _email,
    "phone": _short,
    "organization": _short,
    "segment": _short,
    "annual_value": _decimal(12, 2),
    "currency": _currency,
    "language": _short,
    "time_zone": _short,
    "since": _day,
    "attributes": _json_object,
    "identities": _identities,
}
RESPONSE_FIELDS: Mapping[str, Parser] = {
    "survey": _slug,
    "source_system": _short,
    "external_id": _id,
    "customer": lambda value: None,  # is read on its own
    "score": _score,
    "comment": _comment,
    "answered_at": _moment,
    "touchpoint": _slug,
    "channel": _short,
    "language": _short,
    "weight": _weight,
    "wants_contact": _truth,
    "answers": _json_object,
}

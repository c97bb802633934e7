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
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import count
from typing import Any

MAX_COMMENT = 10_000
MAX_TEXT = 200
MAX_DEPTH = 32
MAX_NODES = 2_000
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
MAX_AHEAD = timedelta(days=1)  # clocks and zones differ; a response is never from later

EMAIL = re.compile(r"[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+\.[^@\s\x00-\x1f.]+")
PHONE = re.compile(r"\+?[0-9]{6,15}")
SLUG = re.compile(r"[-\w]+")
CURRENCY = re.compile(r"[A-Z]{3}")
NUMBER = re.compile(r"[+-]?\d{1,20}(\.\d{1,20})?", re.ASCII)
# Control characters but tab and line ends; lone surrogates no database can store.
UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


class InvalidResponse(ValueError):
    """A response is wrong; `errors` says what, field by field."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        self.errors = {name: list(messages) for name, messages in errors.items()}
        super().__init__(self.errors)


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """Who answered. All of it is optional: an anonymous answer is an answer."""

    external_id: str | None = None
    name: str = ""
    email: str = ""
    phone: str = ""
    organization: str = ""
    segment: str = ""
    annual_value: Decimal | None = None
    currency: str = ""
    language: str = ""
    time_zone: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    identities: tuple[tuple[str, str], ...] = ()
    """(channel, identifier) pairs, normalised; an e-mail address is one of them."""


@dataclass(frozen=True, slots=True)
class NewResponse:
    """One answer to one survey, as it came in."""

    survey: str
    source_system: str
    external_id: str | None
    customer: NewCustomer
    score: int | None = None
    comment: str = ""
    answered_at: datetime | None = None
    touchpoint: str = ""
    channel: str = ""
    language: str = ""
    weight: Decimal = Decimal(1)
    wants_contact: bool = False
    answers: Mapping[str, Any] = field(default_factory=dict)


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
    reader = _Reader(raw, RESPONSE_FIELDS)
    values = reader.values({"answered_at": lambda value: _moment(value, now)})
    customer = raw.get("customer")
    if customer is None:
        values["customer"] = NewCustomer()
    elif isinstance(customer, Mapping):
        values["customer"] = _customer(customer, reader.errors)
    else:
        reader.errors["customer"] = ["Must be an object with the customer's fields."]
    if not values.get("survey") and "survey" not in reader.errors:
        reader.errors["survey"] = ["Is missing: give the survey's slug."]
    if reader.errors:
        raise InvalidResponse(reader.errors)
    return NewResponse(
        survey=values.pop("survey"),
        source_system=values.pop("source_system", ""),
        external_id=values.pop("external_id", None),
        customer=values.pop("customer"),
        **values,
    )


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


class _Reader:
    """Reads the known fields of a mapping and collects what is wrong with it."""

    def __init__(
        self, raw: Mapping[str, Any], known: Mapping[str, Parser], prefix: str = ""
    ) -> None:
        self.raw, self.known, self.prefix = raw, known, prefix
        self.errors: dict[str, list[str]] = {
            f"{prefix}{name}"[:MAX_TEXT]: ["Is not a known field."]
            for name in raw
            if name not in known
        }

    def values(self, special: Mapping[str, Parser] | None = None) -> dict[str, Any]:
        parsers = {**self.known, **special} if special else self.known
        found: dict[str, Any] = {}
        for name, value in self.raw.items():
            if value is None or value == "" or name not in parsers:
                continue
            parse = parsers[name]
            try:
                found[name] = parse(value)
            except ValueError as error:
                self.errors[f"{self.prefix}{name}"] = [str(error)]
        return found


Parser = Callable[[Any], Any]


def _customer(raw: Mapping[str, Any], errors: dict[str, list[str]]) -> NewCustomer:
    reader = _Reader(raw, CUSTOMER_FIELDS, prefix="customer.")
    values = reader.values()
    if "annual_value" in values and "currency" not in values:
        reader.errors["customer.currency"] = ["Is needed with annual_value."]
    errors.update(reader.errors)
    identities = dict.fromkeys(values.get("identities", ()))
    for channel, looks_right in (("email", EMAIL), ("phone", PHONE)):
        identifier = normalise_identifier(channel, values.get(channel, ""))
        if looks_right.fullmatch(identifier):  # "n/a" is nobody's number
            identities[channel, identifier] = None
    return NewCustomer(**{**values, "identities": tuple(identities)})


def _text(limit: int) -> Parser:
    def parse(value: Any) -> str:
        if isinstance(value, str):
            text = value
        elif isinstance(value, int) and not isinstance(value, bool):
            text = _digits(value)
        else:
            raise ValueError("Must be text.")
        if len(text) > limit:
            raise ValueError(f"Must be at most {limit:,} characters.")
        if UNSTORABLE.search(text):
            raise ValueError("Must not contain control characters.")
        return text

    return parse


_line = _text(MAX_TEXT)
_email_line = _text(254)
_comment = _text(MAX_COMMENT)


def _digits(value: int) -> str:
    if abs(value) >= 10**30:
        raise ValueError("Must be a number of at most 30 digits.")
    return str(value)


def _id(value: Any) -> str | None:
    # checked once more: the canonical form may be longer than what was sent
    return str(_line(canonical(_line(value)))) or None


def _short(value: Any) -> str:
    return str(_line(value)).strip()


def _slug(value: Any) -> str:
    text = _short(value)
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
    def parse(value: Any) -> Decimal:
        if isinstance(value, float):
            value = repr(value)
        if isinstance(value, int) and not isinstance(value, bool):
            value = _digits(value)
        if isinstance(value, Decimal):
            value = f"{value:f}" if value.is_finite() else "not finite"
        if not isinstance(value, str) or not NUMBER.fullmatch(value.strip()):
            raise ValueError("Must be a number, such as 1234.5.")
        try:
            number = round(Decimal(value.strip()), places)
        except InvalidOperation:
            raise ValueError("Must be a number, such as 1234.5.") from None
        if number < 0 or number >= 10**whole:
            raise ValueError(f"Must be at least 0 and below 10^{whole}.")
        return number

    return parse


def _weight(value: Any) -> Decimal:
    weight = _decimal(5, 10)(value)  # 15 digits: SQLite keeps no more
    if not weight:
        raise ValueError("Must be above 0.")
    return weight


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Must be true or false.")
    return value


def _moment(value: Any, now: datetime) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(
                "Must be a date and time with its zone, such as 2026-03-01T14:30:00Z."
            ) from None
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ValueError(
            "Must be a date and time with its zone, such as 2026-03-01T14:30:00Z."
        )
    # Compared as naive UTC distances: year 1 and 9999 overflow on conversion.
    if not EARLIEST <= value <= now + MAX_AHEAD:
        raise ValueError("Must lie between 1970 and now.")
    return value.astimezone(UTC)


def _email(value: Any) -> str:
    text = str(_email_line(value)).strip()
    if not EMAIL.fullmatch(text):
        raise ValueError("Must be an e-mail address.")
    _email_line(text.lower())  # the stored identity may be longer than what was sent
    return text


def _currency(value: Any) -> str:
    text = _short(value).upper()
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
    if not isinstance(value, Mapping):
        raise ValueError("Must be an object.")
    nodes, level = 0, [value]
    for depth in count():  # level by level, without recursion
        nodes += len(level)
        if nodes > MAX_NODES:
            raise ValueError(f"Must have at most {MAX_NODES:,} values.")
        if depth > MAX_DEPTH:
            raise ValueError(f"Must be nested at most {MAX_DEPTH} deep.")
        level = [child for node in level for child in _children(node)]
        if not level:
            break
    return value


def _children(node: Any) -> Iterable[Any]:
    """Return the keys and values of this node, or nothing; refuse what is no JSON."""
    if isinstance(node, str):
        _comment(node)
    elif isinstance(node, float):
        if not math.isfinite(node):
            raise ValueError("Must hold only finite numbers.")
    elif isinstance(node, int):
        _digits(node)
    elif isinstance(node, list):
        return node
    elif isinstance(node, Mapping):
        return (*node, *node.values())
    elif node is not None:
        raise ValueError("Must hold only text, numbers, true, false, lists, objects.")
    return ()


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
    "attributes": _json_object,
    "identities": _identities,
}
RESPONSE_FIELDS: Mapping[str, Parser] = {
    "survey": _slug,
    "source_system": _short,
    "external_id": _id,
    "customer": lambda value: value,
    "score": _score,
    "comment": _comment,
    "answered_at": _short,
    "touchpoint": _slug,
    "channel": _short,
    "language": _short,
    "weight": _weight,
    "wants_contact": _truth,
    "answers": _json_object,
}

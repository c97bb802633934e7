"""Reading JSON from outside: strictly, and never more of it than is allowed.

The standard reader takes NaN, the last of two equal names and any size. What it lets
through as text is judged field by field later, where the field can be named.
"""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Mapping, Sequence
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from cem_cases.api.errors import Malformed, TooLarge
from cem_cases.conf import conf
from cem_cases.intake.values import MAX_TEXT, UNSTORABLE

MAX_DIGITS = 30


class StrictJSONParser(BaseParser):
    """Reads a body of at most API_MAX_BYTES as JSON (RFC 8259) in UTF-8."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        limit = conf().API_MAX_BYTES
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise TooLarge
        request = (parser_context or {})["request"]
        if len(raw) < int(request.META["CONTENT_LENGTH"]):
            raise Malformed("The body ended before its Content-Length.")
        return parse_json(raw)


def check_length(request: Request) -> None:
    """Refuse a body whose length is not said, or is too much, before reading any.

    Django reads nothing where there is no Content-Length: without this, a verb sent in
    chunks would be carried out as if its body were empty.
    """
    said = request.META.get("CONTENT_LENGTH") or ""
    if not said:
        if "HTTP_TRANSFER_ENCODING" in request.META:
            raise Malformed("Send the body in one piece, with a Content-Length.")
    elif not (said.isascii() and said.isdigit()):
        raise Malformed("Content-Length must be a number.")
    elif len(said) > MAX_DIGITS or int(said) > conf().API_MAX_BYTES:
        raise TooLarge


def parse_json(raw: bytes) -> Any:
    """Return what this JSON says.

    Raises Malformed, or ValidationError where it can name the field.
    """
    if raw.startswith(codecs.BOM_UTF8):
        raise Malformed("The body must be UTF-8 without a byte order mark.")
    try:
        return json.loads(
            raw.decode(),
            object_pairs_hook=_object,
            parse_constant=_not_a_number,
            parse_float=_finite,
            parse_int=_whole,
        )
    except UnicodeDecodeError:
        raise Malformed("The body must be UTF-8.") from None
    except json.JSONDecodeError as error:
        raise Malformed(
            f"The body is not JSON: see line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise Malformed("The body is nested too deeply.") from None


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if UNSTORABLE.search(name):
            raise Malformed("The name of a field must not hold control characters.")
        if name in found:
            raise ValidationError({name[:MAX_TEXT]: ["Is given twice."]})
        found[name] = value
    return found


def _not_a_number(word: str) -> NoReturn:
    raise Malformed("Numbers must be finite: NaN and Infinity are not JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Malformed("Numbers must be finite.")
    return number


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS + 1:
        raise Malformed(f"A whole number has at most {MAX_DIGITS} digits.")
    return int(text)

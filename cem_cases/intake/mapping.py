"""Which column of a file fills which field of a response.

A mapping is data (TOML or JSON), checked key by key before a file is opened, and then
once against the file's header. It is bound to no survey: the same export of the same
tool maps in the same way.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cem_cases.intake import encoding, records, specs
from cem_cases.intake.refusals import MappingRefused
from cem_cases.intake.specs import CellRefused, Spec, parse_spec, refuse_unknown

RESPONSE = {
    "external_id": specs.TEXT,
    "score": specs.NUMBER,
    "comment": specs.TEXT,
    "answered_at": specs.MOMENT,
    "touchpoint": specs.TEXT,
    "channel": specs.TEXT,
    "language": specs.TEXT,
    "weight": specs.NUMBER,
    "wants_contact": specs.TRUTH,
}
CUSTOMER = {
    "external_id": specs.TEXT,
    "name": specs.TEXT,
    "email": specs.TEXT,
    "phone": specs.TEXT,
    "organization": specs.TEXT,
    "segment": specs.TEXT,
    "annual_value": specs.NUMBER,
    "currency": specs.TEXT,
    "language": specs.TEXT,
    "time_zone": specs.TEXT,
    "since": specs.DATE,
}
NEVER_BLANK = ("external_id", "answered_at")
"""Without the one a row would come in twice; without the other it would be from today."""

MAX_HEADER_ROWS = 10


class RowRefused(ValueError):
    """Cells of a row do not fit the mapping; `errors` says what, field by field."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        self.errors = {name: list(messages) for name, messages in errors.items()}
        super().__init__(self.errors)


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How the file is written, where its mapping says so."""

    encoding: str | None = None
    delimiter: str | None = None
    header_rows: int = 1


@dataclass(frozen=True, slots=True)
class Identity:
    """One way to reach the customer: the channel, and where its identifier stands."""

    channel: str
    identifier: Spec


@dataclass(frozen=True, kw_only=True)
class ColumnMapping:
    """From the cells of a row to the response it describes."""

    source: str
    response: Mapping[str, Spec]
    answers: Mapping[str, Spec] = field(default_factory=dict)
    customer: Mapping[str, Spec] = field(default_factory=dict)
    attributes: Mapping[str, Spec] = field(default_factory=dict)
    identities: tuple[Identity, ...] = ()
    file: FileOptions = FileOptions()
    fingerprint: str = ""
    """SHA-256 of what the mapping says, whichever way it is written."""

    def bind(self, header: Sequence[str]) -> None:
        """Check that each column which is used stands in this header, once.

        Raises MappingRefused, naming each that does not.
        """
        counts = Counter(header)
        wrong = {
            name: _misfit(name, path, counts)
            for path, spec in self._specs()
            for name in spec.columns
            if counts[name] != 1
        }
        if wrong:
            raise MappingRefused(" ".join(wrong.values()))

    def apply(self, cells: Mapping[str, str]) -> dict[str, Any]:
        """Return the response that these cells describe; blank fields are left out.

        Raises RowRefused where cells do not fit; it names their columns and fields.
        """
        row = _Row(cells)
        customer: dict[str, Any] = row.read(self.customer, "customer.")
        if attributes := row.read(self.attributes, "customer.attributes."):
            customer["attributes"] = attributes
        if identities := self._identities(row):
            customer["identities"] = identities
        raw: dict[str, Any] = {
            "source_system": self.source,
            **row.read(self.response, ""),
            "answers": row.read(self.answers, "answers."),
            "customer": customer,
        }
        for name in NEVER_BLANK:
            if name in self.response and name not in raw:
                refusal = self.response[name].refuse("is blank")
                row.errors.setdefault(name, [str(refusal)])
        if row.errors:
            raise RowRefused(row.errors)
        return {name: value for name, value in raw.items() if value != {}}

    def _identities(self, row: _Row) -> list[dict[str, Any]]:
        found = [
            (one.channel, row.read_one(one.identifier, f"customer.identities.{number}"))
            for number, one in enumerate(self.identities)
        ]
        return [
            {"channel": channel, "identifier": identifier}
            for channel, identifier in found
            if identifier is not None
        ]

    def _specs(self) -> Iterator[tuple[str, Spec]]:
        for prefix, section in (
            ("response", self.response),
            ("answers", self.answers),
            ("customer", self.customer),
            ("customer.attributes", self.attributes),
        ):
            yield from ((f"{prefix}.{name}", spec) for name, spec in section.items())
        for number, identity in enumerate(self.identities):
            yield f"customer.identities.{number}", identity.identifier


class _Row:
    """Reads fields from the cells of one row, and collects what is wrong with them."""

    def __init__(self, cells: Mapping[str, str]) -> None:
        self.cells = cells
        self.errors: dict[str, list[str]] = {}

    def read(self, section: Mapping[str, Spec], prefix: str) -> dict[str, Any]:
        found = {
            name: self.read_one(spec, f"{prefix}{name}")
            for name, spec in section.items()
        }
        return {name: value for name, value in found.items() if value is not None}

    def read_one(self, spec: Spec, path: str) -> Any:
        try:
            return spec.value(self.cells)
        except CellRefused as error:
            self.errors[path] = [str(error)]
            return None


def load(text: str, *, is_json: bool = False) -> ColumnMapping:
    """Return the mapping that is written in this TOML, or JSON.

    Raises MappingRefused for what is not TOML or JSON, and as `parse_mapping` does.
    """
    try:
        data = (
            json.loads(text, object_pairs_hook=_once)
            if is_json
            else tomllib.loads(text)
        )
    except (ValueError, RecursionError) as error:
        kind = "JSON" if is_json else "TOML"
        raise MappingRefused(f"The mapping is not valid {kind}: {error}") from None
    return parse_mapping(data)


def parse_mapping(data: Mapping[str, Any]) -> ColumnMapping:
    """Return the mapping that `data` describes.

    >>> mapping = parse_mapping(
    ...     {"source": "nps2025", "response": {"external_id": "Id", "score": "Q1"}}
    ... )
    >>> mapping.apply({"Id": "r-1", "Q1": "9"})
    {'source_system': 'nps2025', 'external_id': 'r-1', 'score': '9'}

    Raises MappingRefused for the first key which is unknown or has a wrong value.
    """
    if not isinstance(data, Mapping):
        raise MappingRefused("The mapping must be a table of sections")
    refuse_unknown(data, ["source", "file", "response", "answers", "customer"], "")
    source = data.get("source")
    if not isinstance(source, str) or not source.strip():
        raise MappingRefused("source: is missing; name the system the file comes from")
    response = _section(data, "response")
    if "external_id" not in response:
        raise MappingRefused(
            "response.external_id: is missing; it tells which rows are already here"
        )
    refuse_unknown(response, list(RESPONSE), "response")
    customer = dict(_section(data, "customer"))
    attributes = _section(customer, "attributes", "customer.attributes")
    identities = customer.pop("identities", [])
    customer.pop("attributes", None)
    refuse_unknown(customer, [*CUSTOMER, "attributes", "identities"], "customer")
    return ColumnMapping(
        source=source.strip(),
        response=_specs(response, "response", RESPONSE),
        answers=_specs(_section(data, "answers"), "answers"),
        customer=_specs(customer, "customer", CUSTOMER),
        attributes=_specs(attributes, "customer.attributes"),
        identities=_identities(identities),
        file=_file_options(_section(data, "file")),
        fingerprint=_fingerprint(data),
    )


def _section(data: Mapping[str, Any], name: str, path: str = "") -> Mapping[str, Any]:
    section = data.get(name, {})
    if not isinstance(section, Mapping):
        raise MappingRefused(f"{path or name}: must be a table")
    return section


def _specs(
    section: Mapping[str, Any],
    path: str,
    kinds: Mapping[str, specs.Kind] | None = None,
) -> dict[str, Spec]:
    return {
        name: parse_spec(raw, f"{path}.{name}", kinds[name] if kinds else specs.ANY)
        for name, raw in section.items()
    }


def _identities(raw: object) -> tuple[Identity, ...]:
    if not isinstance(raw, list):
        raise MappingRefused("customer.identities: must be tables, [[…]]")
    return tuple(
        _identity(one, f"customer.identities.{number}")
        for number, one in enumerate(raw)
    )


def _identity(raw: object, path: str) -> Identity:
    if not isinstance(raw, Mapping) or not {"channel", "identifier"} <= set(raw):
        raise MappingRefused(f"{path}: needs channel and identifier")
    refuse_unknown(raw, ["channel", "identifier"], path)
    channel = raw["channel"]
    if not isinstance(channel, str) or not channel.strip():
        raise MappingRefused(f"{path}.channel: must be the channel's name, such as sms")
    identifier = parse_spec(raw["identifier"], f"{path}.identifier", specs.TEXT)
    return Identity(channel.strip(), identifier)


def _file_options(raw: Mapping[str, Any]) -> FileOptions:
    refuse_unknown(raw, ["encoding", "delimiter", "header_rows"], "file")
    rows = raw.get("header_rows", 1)
    if type(rows) is not int or not 1 <= rows <= MAX_HEADER_ROWS:
        raise MappingRefused(f"file.header_rows: must be 1 to {MAX_HEADER_ROWS}")
    return FileOptions(
        encoding=_file_option(raw, "encoding", encoding.known),
        delimiter=_file_option(raw, "delimiter", records.parse_delimiter),
        header_rows=rows,
    )


def _file_option(raw: Mapping[str, Any], name: str, parse: Any) -> str | None:
    if name not in raw:
        return None
    try:
        return str(parse(str(raw[name])))
    except ValueError as error:
        raise MappingRefused(f"file.{name}: {error}") from None


def _misfit(name: str, path: str, counts: Counter[str]) -> str:
    if counts[name]:
        return (
            f"The file has {counts[name]} columns named {name!r}: "
            f"{path} cannot tell which is meant."
        )
    close = specs.similar(name, [each for each in counts if each])
    return f"The file has no column {name!r}, which {path} needs{close or '.'}"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {twice} is given twice")
    return found


def _fingerprint(data: Mapping[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()

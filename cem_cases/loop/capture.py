"""Answers come in: checked, matched with their customers, stored once.

Identity is matched in this order: external id, then channel identity (e-mail addresses
and phone numbers are some), then the e-mail address of the customer's own row. Who is not
known becomes a new customer; an answer without any identity belongs to an anonymous one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any, Literal, NamedTuple
from uuid import uuid4

from django.db import IntegrityError, router, transaction
from django.db.models.functions import Lower

from cem_cases import enqueue
from cem_cases.exceptions import FieldErrors, InvalidInput
from cem_cases.intake.values import (
    InvalidResponse,
    NewCustomer,
    NewResponse,
    parse_response,
)
from cem_cases.loop import bulk, moment
from cem_cases.models import (
    ChannelIdentity,
    Customer,
    Organization,
    Response,
    Survey,
    Touchpoint,
)

TRIES = 5
"""How often a batch is begun again when another process stored some of it first."""
CHUNK = 1000

_Key = tuple[str, str]
"""Of a response: the source system, and the external id there."""


@dataclass(slots=True)
class Outcome:
    """What became of one response that was handed in."""

    status: Literal["created", "duplicate", "rejected"]
    errors: FieldErrors = field(default_factory=dict)
    """Of a rejected one: what is wrong, by field."""
    _stored: Response | _Stored | None = None

    @property
    def response(self) -> Response | None:
        """The stored row; of a duplicate the one that was there before.

        Made when it is asked for: for thousands that takes as long as the rest.
        """
        if isinstance(self._stored, _Stored):
            self._stored = self._stored.instance()
        return self._stored


@bulk.unwatched()
def record(
    responses: Mapping[str, Any] | Iterable[Mapping[str, Any]],
    *,
    now: datetime | None = None,
    partial: bool = False,
) -> list[Outcome]:
    """Store these responses and let the loop know; return an outcome for each, in order.

    Each is a mapping with the fields of `cem_cases.intake.values.RESPONSE_FIELDS`. The
    same source system and external id again changes nothing and returns the row that
    is there. If any is wrong, nothing is stored and InvalidInput is raised, whose fields
    begin with the number of the response (`[3].score`) if there are several. With
    `partial` the wrong ones come back as rejected and the others are stored.
    """
    given = [responses] if isinstance(responses, Mapping) else list(responses)
    now = now or moment.now()
    shelf = _Shelf()
    checked = _check(given, shelf, now)
    if not partial:
        _refuse(checked)
    valid = [value for value in checked if isinstance(value, NewResponse)]
    stored: list[Outcome] = []
    with transaction.atomic():
        for start in range(0, len(valid), CHUNK):
            stored += _store(valid[start : start + CHUNK], shelf, now)
        if any(outcome.status == "created" for outcome in stored):
            enqueue.ring()
    outcomes = iter(stored)
    return [
        next(outcomes)
        if isinstance(value, NewResponse)
        else Outcome("rejected", errors=value)
        for value in checked
    ]


def _refuse(checked: Sequence[NewResponse | FieldErrors]) -> None:
    errors = {
        f"[{n}].{name}" if len(checked) > 1 else name: messages
        for n, wrong in enumerate(checked)
        if not isinstance(wrong, NewResponse)
        for name, messages in wrong.items()
    }
    if errors:
        raise InvalidInput(errors)


class _Shelf:
    """The surveys that a batch names, and the keys of the touchpoints, by slug."""

    surveys: Mapping[str, Survey]
    touchpoints: Mapping[str, int]

    def fetch(self, values: Sequence[NewResponse]) -> None:
        """Fetch what these name: two queries at most."""
        slugs = {value.survey for value in values}
        surveys = Survey.objects.filter(slug__in=slugs) if slugs else ()
        self.surveys = {survey.slug: survey for survey in surveys}
        slugs = {value.touchpoint for value in values} - {""}
        touchpoints = Touchpoint.objects.filter(slug__in=slugs)
        self.touchpoints = dict(touchpoints.values_list("slug", "pk")) if slugs else {}


def _check(
    given: Sequence[Mapping[str, Any]], shelf: _Shelf, now: datetime
) -> list[NewResponse | FieldErrors]:
    """Return for each either its value or its errors; fills the shelf."""
    parsed: list[NewResponse | FieldErrors] = []
    for raw in given:
        if not isinstance(raw, Mapping):
            parsed.append({"response": ["Must be an object with named fields."]})
            continue
        try:
            parsed.append(parse_response(raw, now=now))
        except InvalidResponse as error:
            parsed.append(error.errors)
    shelf.fetch([value for value in parsed if isinstance(value, NewResponse)])
    return [
        (_misfit(value, shelf) or value) if isinstance(value, NewResponse) else value
        for value in parsed
    ]


def _misfit(value: NewResponse, shelf: _Shelf) -> dict[str, list[str]]:
    """Return what does not fit the survey, by field."""
    errors: dict[str, list[str]] = {}
    survey = shelf.surveys.get(value.survey)
    if survey is None or not survey.is_active:
        errors["survey"] = ["Is not the slug of an active survey."]
    elif value.score is not None:
        low, high = survey.scale_min, survey.scale_max
        if not low <= value.score <= high:
            errors["score"] = [f"Must be from {low} to {high}."]
    if value.touchpoint and value.touchpoint not in shelf.touchpoints:
        errors["touchpoint"] = ["Is not the slug of a touchpoint."]
    return errors


def _store(
    values: Sequence[NewResponse], shelf: _Shelf, now: datetime
) -> list[Outcome]:
    """Store a chunk; begin again when another process was first with some of it."""
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                return _store_once(values, shelf, now)
        except IntegrityError as error:
            refused = type(error)
    # without the database's own words: they quote the row
    raise refused("Others kept storing some of the same.") from None


def _store_once(
    values: Sequence[NewResponse], shelf: _Shelf, now: datetime
) -> list[Outcome]:
    keys = [(value.source_system, value.external_id or uuid4().hex) for value in values]
    known = _known_responses(keys)
    new: dict[_Key, NewResponse] = {}
    for key, value in zip(keys, values, strict=True):
        if key not in known:
            new.setdefault(key, value)
    created = _insert(new, shelf, now)
    outcomes = []
    for key in keys:
        if key in created:  # the same again in this chunk is a duplicate
            known[key] = created.pop(key)
            outcomes.append(Outcome("created", _stored=known[key]))
        else:
            outcomes.append(Outcome("duplicate", _stored=known[key]))
    return outcomes


def _known_responses(keys: Sequence[_Key]) -> dict[_Key, Response | _Stored]:
    rows = Response.objects.filter(
        bulk.any_of("external_id", {external_id for _, external_id in keys}),
        source_system__in={source for source, _ in keys},
    )
    wanted = set(keys)
    found = {(row.source_system, row.external_id): row for row in rows}
    return {key: row for key, row in found.items() if key in wanted}


class _Stored(NamedTuple):
    """A response that was stored just now, short of its instance."""

    pk: int
    row: Sequence[Any]
    """The columns WRITTEN."""
    received_at: datetime
    survey: Survey

    def instance(self) -> Response:
        values = dict(zip(WRITTEN, self.row, strict=True))
        made = Response(pk=self.pk, received_at=self.received_at, **values)
        made.survey = self.survey
        made._state.adding = False
        made._state.db = router.db_for_write(Response)
        return made


def _insert(
    new: Mapping[_Key, NewResponse], shelf: _Shelf, now: datetime
) -> dict[_Key, _Stored]:
    customers = _match([value.customer for value in new.values()], now)
    rows = [
        _row(key, value, customer["pk"], shelf, now)
        for (key, value), customer in zip(new.items(), customers, strict=True)
    ]
    pks = bulk.add(
        Response,
        WRITTEN,
        rows,
        same={"received_at": now},
        unique=["source_system", "external_id"],
    )
    return {
        key: _Stored(pk, row, now, shelf.surveys[value.survey])
        for (key, value), pk, row in zip(new.items(), pks, rows, strict=True)
    }


WRITTEN = (
    "survey_id",
    "customer_id",
    "touchpoint_id",
    "source_system",
    "external_id",
    "channel",
    "score",
    "weight",
    "comment",
    "language",
    "wants_contact",
    "answers",
    "answered_at",
)


def _row(
    key: _Key, value: NewResponse, customer: int, shelf: _Shelf, now: datetime
) -> tuple[Any, ...]:
    """Return the columns WRITTEN of this response."""
    survey = shelf.surveys[value.survey]
    return (
        survey.id,
        customer,
        shelf.touchpoints[value.touchpoint]
        if value.touchpoint
        else survey.touchpoint_id,
        *key,
        value.channel,
        value.score,
        value.weight,
        value.comment,
        value.language or value.customer.said.get("language", ""),
        value.wants_contact,
        dict(value.answers),
        value.answered_at or now,
    )


def _match(wanted: Sequence[NewCustomer], now: datetime) -> list[_Person]:
    """Return the customer of each, created or brought up to date where needed."""
    book = _Book(wanted)
    organizations = _organizations({new.organization for new in wanted} - {""})
    people = []
    for new in wanted:
        person = book.find(new) or book.begin()
        organization = organizations.get(new.organization)
        if _apply(person, new, organization) and person["pk"]:
            book.news.setdefault(person["pk"], []).append((new, organization))
        book.learn(new, person)
        people.append(person)
    book.save(now)
    return people


SAID = (
    "external_id",
    "name",
    "email",
    "phone",
    "segment",
    "annual_value",
    "currency",
    "language",
    "time_zone",
    "since",
)
CHANGED = (*SAID, "organization_id", "attributes")
KEPT = ("pk", *CHANGED)

_Person = dict[str, Any]
"""What is KEPT of a customer, by column. Instances take four times as long."""

_NOBODY: _Person = {name: getattr(Customer(), name) for name in KEPT}


def _people(*conditions: Any) -> list[_Person]:
    rows = Customer.objects.filter(*conditions).values_list(*KEPT)
    return [dict(zip(KEPT, row, strict=True)) for row in rows]


class _Book:
    """The customers that these new ones might be, by each of their identities."""

    def __init__(self, wanted: Sequence[NewCustomer]) -> None:
        self.created: list[_Person] = []
        self.news: dict[int, list[tuple[NewCustomer, int | None]]] = {}
        self._by_id: dict[str, _Person] = {}
        self._by_identity: dict[tuple[str, str], _Person] = {}
        self._new_identities: dict[tuple[str, str], _Person] = {}
        ids = {new.external_id for new in wanted} - {None}
        pairs = {pair for new in wanted for pair in new.identities}
        if ids:
            found = _people(bulk.any_of("external_id", ids))
            self._by_id = {person["external_id"]: person for person in found}
        if pairs:
            self._load_identities(pairs)

    def _load_identities(self, pairs: set[tuple[str, str]]) -> None:
        same = {person["pk"]: person for person in self._by_id.values()}
        rows = ChannelIdentity.objects.filter(
            bulk.any_of("identifier", {identifier for _, identifier in pairs}),
            channel__in={channel for channel, _ in pairs},
        )
        found = {
            (channel, identifier): key
            for channel, identifier, key in rows.values_list(
                "channel", "identifier", "customer"
            )
            if (channel, identifier) in pairs
        }
        # one of each, or the second would undo what was said of the first
        others = set(found.values()) - same.keys()
        if others:
            same |= {p["pk"]: p for p in _people(bulk.any_of("pk", others))}
        self._by_identity = {pair: same[key] for pair, key in found.items()}
        self._load_addresses(pairs - found.keys(), same)

    def _load_addresses(
        self, pairs: set[tuple[str, str]], same: dict[int, _Person]
    ) -> None:
        """Find those whose address is in their row only: the host made them so."""
        addresses = {address for channel, address in pairs if channel == "email"}
        if not addresses:
            return
        rows = Customer.objects.exclude(email="").annotate(address=Lower("email"))
        rows = rows.filter(bulk.any_of("address", addresses))
        # the oldest of several comes last, and stays
        for address, *row in rows.order_by("-pk").values_list("address", *KEPT):
            person = same.setdefault(row[0], dict(zip(KEPT, row, strict=True)))
            self._by_identity["email", address] = person
            self._new_identities["email", address] = person

    def find(self, new: NewCustomer) -> _Person | None:
        """Return who this is: by external id, else by a channel identity.

        Someone known under another external id is somebody else, even at the same
        address: families share them.
        """
        external_id = new.external_id
        if external_id in self._by_id:
            return self._by_id[external_id]
        for pair in new.identities:
            person = self._by_identity.get(pair)
            if person and not (external_id and person["external_id"]):
                return person
        return None

    def begin(self) -> _Person:
        """Return somebody new, of whom nothing is known yet."""
        person = _NOBODY.copy()
        self.created.append(person)
        return person

    def learn(self, new: NewCustomer, person: _Person) -> None:
        """Remember by what this customer is known now."""
        if person["external_id"]:
            self._by_id[person["external_id"]] = person
        for pair in new.identities:
            if pair not in self._by_identity:
                self._by_identity[pair] = self._new_identities[pair] = person

    def save(self, now: datetime) -> None:
        """Write the new customers, the changed ones, the new identities."""
        keys = bulk.add(
            Customer,
            CHANGED,
            [_changed(person) for person in self.created],
            same={"created_at": now},
            unique=["external_id"],
        )
        for person, key in zip(self.created, keys, strict=True):
            person["pk"] = key
        self._save_news()
        bulk.add(
            ChannelIdentity,
            ("customer_id", "channel", "identifier"),
            [(person["pk"], *pair) for pair, person in self._new_identities.items()],
            unique=["channel", "identifier"],
            keys=False,
        )

    def _save_news(self) -> None:
        """Apply what is new to the rows as they are now, under their locks."""
        if not self.news:
            return
        rows = Customer.objects.select_for_update(no_key=True).order_by("pk")
        rows = rows.filter(bulk.any_of("pk", self.news))
        current = [dict(zip(KEPT, row, strict=True)) for row in rows.values_list(*KEPT)]
        for person in current:
            for new, organization in self.news[person["pk"]]:
                if person["external_id"] and new.external_id not in (
                    None,
                    person["external_id"],
                ):
                    raise IntegrityError("The customer got another external id.")
                _apply(person, new, organization)
        bulk.change(Customer, CHANGED, [tuple(person.values()) for person in current])


_changed = itemgetter(*CHANGED)


def _apply(person: _Person, new: NewCustomer, organization: int | None) -> bool:
    """Take over what is said of the customer now; return whether it was news.

    What is not said stays as it is: an answer without a segment takes none away.
    """
    organization = organization or person["organization_id"]
    known = person["attributes"]
    if (
        new.said.items() <= person.items()
        and new.attributes.items() <= known.items()
        and organization == person["organization_id"]
    ):
        return False
    person.update(new.said, organization_id=organization)
    person["attributes"] = {**known, **new.attributes}
    return True


def _organizations(names: set[str]) -> dict[str, int]:
    """Return the keys of the organizations of these names, created where they are new."""
    if not names:
        return {}
    rows = Organization.objects.filter(bulk.any_of("name", names))
    found = dict(rows.values_list("name", "pk"))
    new = sorted(names - found.keys())
    keys = bulk.add(Organization, ["name"], [(name,) for name in new], unique=["name"])
    return found | dict(zip(new, keys, strict=True))

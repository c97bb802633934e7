"""Answers come in: checked, matched with their customers, stored once.

Identity is matched in this order: external id, then channel identity (e-mail addresses
and phone numbers are some), then the e-mail address of the customer's own row. Who is not
known becomes a new customer; an answer without any identity belongs to an anonymous one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from django.db import IntegrityError, transaction
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one response that was handed in."""

    status: Literal["created", "duplicate", "rejected"]
    response: Response | None = None
    """The stored row; of a duplicate the one that was there before."""
    errors: FieldErrors = field(default_factory=dict)
    """Of a rejected one: what is wrong, by field."""


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
    outcomes: list[Outcome | None] = [None] * len(given)
    valid: list[tuple[int, NewResponse]] = []
    shelf = _Shelf()
    for n, checked in enumerate(_check(given, shelf, now)):
        if isinstance(checked, NewResponse):
            valid.append((n, checked))
        else:
            outcomes[n] = Outcome("rejected", errors=checked)
    if not partial:
        _refuse(outcomes)
    with transaction.atomic():
        for start in range(0, len(valid), CHUNK):
            chunk = valid[start : start + CHUNK]
            stored = _store([new for _, new in chunk], shelf, now)
            for (n, _), outcome in zip(chunk, stored, strict=True):
                outcomes[n] = outcome
        if any(outcome and outcome.status == "created" for outcome in outcomes):
            enqueue.ring()
    return [outcome for outcome in outcomes if outcome is not None]


def _refuse(outcomes: Sequence[Outcome | None]) -> None:
    errors = {
        f"[{n}].{name}" if len(outcomes) > 1 else name: messages
        for n, outcome in enumerate(outcomes)
        if outcome is not None
        for name, messages in outcome.errors.items()
    }
    if errors:
        raise InvalidInput(errors)


class _Shelf:
    """The surveys and touchpoints that a batch names, fetched once, by slug."""

    surveys: Mapping[str, Survey]
    touchpoints: Mapping[str, Touchpoint]

    def fetch(self, values: Sequence[NewResponse]) -> None:
        """Fetch what these name: two queries at most."""
        self.surveys = _by_slug(Survey, {value.survey for value in values})
        places = {value.touchpoint for value in values} - {""}
        self.touchpoints = _by_slug(Touchpoint, places)


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


def _by_slug(model: Any, slugs: set[str]) -> dict[str, Any]:
    rows = model.objects.filter(slug__in=slugs) if slugs else ()
    return {row.slug: row for row in rows}


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
    new: dict[tuple[str, str], NewResponse] = {}
    for key, value in zip(keys, values, strict=True):
        if key not in known and key not in new:
            new[key] = value
    customers = _match([value.customer for value in new.values()], now)
    rows = {
        key: _row(key, value, customer, shelf, now)
        for (key, value), customer in zip(new.items(), customers, strict=True)
    }
    bulk.insert(list(rows.values()), unique=["source_system", "external_id"])
    outcomes = []
    for key in keys:
        row = rows.get(key)
        outcomes.append(
            Outcome("created", row) if row else Outcome("duplicate", known[key])
        )
        if row:  # the same again in this chunk is a duplicate
            known[key] = rows.pop(key)
    return outcomes


def _known_responses(
    keys: Sequence[tuple[str, str]],
) -> dict[tuple[str, str], Response]:
    rows = Response.objects.filter(
        source_system__in={source for source, _ in keys},
        external_id__in={external_id for _, external_id in keys},
    )
    wanted = set(keys)
    found = {(row.source_system, row.external_id): row for row in rows}
    return {key: row for key, row in found.items() if key in wanted}


def _row(
    key: tuple[str, str],
    value: NewResponse,
    customer: Customer,
    shelf: _Shelf,
    now: datetime,
) -> Response:
    survey = shelf.surveys[value.survey]
    touchpoint = shelf.touchpoints.get(value.touchpoint)
    return Response(
        survey=survey,
        customer=customer,
        touchpoint_id=touchpoint.pk if touchpoint else survey.touchpoint_id,
        source_system=key[0],
        external_id=key[1],
        channel=value.channel,
        score=value.score,
        weight=value.weight,
        comment=value.comment,
        language=value.language or value.customer.language,
        wants_contact=value.wants_contact,
        answers=dict(value.answers),
        answered_at=value.answered_at or now,
        received_at=now,
    )


def _match(wanted: Sequence[NewCustomer], now: datetime) -> list[Customer]:
    """Return the customer of each, created or brought up to date where needed."""
    book = _Book(wanted)
    organizations = _organizations({new.organization for new in wanted} - {""})
    customers = []
    for new in wanted:
        customer = book.find(new)
        organization = organizations.get(new.organization)
        if customer is None:
            customer = Customer(created_at=now)
            book.created.append(customer)
        if _apply(customer, new, organization) and customer.pk:
            book.news.setdefault(customer.pk, []).append((new, organization))
        book.learn(new, customer)
        customers.append(customer)
    book.save()
    return customers


class _Book:
    """The customers that these new ones might be, by each of their identities."""

    def __init__(self, wanted: Sequence[NewCustomer]) -> None:
        self.created: list[Customer] = []
        self.news: dict[int, list[tuple[NewCustomer, Organization | None]]] = {}
        self._by_id: dict[str, Customer] = {}
        self._by_identity: dict[tuple[str, str], Customer] = {}
        self._new_identities: dict[tuple[str, str], Customer] = {}
        ids = {new.external_id for new in wanted} - {None}
        pairs = {pair for new in wanted for pair in new.identities}
        if ids:
            rows = Customer.objects.filter(external_id__in=ids)
            self._by_id = {str(row.external_id): row for row in rows}
        if pairs:
            self._load_identities(pairs)

    def _load_identities(self, pairs: set[tuple[str, str]]) -> None:
        same = {customer.pk: customer for customer in self._by_id.values()}
        rows = ChannelIdentity.objects.filter(ChannelIdentity.any_of(pairs))
        found = {
            (channel, identifier): key
            for channel, identifier, key in rows.values_list(
                "channel", "identifier", "customer"
            )
            if (channel, identifier) in pairs
        }
        # one instance per customer, or the second would undo what the first one changed
        same |= Customer.objects.in_bulk(set(found.values()) - same.keys())
        self._by_identity = {pair: same[key] for pair, key in found.items()}
        self._load_addresses(pairs - found.keys(), same)

    def _load_addresses(
        self, pairs: set[tuple[str, str]], same: dict[int, Customer]
    ) -> None:
        """Find those whose address is in their row only: the host made them so."""
        addresses = {address for channel, address in pairs if channel == "email"}
        if not addresses:
            return
        rows = Customer.objects.exclude(email="").annotate(address=Lower("email"))
        # the oldest of several comes last, and stays
        for row in rows.filter(address__in=addresses).order_by("-pk"):
            customer = same.setdefault(row.pk, row)
            self._by_identity["email", row.address] = customer
            self._new_identities["email", row.address] = customer

    def find(self, new: NewCustomer) -> Customer | None:
        """Return who this is: by external id, else by a channel identity.

        Someone known under another external id is somebody else, even at the same
        address: families share them.
        """
        if new.external_id in self._by_id:
            return self._by_id[new.external_id]
        for pair in new.identities:
            customer = self._by_identity.get(pair)
            if customer and not (new.external_id and customer.external_id):
                return customer
        return None

    def learn(self, new: NewCustomer, customer: Customer) -> None:
        """Remember by what this customer is known now."""
        if customer.external_id:
            self._by_id[customer.external_id] = customer
        for pair in new.identities:
            if pair not in self._by_identity:
                self._by_identity[pair] = self._new_identities[pair] = customer

    def save(self) -> None:
        """Write the new customers, the changed ones, the new identities."""
        bulk.insert(self.created, unique=["external_id"])
        self._save_news()
        bulk.insert(
            [
                ChannelIdentity(
                    customer=customer, channel=channel, identifier=identifier
                )
                for (channel, identifier), customer in self._new_identities.items()
            ],
            unique=["channel", "identifier"],
        )

    def _save_news(self) -> None:
        """Apply what is new to the rows as they are now, under their locks."""
        rows = Customer.objects.select_for_update(no_key=True).filter(pk__in=self.news)
        current = list(rows.order_by("pk")) if self.news else []
        for customer in current:
            for new, organization in self.news[customer.pk]:
                if customer.external_id and new.external_id not in (
                    None,
                    customer.external_id,
                ):
                    raise IntegrityError("The customer got another external id.")
                _apply(customer, new, organization)
        bulk.update(current, UPDATED)


COPIED = (
    "external_id",
    "name",
    "email",
    "phone",
    "segment",
    "annual_value",
    "currency",
    "language",
    "time_zone",
)
UPDATED = (*COPIED, "organization", "attributes")


def _apply(
    customer: Customer, new: NewCustomer, organization: Organization | None
) -> bool:
    """Take over what is said of the customer now; return whether it was news.

    What is not said stays as it is: an answer without a segment takes none away.
    """
    news = {
        name: value
        for name in COPIED
        if (value := getattr(new, name)) not in (None, "")
        and value != getattr(customer, name)
    }
    if organization is not None and organization.pk != customer.organization_id:
        news["organization"] = organization
    attributes = {**customer.attributes, **new.attributes}
    if attributes != customer.attributes:
        news["attributes"] = attributes
    for name, value in news.items():
        setattr(customer, name, value)
    return bool(news)


def _organizations(names: set[str]) -> dict[str, Organization]:
    """Return the organizations of these names, created where they are new."""
    if not names:
        return {}
    found = {row.name: row for row in Organization.objects.filter(name__in=names)}
    new = [Organization(name=name) for name in sorted(names - found.keys())]
    bulk.insert(new, unique=["name"])
    return found | {row.name: row for row in new}

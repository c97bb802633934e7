"""Why it happened: the causes that cases are resolved with.

Resolving needs a root cause, so a new site needs a tree of them. The one here is a start
that any company can use; it is created when somebody asks for it, never by a migration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db import transaction

from cem_cases.loop import bulk
from cem_cases.models import RootCause

STARTER: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("logistics", "Logistics"): {
        "late-delivery": "Delivered late",
        "damaged-in-transit": "Damaged on the way",
        "wrong-item": "Wrong item delivered",
        "missed-appointment": "Appointment missed",
        "no-delivery-notice": "Not told about the delivery",
    },
    ("product", "Product"): {
        "defective-product": "Defective",
        "quality-below-promise": "Quality below what was promised",
        "missing-parts": "Parts missing",
        "unclear-instructions": "Instructions not clear",
    },
    ("customer-service", "Customer service"): {
        "long-wait": "Waited too long for an answer",
        "not-solved-first-time": "Not solved the first time",
        "promise-not-kept": "Promise not kept",
        "unfriendly-contact": "Felt treated badly",
    },
    ("online-shop", "Online shop"): {
        "misleading-description": "Description misleading",
        "out-of-stock": "Out of stock",
        "checkout-problem": "Could not complete the order",
    },
    ("billing", "Billing"): {
        "wrong-invoice": "Invoice wrong",
        "slow-refund": "Refund slow",
        "price": "Price or fees",
    },
    ("other", ""): {
        "misunderstanding": "Misunderstanding",
        "outside-our-control": "Outside our control",
        "no-cause-found": "No cause found",
    },
}
"""(code, department) of each branch, and code and name of each cause on it."""


@dataclass(frozen=True, slots=True)
class CreatedCauses:
    """What `create_starter_causes` did, by code."""

    created: tuple[str, ...]
    kept: tuple[str, ...]
    """Codes that were there before, and were left as they are."""


def starter_causes() -> Iterator[tuple[RootCause, RootCause | None]]:
    """Yield each cause of the starter tree, unsaved, with the branch it is part of.

    Branches come before their causes; their own branch is None.
    """
    for (code, department), causes in STARTER.items():
        branch = RootCause(code=code, name=department or "Other", department=department)
        yield branch, None
        for leaf, name in causes.items():
            yield RootCause(code=leaf, name=name, department=department), branch


@transaction.atomic
def create_starter_causes() -> CreatedCauses:
    """Create those of the starter causes whose codes are not in use; return which.

    A second time nothing happens: what was renamed, moved or switched off stays so.
    """
    known = RootCause.objects.in_bulk(field_name="code")
    causes = list(starter_causes())
    new = [(cause, branch) for cause, branch in causes if cause.code not in known]
    bulk.insert([cause for cause, branch in new if branch is None])
    leaves = [(cause, branch) for cause, branch in new if branch is not None]
    for cause, branch in leaves:
        cause.parent = known.get(branch.code, branch)
    bulk.insert([cause for cause, _ in leaves])
    return CreatedCauses(
        created=tuple(cause.code for cause, _ in new),
        kept=tuple(cause.code for cause, _ in causes if cause.code in known),
    )

"""What the form of a policy sends: short to write and to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.admin import at

ADD = f"{at.rows('slapolicy')}add/"


def row(metric: str, priority: int | str, amount: str, **fields: Any) -> dict[str, Any]:
    """A target, as it is typed."""
    unit = {"unit": "business seconds", "warn_percents": "75"}
    return {"metric": metric, "priority": priority, "amount": amount} | unit | fields


def promise(metric: str = "first contact", *amounts: str, **fields: Any) -> list[Any]:
    """The four targets of a metric, urgent to low; by default 1, 2, 4 and 8 hours."""
    typed = amounts or ("1 h", "2 h", "4 h", "8 h")
    return [row(metric, n, text, **fields) for n, text in enumerate(typed, 1)]


def form(
    targets: Sequence[Any] | None = None, steps: Sequence[Any] = (), **fields: Any
) -> dict[str, Any]:
    """All of the form; by default first contact is promised at every priority."""
    data = {"name": "Standard", "position": 10, "conditions": "", "is_active": "on"}
    tables = {
        "targets": promise() if targets is None else targets,
        "escalation_steps": steps,
    }
    for name, rows in tables.items():
        data |= {f"{name}-TOTAL_FORMS": len(rows), f"{name}-INITIAL_FORMS": 0}
        for n, each in enumerate(rows):
            data |= {f"{name}-{n}-{key}": value for key, value in each.items()}
    return data | fields

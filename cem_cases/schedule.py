"""The periodic tasks: merge `BEAT_SCHEDULE` into your `CELERY_BEAT_SCHEDULE`."""

from __future__ import annotations

from typing import Any

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "cem_cases.sweep": {
        "task": "cem_cases.sweep",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "cem_cases.seal": {
        "task": "cem_cases.seal",
        "schedule": 24 * 3600.0,
        "options": {"expires": 3600},
    },
}

"""The impatient site on a machine whose clock is wrong, by `CLOCK_SKEW_HOURS`."""

import os
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from tests.impatient_settings import *  # noqa: F403

if hours := os.environ.get("CLOCK_SKEW_HOURS"):
    _skew = timedelta(hours=float(hours))
    timezone.now = lambda: datetime.now(UTC) + _skew

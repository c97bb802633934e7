"""The impatient site on a machine whose clock is wrong, by `CLOCK_SKEW_HOURS`."""

import os
from datetime import datetime, timedelta
from datetime import timezone as zone

from django.utils import timezone

from tests.impatient_settings import *  # noqa: F403

_SKEW = timedelta(hours=float(os.environ["CLOCK_SKEW_HOURS"]))


def _now() -> datetime:
    return datetime.now(zone.utc) + _SKEW  # noqa: UP017


timezone.now = _now

"""The demo site for worker processes under test: small batches, frequent sweeps."""

from demo_project.settings import *  # noqa: F403
from demo_project.settings import BEAT_SCHEDULE, CEM_CASES

CEM_CASES = {**CEM_CASES, "BATCH_SIZE": 25}
CELERY_BEAT_SCHEDULE = {
    name: {**entry, "schedule": min(entry["schedule"], 2.0)}
    for name, entry in BEAT_SCHEDULE.items()
}
CELERY_BEAT_MAX_LOOP_INTERVAL = 1

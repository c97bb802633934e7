"""A site that uses cem_cases, as a reader's own site would."""

from demo_project.celery import app as celery_app

# Imported here so that every process that loads Django has this Celery app.
__all__ = ["celery_app"]

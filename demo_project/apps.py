from django.apps import AppConfig

from demo_project import timelapse


class DemoProjectConfig(AppConfig):
    """An app as well as a site, so that it can have management commands."""

    name = "demo_project"
    verbose_name = "Demo site"

    def ready(self) -> None:
        timelapse.install()

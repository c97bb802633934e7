from django.apps import AppConfig


class DemoProjectConfig(AppConfig):
    """An app as well as a site, so that it can have management commands."""

    name = "demo_project"
    verbose_name = "Demo site"

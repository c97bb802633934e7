from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CemCasesConfig(AppConfig):
    name = "cem_cases"
    verbose_name = _("Customer cases")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from cem_cases import checks  # noqa: F401  (registers the system checks)

"""A site with an admin of its own name, which shows cases and nothing else."""

from django.contrib.admin import AdminSite
from django.urls import path

from cem_cases.admin.cases import CaseAdmin
from cem_cases.models import Case

desk = AdminSite(name="desk")
desk.register(Case, CaseAdmin)
urlpatterns = [path("desk/", desk.urls)]

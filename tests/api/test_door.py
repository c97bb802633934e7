import pytest
from django.db import connection
from django.urls import get_resolver, reverse
from rest_framework.settings import api_settings

from cem_cases.api.door import Door
from cem_cases.api.urls import urlpatterns
from tests import make

pytestmark = pytest.mark.django_db


def views(patterns=urlpatterns):
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from views(pattern.url_patterns)
        else:
            yield pattern.name, pattern.callback.cls


def test_every_view_is_a_door_that_asks_who_may():
    found = list(views())

    assert len(found) == 20
    for name, view in found:
        assert issubclass(view, Door), name
        assert view.permission_classes != api_settings.DEFAULT_PERMISSION_CLASSES, name
        assert view.authentication_classes == (
            api_settings.DEFAULT_AUTHENTICATION_CLASSES
        ), name


def test_urls_have_names():
    assert reverse("cem_cases:responses") == "/api/v1/responses/"
    assert reverse("cem_cases:case-list") == "/api/v1/cases/"
    assert reverse("cem_cases:case-set-priority", args=[7]) == (
        "/api/v1/cases/7/set-priority/"
    )
    assert get_resolver().resolve("/api/v1/cases/7/").app_names == ["cem_cases"]


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*", "x", ";;;"])
def test_whatever_is_asked_for_it_is_json(api, accept):
    answered = api(make.manager()).get("/api/v1/cases/", headers={"accept": accept})

    assert answered.status_code == 200
    assert answered["Content-Type"] == "application/json"


def test_the_hosts_own_settings_change_nothing(api, settings):
    case = make.case(team=(north := make.team("north")))
    client = api(make.agent(north))
    before = client.get(f"/api/v1/cases/{case.pk}/").content
    settings.TIME_ZONE = "Asia/Kolkata"
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {
        "EXCEPTION_HANDLER": "no.such.handler",
        "DATETIME_FORMAT": "%d.%m.%Y",
        "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
        "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
        "NON_FIELD_ERRORS_KEY": "oops",
        "URL_FORMAT_OVERRIDE": "format",
    }

    assert client.get(f"/api/v1/cases/{case.pk}/").content == before
    assert client.get("/api/v1/cases/0/").json()["code"] == "not_found"
    assert client.get("/api/v1/cases/").json()["next"] is None


def test_a_site_without_anonymous_users_is_answered_too(client, settings):
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"UNAUTHENTICATED_USER": None}

    assert client.get("/api/v1/cases/").status_code == 401


@pytest.mark.django_db(transaction=True)
def test_a_refused_verb_leaves_nothing_in_a_host_with_atomic_requests(
    api, fingerprint, monkeypatch
):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    case = make.case(team=(north := make.team("north")))
    client = api(make.agent(north))
    before = fingerprint()

    refused = client.post(f"/api/v1/cases/{case.pk}/close/")

    assert (refused.status_code, fingerprint() == before) == (409, True)
    assert client.post(f"/api/v1/cases/{case.pk}/claim/").status_code == 200
    case.refresh_from_db()
    assert case.status == "open"

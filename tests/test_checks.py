import inspect
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.db import connection

from cem_cases import checks
from cem_cases.schedule import BEAT_SCHEDULE

pytestmark = pytest.mark.django_db  # from Django 6.1 on every check may ask a database

KEY = {"AUDIT_KEYS": {"2026": "x" * 40}}


def ids(databases=None):
    found = run_checks(include_deployment_checks=True, databases=databases)
    return [message.id for message in found if message.id.startswith("cem_cases.")]


@pytest.fixture(autouse=True)
def _installed_well(settings):
    settings.CEM_CASES = KEY
    settings.CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE}


def test_a_good_installation_has_nothing_to_report():
    assert ids() == []


def test_an_option_that_does_not_exist_is_an_error(settings):
    settings.CEM_CASES = KEY | {"BATCH_SIZ": 10}

    assert ids() == ["cem_cases.E001"]
    assert "BATCH_SIZE" in checks.check_options(None)[0].hint


def test_time_zones_must_be_in_use(settings):
    settings.USE_TZ = False

    assert ids() == ["cem_cases.E002"]


@pytest.mark.parametrize("path", ["no.such.module", "operator.nothing", "math.pi"])
def test_a_plugin_must_import_and_be_callable(settings, path):
    settings.CEM_CASES = KEY | {"COMMENT_ANALYSER": path}

    assert ids() == ["cem_cases.E003"]


def test_the_audit_needs_a_key_outside_debug(settings):
    settings.CEM_CASES = {}
    assert ids() == ["cem_cases.E004"]

    settings.DEBUG = True
    assert ids() == []


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_audit_key_is_no_key(settings, blank):
    settings.CEM_CASES = {"AUDIT_KEYS": {"2025": "x" * 40, "2026": blank}}

    assert ids() == ["cem_cases.E004"]


@pytest.mark.parametrize(
    "options",
    [
        {"BATCH_SIZE": 0},
        {"BATCH_SIZE": "9"},
        {"MAX_ATTEMPTS": True},
        {"WEBHOOK_HTTP": "no"},
        {"WEBHOOK_HTTP": 1},
        {"SURVEY_URL": "https://example.org/s/"},
        {"SURVEY_URL": "/s/{token}"},
        {"SURVEY_URL": 7},
    ],
)
def test_an_option_with_a_value_that_cannot_be_is_an_error(settings, options):
    settings.CEM_CASES = KEY | options

    assert ids() == ["cem_cases.E001"]


def test_options_of_what_goes_out(settings):
    page = "https://example.org/s/{token}"
    settings.CEM_CASES = KEY | {"WEBHOOK_HTTP": True, "SURVEY_URL": page}

    assert ids() == []


def test_the_app_stays_on_the_default_database(settings):
    class Elsewhere:
        def db_for_write(self, model, **hints):
            return "other"

    settings.DATABASE_ROUTERS = [Elsewhere()]

    assert ids() == ["cem_cases.E008"]


def test_a_short_audit_key_is_warned_of(settings):
    settings.CEM_CASES = {"AUDIT_KEYS": {"2026": "short"}}

    assert ids() == ["cem_cases.W003"]


def test_missing_beat_entries_are_named(settings):
    settings.CELERY_BEAT_SCHEDULE = {"other": {"task": "cem_cases.seal"}}

    (warning,) = checks.check_beat(None)
    assert warning.id == "cem_cases.W001"
    assert "cem_cases.sweep" in warning.msg
    assert "cem_cases.seal" not in warning.msg


def test_the_database_of_the_tests_is_one_that_keeps_the_promises():
    # the throw-away server is told not to wait for the disk, which is worth a warning
    assert set(ids(databases=["default"])) <= {"cem_cases.W002"}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="is about SQLite")
def test_sqlite_must_begin_its_transactions_as_immediate(monkeypatch):
    options = {**connection.settings_dict["OPTIONS"], "transaction_mode": "DEFERRED"}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)

    assert ids(databases=["default"]) == ["cem_cases.E005"]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="is about PostgreSQL")
@pytest.mark.django_db(transaction=True)
def test_postgresql_must_run_at_read_committed():
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_isolation TO 'repeatable read'")
        try:
            assert "cem_cases.E006" in ids(databases=["default"])
        finally:
            cursor.execute("RESET default_transaction_isolation")


def test_a_database_that_lacks_what_we_need_is_refused():
    class Elsewhere:
        vendor = "mysql"

    (error,) = checks._unknown_database(Elsewhere())
    assert error.id == "cem_cases.E007"


def test_every_check_is_documented():
    page = (Path(__file__).parent.parent / "docs/reference/checks.md").read_text()
    source = inspect.getsource(checks)

    for number in [f"E00{n}" for n in range(1, 9)] + ["W001", "W002", "W003"]:
        assert f"cem_cases.{number}" in source
        assert f"`cem_cases.{number}`" in page

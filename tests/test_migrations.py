import pytest
from django.core.management import call_command
from django.db import connection


@pytest.mark.django_db
def test_the_migrations_say_what_the_models_say():
    call_command("makemigrations", "cem_cases", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_the_app_can_be_taken_away_and_installed_again():
    call_command("migrate", "cem_cases", "zero", verbosity=0)
    try:
        tables = connection.introspection.table_names()
        assert not [name for name in tables if name.startswith("cem_cases_")]
    finally:
        call_command("migrate", "cem_cases", verbosity=0)

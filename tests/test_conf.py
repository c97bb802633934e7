import pytest
from django.core.exceptions import ImproperlyConfigured

from cem_cases.conf import DEVELOPMENT_KEY, audit_keys, conf, plugin


def test_settings_are_read_when_they_are_used(settings):
    settings.CEM_CASES = {"BATCH_SIZE": 7}

    assert conf().BATCH_SIZE == 7


def test_an_option_that_does_not_exist_cannot_be_used(settings):
    settings.CEM_CASES = {"BATCH_SIZ": 7}

    with pytest.raises(TypeError, match="BATCH_SIZ"):
        conf()


def test_the_audit_has_a_development_key_with_debug_only(settings):
    settings.CEM_CASES = {}

    settings.DEBUG = True
    assert audit_keys() == DEVELOPMENT_KEY

    settings.DEBUG = False
    with pytest.raises(ImproperlyConfigured, match="AUDIT_KEYS"):
        audit_keys()


def test_a_plugin_is_imported_by_its_dotted_path(settings):
    assert plugin("COMMENT_ANALYSER") is None

    settings.CEM_CASES = {"COMMENT_ANALYSER": "operator.add"}
    assert plugin("COMMENT_ANALYSER")(1, 2) == 3

"""A walk over everything that is registered: what holds for all pages of ours."""

import re
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin import AdminSite

import cem_cases
from tests import make
from tests.admin import at

OURS = {
    model: page
    for model, page in admin.site._registry.items()
    if model._meta.app_label == "cem_cases"
}
ADDABLE = {
    "absence",
    "businesscalendar",
    "organization",
    "rootcause",
    "rule",
    "slapolicy",
    "survey",
    "tag",
    "team",
    "template",
    "touchpoint",
    "webhookendpoint",
}
CHANGEABLE = {*ADDABLE, "customer"}
DELETABLE = ADDABLE - {"rule", "slapolicy", "webhookendpoint"}
INLINE = {"channelidentity", "escalationstep", "holiday", "membership", "question"}
INLINE |= {"target"}
PARTS = {"auditdetail", "clockmark", "policyversion", "targetchange"}
PARTS |= {"decline", "explanation", "rulerun"}


def names(models):
    return {model._meta.model_name for model in models}


def test_every_model_has_its_place():
    every = names(apps.get_app_config("cem_cases").get_models())

    inlines = {inline.model for page in OURS.values() for inline in page.inlines}
    assert names(inlines) == INLINE
    # these are shown on the page of their case, clock, policy, response or rule: there it is known who looks
    assert every - names(OURS) - INLINE == PARTS


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_what_can_be_added_changed_deleted_by_who_may_everything(model, rf, root):
    request, page, name = rf.get("/"), OURS[model], model._meta.model_name
    request.user = root

    assert page.has_add_permission(request) is (name in ADDABLE)
    assert page.has_change_permission(request) is (name in CHANGEABLE)
    assert page.has_delete_permission(request) is (name in DELETABLE)
    assert ("delete_selected" in page.get_actions(request)) is (name in DELETABLE)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_every_action_asks_for_a_permission(model):
    page = OURS[model]

    for name in page.actions or ():
        allowed = getattr(page, name).allowed_permissions
        assert allowed
        assert all(hasattr(page, f"has_{verb}_permission") for verb in allowed)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_every_list_opens_and_is_searched(model, door, root):
    make.case()
    client = door(root)

    assert client.get(at.rows(model._meta.model_name)).status_code == 200
    assert client.get(f"{at.rows(model._meta.model_name)}?q=x").status_code == 200


@pytest.mark.parametrize("name", sorted(ADDABLE))
def test_every_form_opens(name, door, root):
    assert door(root).get(f"{at.rows(name)}add/").status_code == 200


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_lookups_that_no_filter_offers_are_refused(model, door, root):
    path = at.rows(model._meta.model_name)

    for query in ("id=NaN", "nothing=1", "pk__gt=0"):
        assert door(root).get(f"{path}?{query}").status_code == 400


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_another_site_can_register_the_page(model):
    site = AdminSite(name="other")

    site.register(model, type(OURS[model]))

    assert not site.get_model_admin(model).check()


def sources():
    package = Path(cem_cases.__file__).parent
    return [
        *(package / "admin").rglob("*.py"),
        *(package / "templates").rglob("*.html"),
    ]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.name)
def test_nothing_is_marked_safe_and_nothing_stands_inline(path):
    text = path.read_text()

    assert not re.search(
        r"mark_safe|\|\s*safe\b|autoescape off|format_html\(\s*f", text
    )
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", text)
    assert "admin.site." not in text

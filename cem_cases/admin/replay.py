"""The replay of a rule: what it would have done, before it is switched on.

The page asks for the time to look at. With a script the answer comes in lines, first of
progress and then the result; without one the same form brings the whole page.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from cem_cases.admin import replayview
from cem_cases.conf import conf
from cem_cases.exceptions import CemCasesError, InvalidInput
from cem_cases.loop import moment, replay
from cem_cases.loop.replayed import Replay
from cem_cases.models import Case, Response, Rule, Survey, sees_everything

LINES = "application/x-ndjson"
DRAFT = ("name", "trigger", "position", "stop", "conditions", "actions")
"""The fields of a rule that is not saved yet, as its form sends them."""
MOST_TEXT = 100_000


class ReplayForm(forms.Form):
    """Which answers, and how long the cases stay open that they open."""

    days = forms.IntegerField(
        label=_("Days back"),
        min_value=1,
        max_value=replay.MOST_DAYS,
        initial=replay.DAYS,
    )
    survey = forms.ModelChoiceField(
        Survey.objects.order_by("name"),
        label=_("Survey"),
        required=False,
        empty_label=_("all surveys"),
    )
    days_open = forms.ChoiceField(
        label=_("Each case stays open"),
        initial=replay.AS_USUAL,
        choices=[
            (replay.AS_USUAL, _("as long as cases usually did")),
            ("1", _("1 day")),
            *((f"{days}", _("%d days") % days) for days in (3, 7, 14, 30)),
            (replay.NEVER, _("for good: nobody resolves anything")),
        ],
    )

    def options(self) -> dict[str, Any]:
        """Return what the loop is to be told."""
        found, until = self.cleaned_data, moment.now()
        words = (replay.AS_USUAL, replay.NEVER)
        days_open = found["days_open"]
        return {
            "since": until - timedelta(days=found["days"]),
            "until": until,
            "survey": found["survey"],
            "days_open": days_open if days_open in words else float(days_open),
        }


class ReplayPages:
    """For the page of rules: the replay of one, saved or in its form, and of the set."""

    admin_site: Any
    opts: Any
    media: Any

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("replay/", wrap(self.replay_view), name="cem_cases_rule_replay"),
            path(
                "<path:object_id>/replay/",
                wrap(self.replay_view),
                name="cem_cases_rule_replay_one",
            ),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def replay_view(
        self, request: HttpRequest, object_id: str | None = None
    ) -> HttpResponseBase:
        """Show the form, or what came of it."""
        if not self.may_replay(request):
            raise PermissionDenied
        saved = None
        if object_id is not None:
            saved = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]
            if saved is None:
                return self._get_obj_does_not_exist_redirect(  # type: ignore[attr-defined]
                    request, self.opts, object_id
                )
        runs = request.method == "POST" and "run" in request.POST
        form = ReplayForm(request.POST if runs else None)
        given = _given(request)
        if runs and request.headers.get("Accept") == LINES:
            lines = self._lines(request, form, saved, given)
            answer = StreamingHttpResponse(lines, content_type=LINES)
            answer.headers["X-Accel-Buffering"] = "no"  # nginx would keep the progress
            return answer
        result = self._result(request, form, saved, given) if runs else ""
        return self._page(request, form, saved, given, result)

    def may_replay(self, request: HttpRequest) -> bool:
        """Whether the user edits rules, or sees them and the cases of all teams."""
        sees = sees_everything(request.user)  # type: ignore[arg-type]
        return self.has_change_permission(request) or (  # type: ignore[attr-defined]
            sees and self.has_view_permission(request)  # type: ignore[attr-defined]
        )

    def _page(
        self,
        request: HttpRequest,
        form: ReplayForm,
        saved: Rule | None,
        given: dict[str, str],
        result: str,
    ) -> HttpResponse:
        title = _now("Replay all active rules")
        if saved is not None or given:
            title = _now("Replay a rule before it is switched on")
        name = f"{self.admin_site.name}:cem_cases_rule"
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "original": saved,
            "name": given.get("name") or (saved.name if saved else ""),
            "media": self.media + MEDIA,
            "form": form,
            "given": given,
            "result": result,
            "starts": request.method == "POST" and "run" not in request.POST,
            "rule_url": reverse(f"{name}_change", args=[saved.pk]) if saved else None,
            "most": conf().REPLAY_MAX,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "cem_cases/admin/replay.html", context)

    def _result(
        self,
        request: HttpRequest,
        form: ReplayForm,
        saved: Rule | None,
        given: dict[str, str],
    ) -> str:
        """Return the result as HTML: the last of the lines."""
        *_, last = self._told(request, form, saved, given)
        return str(last["html"])

    def _lines(self, *given: Any) -> Iterator[str]:
        for found in self._told(*given):
            yield json.dumps(found) + "\n"

    def _told(
        self,
        request: HttpRequest,
        form: ReplayForm,
        saved: Rule | None,
        given: dict[str, str],
    ) -> Iterator[dict[str, Any]]:
        """Yield how far it is, and at the end the result, or what was wrong."""
        if not form.is_valid():
            texts = [
                f"{form.fields[name].label}: {' '.join(map(str, found))}"
                for name, found in form.errors.items()
            ]
            yield {"html": _refusal(texts)}
            return
        try:
            rule = _drafted(saved, given) if given else saved
            work = replay.replaying(
                rule,
                **form.options(),
                by=request.user,  # type: ignore[arg-type]
                most=conf().REPLAY_MAX,
            )
            found = yield from _progress(work)
        except InvalidInput as error:
            texts = [f"{at}: {' '.join(text)}" for at, text in error.errors.items()]
            yield {"html": _refusal(texts)}
        except CemCasesError as error:
            yield {"html": _refusal([str(error)])}
        else:
            yield {"html": self._html(request, found, form.cleaned_data["days"])}

    def _html(self, request: HttpRequest, found: Replay, days: int) -> str:
        context = {
            "found": found,
            "days": days,
            "percent": round(100 * (found.share or 0), 1),
            "teams": [replayview.team(team) for team in found.teams],
            "kinds": replayview.kinds(found),
            "pages": self._pages(request),
        }
        return render_to_string("cem_cases/admin/replayresult.html", context, request)

    def _pages(self, request: HttpRequest) -> dict[str, str]:
        """Return where cases and responses are shown, for who may look at them."""
        found = {}
        for name, model in (("case", Case), ("response", Response)):
            page = self.admin_site._registry.get(model)
            if page is not None and page.has_view_permission(request):
                view = f"{self.admin_site.name}:cem_cases_{name}_change"
                found[name] = reverse(view, args=[0])
        # the addresses differ in their key only
        return {name: url.removesuffix("0/change/") for name, url in found.items()}


MEDIA = forms.Media(
    css={"all": ("cem_cases/admin/replay.css",)},
    js=[forms.Script("cem_cases/admin/replay.js", type="module")],  # type: ignore[list-item]
)


def _given(request: HttpRequest) -> dict[str, str]:
    """Return the rule as it stands in its form; nothing where none was sent."""
    if "conditions" not in request.POST:
        return {}
    return {
        name: request.POST[name][:MOST_TEXT] for name in DRAFT if name in request.POST
    }


def _drafted(saved: Rule | None, given: dict[str, str]) -> Rule:
    """Return the rule in the form, unsaved. Raises InvalidInput."""
    fields: dict[str, Any] = {
        "name": given.get("name", ""),
        "trigger": given.get("trigger", replay.TRIGGER.value),
        "stop": bool(given.get("stop")),
    }
    position = given.get("position", "")
    if position:
        if not (position.isascii() and position.isdigit() and len(position) < 11):
            raise InvalidInput({"position": [replay.FIELDS["position"][1]]})
        fields["position"] = int(position)
    for name, start in (("conditions", {}), ("actions", [])):
        fields[name] = _json(name, given.get(name, "")) if given.get(name) else start
    rule = replay.draft(fields)
    if saved is not None:
        rule.pk, rule.version = saved.pk, saved.version
    return rule


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput({name: [_now("Must be valid JSON.")]}) from None


def _progress(
    work: Iterator[tuple[int, int]],
) -> Generator[dict[str, int], None, Replay]:
    """Yield how far it is, and return the result."""
    while True:
        try:
            done, total = next(work)
        except StopIteration as end:
            found: Replay = end.value
            return found
        yield {"done": done, "total": total}


def _refusal(texts: list[str]) -> str:
    return render_to_string("cem_cases/admin/replayresult.html", {"wrong": texts})

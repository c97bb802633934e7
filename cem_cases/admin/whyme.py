"""Why this owner: who was looked at, what was said of each, and what decided.

It reads events, which say the same in the API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from cem_cases.admin import words

CHANGES = (
    "case.assigned",
    "case.not_assigned",
    "case.claimed",
    "case.declined",
    "case.unassigned",
    "case.reopened",
)
"""The events after which somebody else may have the case."""

VERDICTS: Mapping[str, str] = {
    "eligible": gettext_noop("could take it"),
    "nobody": gettext_noop("there is none"),
    "no member": gettext_noop("is no member of the team"),
    "inactive": gettext_noop("account is switched off"),
    "manager": gettext_noop("is a manager: rules give them no cases"),
    "absent": gettext_noop("absent"),
    "declined": gettext_noop("gave it back"),
    "lacks skills": gettext_noop("lacks a skill that is needed"),
    "at capacity": gettext_noop("has no room for more"),
    "outside working hours": gettext_noop("outside the team's working hours"),
}
STRATEGIES: Mapping[str, str] = {
    "set owner": gettext_noop("A rule names the owner."),
    "account owner": gettext_noop("The customer's account owner gets it."),
    "same agent as before": gettext_noop(
        "Whoever had the customer's last case gets this one, too."
    ),
    "round robin": gettext_noop(
        "In turn: first is who has been longest without a new case from the rules."
    ),
    "least loaded": gettext_noop(
        "First is who has the fewest open cases; among equals, who has been longest "
        "without a new one."
    ),
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """What was said of one member of the team when an owner was looked for."""

    name: str
    verdict: words.Said
    load: int
    rank: int | None


@dataclass(frozen=True, slots=True)
class Why:
    """How an owner was found, or that none was."""

    how: str
    instead: str = ""
    """For whom the owner stands in."""
    tried: Sequence[str] = ()
    """What was tried before it, each with why it found nobody."""
    candidates: Sequence[Candidate] = ()
    more: str = ""


Name = Callable[[Any], str]


def read(data: Mapping[str, Any], name: Name) -> Why | None:
    """Return what this event says about candidates; None: nobody was looked at."""
    found = data.get("candidates")
    if found is None:
        return None
    strategy, instead = data.get("strategy", ""), data.get("substitute_for")
    return Why(
        how=_(STRATEGIES.get(strategy, strategy)) if strategy else "",
        instead=_("%s is absent: the substitute takes it.") % name(instead)
        if instead
        else "",
        tried=list(_tried(data.get("tried", ()), name)),
        candidates=[_candidate(said, name) for said in found],
        more=_more(data.get("more_eligible", 0), data.get("more_refused", 0)),
    )


def users_in(data: Mapping[str, Any]) -> set[Any]:
    """Return the keys of all users whom this event names as candidates."""
    found = {said["user"] for said in data.get("candidates") or ()}
    found |= {said["user"] for said in data.get("tried", ())}
    return found | {data.get("substitute_for")}


def _candidate(said: Mapping[str, Any], name: Name) -> Candidate:
    word, rank = said["verdict"], said["rank"]
    tone = "good" if rank == 1 else "plain" if word == "eligible" else "quiet"
    text = _("takes it") if rank == 1 else _(VERDICTS.get(word, word))
    verdict = words.Said(text, tone)
    return Candidate(name(said["user"]), verdict, said["load"], rank)


def _tried(found: Sequence[Mapping[str, Any]], name: Name) -> Iterator[str]:
    for said in found:
        why_not = _(VERDICTS.get(said["verdict"], said["verdict"]))
        user, strategy = said["user"], _(said["strategy"])
        if user is None:
            yield f"{strategy}: {why_not}"
        elif said["strategy"] == "set owner" and said["verdict"] == "no member":
            yield f"{strategy}: {user}, {why_not}"  # of a stranger the rule's own word
        else:
            yield f"{strategy}: {name(user)}, {why_not}"


def _more(eligible: int, refused: int) -> str:
    said = []
    if eligible:
        text = ngettext(
            "%d more could have taken it.", "%d more could have taken it.", eligible
        )
        said.append(text % eligible)
    if refused:
        text = ngettext("%d more could not.", "%d more could not.", refused)
        said.append(text % refused)
    return " ".join(said)


def title(*, owner: str, is_mine: bool) -> str:
    """Return the question that the panel answers."""
    if is_mine:
        return _("Why me?")
    if owner:
        return _("Why %s?") % owner
    return _("Why nobody yet?")


def deciding(entries: Sequence[Any]) -> Any | None:
    """Return the entry after which the case has its owner, or has none any more.

    Entries are newest first. None: nobody has had it yet, and none was looked for.
    """
    return next((entry for entry in entries if entry.kind in CHANGES), None)


# Sentences of the timeline; `names` says by which names users and teams are called


def _assigned(data: Mapping[str, Any], names: Any) -> str:
    to = names.user(data["to"])
    if data.get("has_waited"):
        return _("Taken up from the queue by the rules, for %s") % to
    if data.get("strategy"):
        said = {"user": to, "strategy": _(data["strategy"])}
        return _("Given to %(user)s by the rules (%(strategy)s)") % said
    if data.get("by_step"):
        return _("Given to %s by an escalation") % to
    if data.get("by_absence"):
        said = {"user": to, "absent": names.user(data.get("from"))}
        return _("Given to %(user)s, because %(absent)s is absent") % said
    said = {"user": to, "team": names.team(data.get("team"))}
    return _("Given to %(user)s in %(team)s") % said


def _unassigned(data: Mapping[str, Any], names: Any) -> str:
    text = _("Put back into the queue of %s") % names.team(data.get("team"))
    if data.get("by_absence"):
        text += _(", because %s is absent") % names.user(data.get("from"))
    elif data.get("by_leaving"):
        text += _(", because %s works there no more") % names.user(data.get("from"))
    return text


def _reopened(data: Mapping[str, Any], names: Any) -> str:
    text = _("Reopened it, cycle %d begins") % data["cycle"]
    if data.get("substitute_for"):
        said = {
            "user": names.user(data["to"]),
            "absent": names.user(data["substitute_for"]),
        }
        text += _("; %(user)s has it, because %(absent)s is absent") % said
    return text


SENTENCES: Mapping[str, Callable[[Mapping[str, Any], Any], str]] = {
    "case.assigned": _assigned,
    "case.not_assigned": lambda data, names: _("Nobody could take it: it waits"),
    "case.unassigned": _unassigned,
    "case.claimed": lambda data, names: _("Claimed it"),
    "case.declined": lambda data, names: _("Gave it back"),
    "case.reopened": _reopened,
}

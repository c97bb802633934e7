"""What is wrong just now: dead policies, a late sweep, rows that wait for too long.

`examine` reads and changes nothing. It costs a few dozen statements that go by index and
stop early, however large the tables are. A look that fails is a finding itself, and the
others go on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.contrib.auth import get_user_model
from django.core import checks
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from cem_cases import rules, sla
from cem_cases.conf import conf
from cem_cases.exceptions import CemCasesError
from cem_cases.loop import config, holidays, moment, policies
from cem_cases.models import (
    AuditEvent,
    AuditHead,
    BusinessCalendar,
    Case,
    Clock,
    Delivery,
    Escalation,
    Holiday,
    Membership,
    Notification,
    PolicyVersion,
    Response,
    Rule,
    SlaPolicy,
    Team,
    address_of,
    sees_everything,
)
from cem_cases.models.notices import of_own_team

MOST = 1000
"""How many rows are looked at where only an index scan would know the rest."""
MOST_NAMES = 10
MOST_LETTERS = 400

LATE = timedelta(seconds=60)
"""Two sweeps."""
TOO_LATE = timedelta(minutes=10)
SKEWED = timedelta(seconds=5)
TOO_SKEWED = timedelta(seconds=60)
MAIL_LATE = timedelta(hours=1)
RECENT = timedelta(days=7)
SEALED_WITHIN = timedelta(days=2)
YEAR = timedelta(days=366)

SAVE_POLICY = "Save it in the admin: that makes a version of what its rows say."


class Level(StrEnum):
    ERROR = "error"
    """A promise is not kept, or will not be."""
    WARNING = "warning"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and what it is like."""

    level: Level
    subject: str
    """`time`, `installation`, `policies`, `calendars`, `rules`, `sweep`, `answers`,
    `e-mails` or `audit`; stable, for programs. `database` where it does not answer."""
    says: str
    """One line of plain words; names of rows in quotes."""
    hint: str = ""
    """What to do about it."""

    def __str__(self) -> str:
        return f"{self.level}: {self.subject}: {self.says} {self.hint}".rstrip()


Said = tuple[Level, str, str]
"""What one look says: level, words, hint."""


def examine(
    *, now: datetime | None = None, local_now: datetime | None = None
) -> list[Finding]:
    """Return what there is to say about everything, errors first.

    Both instants are read at the same time: `now` from the database, `local_now` from
    this machine. Call it outside any transaction. Never raises for what it finds.
    """
    if now is None:
        try:
            now, read_then = _both_clocks()
        except Exception as error:
            says = f"It does not answer ({type(error).__name__})."
            hint = "`manage.py dbshell` tells why."
            return [Finding(Level.ERROR, "database", says, hint)]
        local_now = local_now or read_then
    at, local_at = now, local_now or now
    looks: Mapping[str, Callable[[], Iterable[Said]]] = {
        "time": lambda: _time(at, local_at),
        "installation": _installation,
        "policies": lambda: _policies(at),
        "calendars": lambda: _calendars(at),
        "rules": _rules,
        "sweep": lambda: _sweep(at),
        "answers": lambda: _answers(at),
        "e-mails": lambda: _mails(at),
        "audit": lambda: _audit(at),
    }
    found = [said for pair in looks.items() for said in _look(*pair)]
    return sorted(found, key=lambda finding: list(Level).index(finding.level))


def _both_clocks() -> tuple[datetime, datetime]:
    """Return the instant of the database, and that of this machine at the same time.

    What the question and its answer took on their way is not held against either.
    """
    before = datetime.now(UTC)
    at = moment.now()
    return at, min(max(at, before), datetime.now(UTC))


def _look(subject: str, look: Callable[[], Iterable[Said]]) -> Iterator[Finding]:
    try:
        for level, says, hint in look():
            yield Finding(level, subject, _line(says), _line(hint))
    except Exception as error:  # rows or tables that nobody foresaw
        yield Finding(
            Level.ERROR,
            subject,
            f"This could not be looked at ({type(error).__name__}).",
            "Are all migrations applied? Was a row changed with SQL?",
        )


def _line(text: str) -> str:
    """Return one line that cannot steer a terminal, whatever names it quotes."""
    words = "".join(letter if letter.isprintable() else " " for letter in text).split()
    line = " ".join(words)
    return line if len(line) <= MOST_LETTERS else f"{line[: MOST_LETTERS - 1]}…"


def _error(says: str, hint: str = "") -> Said:
    return Level.ERROR, says, hint


def _warning(says: str, hint: str = "") -> Said:
    return Level.WARNING, says, hint


def _ok(says: str) -> Said:
    return Level.OK, says, ""


def _by_limits(
    value: timedelta, limits: tuple[timedelta, timedelta], says: str, hint: str
) -> Said:
    """Say it as an error above the higher limit, as a warning above the lower."""
    lower, higher = limits
    if value > higher:
        return _error(says, hint)
    return _warning(says, hint) if value > lower else _ok(says)


def _span(value: timedelta) -> str:
    """Return a length of time in words.

    >>> _span(timedelta(minutes=119)), _span(timedelta(hours=50))
    ('119 min', '2 days')
    """
    for unit, least in (("days", 2 * 86_400), ("h", 2 * 3600), ("min", 2 * 60)):
        if value.total_seconds() >= least:
            return f"{value // timedelta(seconds=least // 2)} {unit}"
    return f"{max(value // timedelta(seconds=1), 0)} s"


def _count(number: int) -> str:
    return f"{number:,}" + (" or more" if number >= MOST else "")


def _read(value: Callable[[], Any]) -> tuple[Any, str]:
    """Return what this reads and "", or None and why it cannot be read."""
    try:
        return value(), ""
    except (rules.InvalidRule, sla.InvalidPolicy, sla.InvalidCalendar) as error:
        return None, str(error).rstrip(".")
    except Exception as error:  # anything may have been written into a row
        return None, type(error).__name__


# This machine


def _time(now: datetime, local_now: datetime) -> Iterator[Said]:
    skew = local_now - now
    side = "ahead of" if skew > timedelta() else "behind"
    if abs(skew) > SKEWED:
        says = f"The clock of this machine is {_span(abs(skew))} {side} the database's."
    elif connections[DEFAULT_DB_ALIAS].vendor == "sqlite":
        says = "SQLite goes by the clock of this machine: there is no other to compare."
    else:
        says = "The clock of this machine agrees with the database's."
    hint = (
        "Let the machines keep time by NTP. Cases go by the database's clock; pages and "
        "log lines by this one."
    )
    yield _by_limits(abs(skew), (SKEWED, TOO_SKEWED), says, hint)


def _installation() -> Iterator[Said]:
    """What `manage.py check` says about us, missing beat entries included."""
    found = [
        message
        for message in checks.run_checks(databases=[DEFAULT_DB_ALIAS])
        if str(message.id).startswith("cem_cases.") and not message.is_silenced()
    ]
    for message in found:
        say = _error if message.level >= checks.ERROR else _warning
        yield say(f"{message.msg} ({message.id})", message.hint or "")
    if not found:
        yield _ok("The system checks have nothing to say.")


# What decides over cases


def _policies(now: datetime) -> Iterator[Said]:
    rows = list(
        SlaPolicy.objects.filter(is_active=True)
        .select_related("calendar")
        .prefetch_related("targets", "escalation_steps", "calendar__holidays")
        .order_by("position", "pk")
    )
    said: list[Said] = []
    in_force = list(_in_force(rows, now, said))
    said += [*_hidden(in_force), *_to_nobody(in_force), *_broken_versions()]
    if not rows:
        said.append(
            _warning(
                "No SLA policy is active: the clocks of new cases do not start.",
                "Make one in the admin, or switch one on.",
            )
        )
    yield from said or [_ok(f"{len(rows):,} active, each in force as its rows say.")]


def _in_force(
    rows: Sequence[SlaPolicy], now: datetime, said: list[Said]
) -> Iterator[policies.Policy]:
    """Yield the newest version of each policy that has one which can be read."""
    numbers = PolicyVersion.objects.filter(number=F("policy__version"))
    newest = {v.policy_id: v for v in numbers.filter(policy__in=rows)}
    for row in rows:
        version = newest.get(row.pk)
        if version is None:
            says = f"Policy {row.name!r} is active, but has no version: cases go without it."
            said.append(_error(says, SAVE_POLICY))
            continue
        version.policy = row
        value, why_not = _read(version.value)
        if why_not:
            says = f"Policy {row.name!r} cannot be read, and is left out: {why_not}."
            said.append(_error(says, SAVE_POLICY))
            continue
        policy = policies.Policy(version, *value)
        said += [*_dead(policy, now), *_not_in_force(policy)]
        yield policy


def _dead(policy: policies.Policy, now: datetime) -> Iterator[Said]:
    """What would be refused if it were saved today."""
    raw = json.loads(policy.version.terms)
    if why_not := _read(lambda: sla.parse_terms(raw, on=now))[1]:
        says = f"Policy {policy.version.policy.name!r} is dead: {why_not}."
        yield _error(
            says, "It would be refused if it were saved: mend it in the admin."
        )


def _not_in_force(policy: policies.Policy) -> Iterator[Said]:
    """Rows that were changed around the loop."""
    row, number = policy.version.policy, policy.version.number
    changed, why_not = _read(lambda: ", ".join(_changed(row, policy)))
    if why_not:
        says = f"its rows cannot be read ({why_not})"
    elif changed:
        says = f"its {changed} are not what they say"
    else:
        return
    yield _warning(
        f"Policy {row.name!r} was changed around the loop: {says}. Version {number} "
        "stays in force.",
        SAVE_POLICY,
    )


def _changed(row: SlaPolicy, policy: policies.Policy) -> Iterator[str]:
    raw = policies.terms_data(row, row.targets.all(), row.escalation_steps.all())
    said, force = sla.parse_terms(raw), policy.terms
    if rules.parse_conditions(row.conditions, of_case=True) != policy.conditions:
        yield "conditions"
    if said.calendar != force.calendar:
        yield "calendar's hours or holidays"
    if said.promises != force.promises:
        yield "targets"
    if _steps(said) != _steps(force):
        yield "escalation steps"
    if said.pauses != force.pauses:
        yield "pauses"


def _steps(terms: sla.Terms) -> set[sla.Step]:
    return {step for steps in terms.steps.values() for step in steps}


def _hidden(found: Sequence[policies.Policy]) -> Iterator[Said]:
    for n, policy in enumerate(found):
        if policy.conditions == rules.AllOf():
            for later in found[n + 1 :]:
                yield _error(
                    f"Policy {later.version.policy.name!r} is never chosen: "
                    f"{policy.version.policy.name!r} comes before it, and holds for "
                    "every case.",
                    "Give it a lower position.",
                )
            return


def _to_nobody(found: Sequence[policies.Policy]) -> Iterator[Said]:
    """Escalations that nobody, or nobody in some team, would hear of."""
    steps = [
        (policy.version.policy.name, step)
        for policy in found
        for step in _steps(policy.terms)
    ]
    by_role: dict[Membership.Role, str] = {}
    by_watcher: dict[str, str] = {}
    for name, step in steps:
        if role := config.ROLES.get(step.action):
            by_role.setdefault(role, name)
        if step.user is not None:
            by_watcher.setdefault(step.user, name)
    yield from _roles_without_people(by_role)
    for key in sorted(set(by_watcher) - _who_see_cases(by_watcher)):
        yield _error(
            f"Policy {by_watcher[key]!r} adds a watcher who sees no cases: user {key}.",
            "Let an active user who works in some team watch instead.",
        )


def _roles_without_people(
    by_role: Mapping[Membership.Role, str],
) -> Iterator[Said]:
    """Roles to which some policy escalates (which one), and that some team lacks."""
    if not by_role:
        return
    members = Membership.objects.filter(
        team=OuterRef("pk"), is_active=True, user__is_active=True
    )
    teams = list(
        Team.objects.filter(Exists(members), is_active=True)
        .annotate(**{f"has_{r.value}": Exists(members.filter(role=r)) for r in by_role})
        .order_by("name", "pk")
    )
    for role, policy in sorted(by_role.items()):
        lacking = [t.name for t in teams if not getattr(t, f"has_{role.value}")]
        if len(lacking) == len(teams):
            yield _error(
                f"Policy {policy!r} escalates to a {role.label}, and no active team "
                "has one.",
                "Make somebody one.",
            )
        elif lacking:
            yield _warning(
                f"Policy {policy!r} escalates to a {role.label}: nobody hears of it in "
                f"{_names(lacking)}.",
                "Make somebody there one.",
            )


def _names(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    shown = ", ".join(map(repr, names[:MOST_NAMES]))
    return f"{shown} and {more:,} more" if more > 0 else shown


def _who_see_cases(keys: Iterable[str]) -> set[str]:
    """Return those of these keys of users, given as text, who see cases of some team."""
    users, primary = get_user_model()._default_manager, get_user_model()._meta.pk
    read = [_read(lambda key=key: primary.to_python(key))[0] for key in keys]  # type: ignore[misc]
    members = Membership.objects.filter(
        user=OuterRef("pk"), is_active=True, team__is_active=True
    )
    rows = users.filter(pk__in=[key for key in read if key is not None], is_active=True)
    return {
        str(user.pk)
        for user in rows.annotate(works_cases=Exists(members))
        if user.works_cases or sees_everything(user)
    }


def _broken_versions() -> Iterator[Said]:
    """Versions that cannot be read, but by which clocks still run."""
    rows = PolicyVersion.objects.select_related("policy").order_by("-pk")[:MOST]
    broken = {row: why for row in rows if (why := _read(row.value)[1])}
    if not broken:
        return
    running = Clock.objects.running().filter(version__in=broken).order_by()
    used = set(running.values_list("version", flat=True).distinct())
    for row, why_not in broken.items():
        if row.pk in used:
            yield _error(
                f"Clocks run by version {row.number} of policy {row.policy.name!r}, "
                f"which cannot be read: {why_not}. They neither warn nor breach.",
                "Move them to its newest version: `loop.sla.migrate`.",
            )


def _calendars(now: datetime) -> Iterator[Said]:
    of_country = Q(holidays__source=Holiday.Source.COUNTRY)
    rows = list(
        BusinessCalendar.objects.filter(
            Exists(SlaPolicy.objects.filter(calendar=OuterRef("pk"), is_active=True))
        )
        .annotate(last_day=Max("holidays__day", filter=of_country))
        .order_by("name")
    )
    said = [said for row in rows for said in _holidays(row, now)]
    yield from said or [_ok(f"{len(rows):,} in use, with holidays for a year.")]


def _holidays(row: Any, now: datetime) -> Iterator[Said]:
    add = (
        "`manage.py cem_holidays` adds the next ones; so does the page of the calendar."
    )
    if row.last_day and row.last_day < (now + YEAR).date():
        ends = "ended" if row.last_day < now.date() else "end"
        yield _warning(
            f"The public holidays of calendar {row.name!r} {ends} on {row.last_day}: "
            "later ones are working days.",
            add,
        )
    elif row.country and not row.last_day:
        yield _warning(
            f"Calendar {row.name!r} has none of the public holidays of {row.country!r}.",
            add,
        )
    if row.country:
        try:
            holidays.check_country(row.country, row.subdivision)
        except CemCasesError as error:
            yield _warning(
                f"The public holidays of {row.country!r}, for calendar {row.name!r}, "
                "cannot be looked up.",
                str(error),
            )


def _rules() -> Iterator[Said]:
    rows = list(Rule.objects.filter(is_active=True).order_by("position", "pk"))
    said: list[Said] = []
    found: list[tuple[Rule, rules.Rule]] = []
    for row in rows:
        value, why_not = _read(row.value)
        if why_not:
            says = f"Rule {row.name!r} cannot be read, and is left out: {why_not}."
            said.append(_error(says, "Mend it in the admin."))
        else:
            found.append((row, value))
    said += [*_teams_that_are_gone(found), *_behind_a_stop(found)]
    if not rows:
        says = "No rule is active: no answer opens a case."
        said.append(_warning(says, "Make one in the admin, or switch one on."))
    yield from said or [_ok(f"{len(rows):,} active, all of them readable.")]


def _teams_that_are_gone(found: Sequence[tuple[Rule, rules.Rule]]) -> Iterator[Said]:
    named = [
        (action.team, row.name)
        for row, rule in found
        for action in rule.actions
        if isinstance(action, rules.SetTeam)
    ]
    there: set[str] = set()
    if named:
        teams = Team.objects.filter(slug__in=[slug for slug, _ in named])
        there.update(teams.filter(is_active=True).values_list("slug", flat=True))
    for slug, rule in named:
        if slug not in there:
            yield _warning(
                f"Rule {rule!r} puts cases into {slug!r}, which is not an active team: "
                "they are in no queue.",
                "Name another team in the rule, or switch this one on.",
            )


def _behind_a_stop(found: Sequence[tuple[Rule, rules.Rule]]) -> Iterator[Said]:
    stops: dict[str, str] = {}
    for row, rule in found:
        if row.trigger in stops:
            yield _warning(
                f"Rule {row.name!r} never acts: {stops[row.trigger]!r} comes before "
                "it, always holds, and says stop.",
                "Give it a lower position.",
            )
        elif rule.stop and rule.conditions == rules.AllOf():
            stops[row.trigger] = row.name


# What waits


def _sweep(now: datetime) -> Iterator[Said]:
    hint = (
        "Do workers and beat run? Without Celery: does cron run `manage.py cem_drain`? "
        "If so: their log says which clocks cannot be marked, and `manage.py "
        "cem_verify_audit` why."
    )
    looks: tuple[tuple[str, QuerySet[Any], str, str], ...] = (
        ("A clock", Clock.objects.waiting(now), "next_at", "case"),
        ("The end of a wait", Case.objects.to_resume(now), "waiting_until", "pk"),
        ("A reminder", Escalation.objects.to_nag(now), "nag_at", "clock__case"),
    )
    for what, rows, column, case in looks:
        oldest = rows.order_by(column).values_list(column, case).first()
        if oldest is None:
            yield _ok(f"{what} that is due: none.")
            continue
        late = now - oldest[0]
        says = f"{what} of case #{oldest[1]} has waited {_span(late)} for a sweep."
        yield _by_limits(late, (LATE, TOO_LATE), says, hint)


def _answers(now: datetime) -> Iterator[Said]:
    since = Coalesce("next_attempt_at", "received_at")
    due = Response.objects.waiting(now).annotate(since=since).order_by("pk")[:MOST]
    waiting = due.aggregate(count=Count("pk"), oldest=Min("since"))
    if waiting["count"]:
        late = now - waiting["oldest"]
        yield _by_limits(
            late,
            (LATE, TOO_LATE),
            f"Answers that wait for a worker: {_count(waiting['count'])}, the oldest "
            f"for {_span(late)}.",
            "Do workers and beat run? After a large import this passes; "
            "`manage.py cem_drain` helps them.",
        )
    else:
        yield _ok("Answers that wait for a worker: none.")
    failed = Response.objects.failed().order_by("-failed_at")
    errors = list(failed.values_list("error", flat=True)[:MOST])
    if errors:
        yield _warning(
            f"Answers that failed and were parked: {_count(len(errors))}; the last "
            f"one: {errors[0]}.",
            "Mend the cause, then choose *try again* in the admin.",
        )
    else:
        yield _ok("Answers that failed and were parked: none.")


def _mails(now: datetime) -> Iterator[Said]:
    said = [*_mails_that_wait(now), *_mails_that_failed(now)]
    # while e-mails wait, so does the news after them
    said = said or list(_news_without_mail(now))
    yield from said or [_ok("None waits for long, and none failed lately.")]


def _mails_that_wait(now: datetime) -> Iterator[Said]:
    rows = Delivery.objects.filter(state=Delivery.State.WAITING)
    waiting = rows.order_by("next_attempt_at", "pk")[:MOST].aggregate(
        count=Count("pk"), due=Min("next_attempt_at"), oldest=Min("created_at")
    )
    if not waiting["count"]:
        return
    count, age = _count(waiting["count"]), _span(now - waiting["oldest"])
    says = f"E-mails that wait: {count}, the oldest for {age}."
    if now - waiting["due"] > TOO_LATE:
        yield _warning(
            f"{says} Nobody tries to send them.",
            "They are sent by the task `cem_cases.sweep`, or by `cem_drain`; their log "
            "says why not.",
        )
    elif now - waiting["oldest"] > MAIL_LATE:
        hint = "Is the mail server away? Each says in the admin what it answered."
        yield _warning(f"{says} They were tried in vain.", hint)


def _mails_that_failed(now: datetime) -> Iterator[Said]:
    failed = Q(state=Delivery.State.FAILED, created_at__gte=now - RECENT)
    newest = Delivery.objects.order_by("-pk")[:MOST]
    count = newest.aggregate(count=Count("pk", filter=failed))["count"]
    if count:
        yield _warning(
            f"E-mails of the last {RECENT.days} days that could not be delivered: "
            f"{_count(count)}.",
            "Each says why in the admin: mend that, then let it be sent again.",
        )


def _news_without_mail(now: datetime) -> Iterator[Said]:
    """Whoever has no address, or may not see the case, gets no e-mail anyway."""
    since = now - MAIL_LATE - timedelta(minutes=conf().DIGEST_MINUTES)
    rows = Notification.objects.to_mail(now).filter(of_own_team(), at__lt=since)
    for row in rows.select_related("recipient").order_by("at")[:MOST]:
        if address_of(row.recipient):
            yield _warning(
                f"News of case #{row.case_id} has waited {_span(now - row.at)} for its "
                "e-mail.",
                "E-mails are made and sent by the task `cem_cases.sweep`, or by "
                "`cem_drain`: does one of them run, and are the mail settings of the "
                "site right?",
            )
            return


def _audit(now: datetime) -> Iterator[Said]:
    first_unsealed = AuditEvent.objects.filter(
        stream=OuterRef("stream"), sequence=OuterRef("sealed_sequence") + 1
    )
    heads = (
        AuditHead.objects.filter(sequence__gt=F("sealed_sequence"))
        .annotate(since=Subquery(first_unsealed.values("at")[:1]))
        .order_by("stream")[:MOST]
        .aggregate(count=Count("pk"), oldest=Min("since"))
    )
    if not heads["count"]:
        yield _ok("Every stream is sealed up to its end.")
        return
    says = f"Streams that grew since the last seal: {_count(heads['count'])}"
    if heads["oldest"] is not None and now - heads["oldest"] > SEALED_WITHIN:
        yield _warning(
            f"{says}, one of them {_span(now - heads['oldest'])} ago.",
            "Beat runs `cem_cases.seal` daily; without it, let cron run "
            "`manage.py cem_seal`.",
        )
    else:
        yield _ok(f"{says}, none of them {SEALED_WITHIN.days} days ago.")

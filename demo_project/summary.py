"""What came of two years, in a dozen lines: counted in the rows, not remembered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count, Q
from django.db.models.functions import TruncMonth

from cem_cases import scores
from cem_cases.loop import audit
from cem_cases.models import (
    AuditEvent,
    Case,
    Clock,
    Customer,
    Escalation,
    Notification,
    Pause,
    Response,
    RootCause,
)
from demo_project.story import LATE, Story

BERLIN = ZoneInfo("Europe/Berlin")
BARS = "▁▂▃▄▅▆▇█"
Line = tuple[str, str]


def lines(story: Story, *, now: datetime) -> Iterator[Line]:
    """Yield what happened, each with its heading."""
    yield from _answers(story)
    yield from _dip(story)
    yield from _cases(now)
    yield from _clocks(now)
    yield from _audit()


def _answers(story: Story) -> Iterator[Line]:
    yield (
        "Answers",
        f"{Response.objects.count():,} of {Customer.objects.count():,} customers, "
        f"{_day(story.begins)} to {_day(story.ends)}",
    )
    found = nps()
    yield (
        "NPS",
        f"{found.score or 0:.1f} (95 %: {found.low or 0:.1f} to {found.high or 0:.1f}) "
        f"from {found.n:,} answers",
    )
    months = [month.score or 0 for month in nps_by_month().values() if month.n >= 30]
    if len(months) > 1:
        low, high = min(months), max(months)
        yield "  by month", f"{bars(months)}  lowest {low:.0f}, highest {high:.0f}"


def nps(when: Q | None = None) -> scores.Nps:
    """Return the NPS of the answers for which this holds."""
    rows = Response.objects.filter(when or Q(), survey__metric="nps")
    return scores.nps_from_counts(**rows.aggregate(**_BANDS))


_BANDS = {
    f"{band}s": Count("pk", filter=Q(band=band))
    for band in ("promoter", "passive", "detractor")
}


def nps_by_month() -> Mapping[datetime, scores.Nps]:
    """Return the NPS of each month that has answers, in order."""
    rows = (
        Response.objects.filter(survey__metric="nps")
        .annotate(month=TruncMonth("answered_at"))
        .values("month")
        .annotate(**_BANDS)
        .order_by("month")
        .values_list("month", *_BANDS)
    )
    return {
        month: scores.nps_from_counts(**dict(zip(_BANDS, counts, strict=True)))
        for month, *counts in rows
    }


def bars(values: Sequence[float]) -> str:
    """Return the values as one line of bars.

    >>> bars([0, 10, 5])
    '▁█▅'
    """
    low, high = min(values), max(values)
    step = (high - low) / (len(BARS) - 1) or 1
    return "".join(BARS[round((value - low) / step)] for value in values)


def _dip(story: Story) -> Iterator[Line]:
    before = nps(Q(answered_at__lt=story.dip_begins))
    within = nps(_between(story, "answered_at"))
    after = nps(Q(answered_at__gte=story.dip_ends))
    weeks = (story.dip_ends - story.dip_begins).days // 7
    yield (
        "The dip",
        f"NPS {before.score or 0:.0f} before, {within.score or 0:.0f} in the {weeks} "
        f"weeks from {_day(story.dip_begins)}, {after.score or 0:.0f} since",
    )
    in_dip, otherwise = _late_share(story)
    name = RootCause.objects.get(code=LATE).name.lower()
    yield (
        "  its cause",
        f"a new carrier: {in_dip:.0%} of the cases solved were {name!r}, "
        f"{otherwise:.0%} at other times",
    )


def _late_share(story: Story) -> tuple[float, float]:
    solved = Case.objects.exclude(root_cause=None)
    within = _between(story, "opened_at")
    shares = []
    for cases in (solved.filter(within), solved.exclude(within)):
        late = Count("pk", filter=Q(root_cause__code=LATE))
        found = cases.aggregate(late=late, all=Count("pk"))
        shares.append(found["late"] / found["all"] if found["all"] else 0.0)
    return shares[0], shares[1]


def _between(story: Story, field: str) -> Q:
    return Q(**{f"{field}__gte": story.dip_begins, f"{field}__lt": story.dip_ends})


def _cases(now: datetime) -> Iterator[Line]:
    statuses = dict(_counts("status", Case.objects.all()))
    done = sum(statuses.get(status, 0) for status in ("resolved", "closed"))
    reopened = Case.objects.filter(cycle__gt=1).count()
    yield (
        "Cases",
        f"{sum(statuses.values()):,} opened, {done:,} solved "
        f"({reopened:,} of all were reopened), "
        f"{Case.objects.active().count():,} open now",
    )
    owners = _counts("owner__username", Case.objects.active())
    desks = [f"{owner or 'nobody yet'} {many}" for owner, many in owners]
    yield "  with", ", ".join(desks) or "nobody"


def _counts(field: str, cases: object) -> list[tuple[str | None, int]]:
    rows = cases.order_by(field).values_list(field).annotate(Count("pk"))  # type: ignore[attr-defined]
    return [(value, many) for value, many in rows]


def _clocks(now: datetime) -> Iterator[Line]:
    overdue = Case.objects.overdue(now).count()
    midnight = datetime.combine(now.astimezone(BERLIN), time(), BERLIN)
    tomorrow = midnight + timedelta(days=1)
    today = Case.objects.active().filter(due_at__gt=now, due_at__lt=tomorrow).count()
    later = Case.objects.active().count() - overdue - today
    yield "Due", f"{overdue:,} overdue, {today:,} due today, {later:,} later"
    found = Clock.objects.aggregate(
        all=Count("pk"),
        breached=Count("pk", filter=~Q(breached_at=None)),
        warned=Count("pk", filter=~Q(warned_at=None)),
    )
    yield (
        "  clocks",
        "{all:,} started, {paused:,} of them paused for a while, {breached:,} breached, "
        "{warned:,} warned by the sweep".format(**found, paused=_paused()),
    )
    escalated = Escalation.objects.count()
    told = Notification.objects.count()
    yield "  then", f"{escalated:,} escalations, {told:,} notifications"


def _paused() -> int:
    return Pause.objects.values("clock").distinct().count()


def _audit() -> Iterator[Line]:
    faults = sum(1 for _ in audit.verify())
    yield "Audit", f"{AuditEvent.objects.count():,} events verified, {faults} faults"


def _day(at: datetime) -> str:
    return f"{at.day} {at:%b %Y}"

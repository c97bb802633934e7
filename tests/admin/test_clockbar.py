"""Clocks as they are shown: a bar to scale, and words that add up."""

import doctest
import re
from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import translation

from cem_cases.admin import clockbar, clocks
from cem_cases.loop import cases, sla
from cem_cases.models import Case, Clock, PolicyVersion
from tests import make
from tests.admin import at
from tests.make import DAY, HOUR, MONDAY

WEEKS_8 = (56 * 86_400, "calendar seconds")


@pytest.fixture
def case(north, ada):
    make.policy(name="Standard", hours=4, days=3, also={"statutory": WEEKS_8})
    return make.case(team=north, owner=ada)


def hand(case, now, metric="resolution", cycle=1, why=None):
    """The clock as the page shows it at `now`."""
    found = Clock.objects.filter(case=case, metric=metric, cycle=cycle).explained()
    return clockbar.hand(found.get(), now, why)


def told(hand):
    """Its lines, with hyphens that are easy to type."""
    return [
        f"{line.text}: {line.reason}".removesuffix(": ").replace("\N{EN DASH}", "-")
        for line in hand.lines
    ]


def test_the_examples_hold():
    assert doctest.testmod(clockbar).failed == 0


# In words


def test_a_due_time_in_words(case, ada):
    ada.first_name = "Anna"
    ada.save()
    cases.set_pending(
        case, by=ada, reason="a photo", until=MONDAY + 25 * HOUR, now=MONDAY + 3 * HOUR
    )
    sla.sweep(now=MONDAY + 25 * HOUR)
    cases.set_priority(case, by=ada, priority=1, now=MONDAY + 26 * HOUR)

    found = hand(case, MONDAY + 27 * HOUR)

    assert told(found) == [
        "Mon 3 Mar, 09:00 - 12:00 open, 3 h counted",
        "paused by Anna, Mon 3 Mar, 12:00 - Tue 4 Mar, 10:00 (pending): a photo",
        "Tue 4 Mar, 10:00 - 11:00 open, 1 h counted",
        "target changed from 24 h to 8 h because the priority changed: due Tue 4 Mar, "
        "15:00",
        "Tue 4 Mar, 11:00 - 12:00 open, 1 h counted",
        "now: 5 h counted, 3 h left",
        "Tue 4 Mar, 12:00 - 15:00 open, 3 h will count",
        "8 h counted by Tue 4 Mar, 15:00 = due",
    ]
    assert found.stands.text == "due in 3 h"
    assert dict(found.facts) == {
        "Target": "8 h of open time",
        "Due": "4 Mar 2025, 15:00",
        "Used": "5 h counted, 3 h left",
    }


def test_what_is_late_is_counted_by_itself(case):
    sla.sweep(now=MONDAY + 4.5 * HOUR)

    found = hand(case, MONDAY + 25 * HOUR, "first contact")

    assert told(found) == [
        "Mon 3 Mar, 09:00 - 13:00 open, 4 h counted",
        "4 h counted by Mon 3 Mar, 13:00 = due",
        "Mon 3 Mar, 13:00 - 17:00 open, 4 h late",
        "breached Mon 3 Mar, 13:30 (late)",
        "closed until Tue 4 Mar, 09:00",
        "Tue 4 Mar, 09:00 - 10:00 open, 1 h late",
        "now: 4 h counted, 5 h late",
    ]


def test_a_pause_that_is_not_over(case, ada):
    cases.set_pending(
        case, by=ada, reason="a photo", until=MONDAY + DAY, now=MONDAY + HOUR
    )

    found = hand(case, MONDAY + 2 * HOUR)

    assert found.stands.text == "paused"
    assert told(found)[1:3] == [
        "paused by ada since Mon 3 Mar, 10:00, until Tue 4 Mar, 09:00 at the latest "
        "(pending): a photo",
        "now: 1 h counted, 23 h left",
    ]
    assert told(found)[-1] == (
        "24 h counted by Thu 6 Mar, 10:00 = due, if it went on now"
    )
    assert dict(found.facts)["Due"] == "6 Mar 2025, 10:00, if it went on now"


def test_a_pause_that_ended_before_it_was_expected_to(case, ada):
    case = cases.put_on_hold(
        case, by=ada, reason="stock", until=MONDAY + DAY, now=MONDAY + HOUR
    )
    assert "paused" not in "".join(told(hand(case, MONDAY + 2 * HOUR)))
    case = cases.set_pending(
        case, by=ada, reason="a photo", until=MONDAY + DAY, now=MONDAY + 2 * HOUR
    )
    cases.resume(case, by=ada, now=MONDAY + 3 * HOUR)

    assert told(hand(case, MONDAY + 4 * HOUR))[1] == (
        "paused by ada, Mon 3 Mar, 11:00 - 12:00, expected until Tue 4 Mar, 09:00 "
        "(pending): a photo"
    )


def test_a_pause_that_nobody_began(case, ada):
    make.policy(name="Updates", also={"next update": (7200, "business seconds")})
    Case.objects.filter(pk=case.pk).update(
        policy_version=PolicyVersion.objects.get(policy__name="Updates")
    )
    case.refresh_from_db()
    case = cases.set_pending(
        case, by=ada, reason="a photo", until=MONDAY + DAY, now=MONDAY + HOUR
    )
    cases.contact(case, by=ada, channel="phone", attempt="sent", now=MONDAY + 2 * HOUR)

    assert told(hand(case, MONDAY + 3 * HOUR, "next update"))[0].startswith(
        "paused since Mon 3 Mar, 11:00"
    )


def resolve(case, by, at):
    return cases.resolve(
        case,
        by=by,
        root_cause=make.root_cause(),
        outcome="recovered",
        note="Done.",
        now=at,
    )


def test_a_clock_that_ended_in_time(case, ada):
    resolve(case, ada, MONDAY + 26 * HOUR)

    found = hand(case, MONDAY + 99 * DAY)

    assert told(found)[-1] == "completed Tue 4 Mar, 11:00: 10 h counted"
    assert dict(found.facts)["Took"] == "10 h of open time (1 d 2 h altogether)"
    assert [block.look for block in found.bar.blocks][-1] == "spare"
    assert found.bar.blocks[-1].title == "14 h was left"
    assert found.bar.last.text == "done 4 Mar, 11:00"


def test_a_clock_that_was_cancelled(case, ada):
    case = cases.mark_complaint(case, by=ada, now=MONDAY + HOUR)
    cases.mark_complaint(case, by=ada, is_complaint=False, now=MONDAY + DAY)

    found = hand(case, MONDAY + 2 * DAY, "statutory")

    assert found.stands.text == "cancelled (no complaint)"
    assert told(found) == [
        "Mon 3 Mar, 09:00 - Tue 4 Mar, 09:00 open, 1 d counted",
        "cancelled Tue 4 Mar, 09:00: 1 d counted",
    ]


def test_a_complaint_that_was_resolved_took_days_around_the_clock(case, ada):
    case = cases.mark_complaint(case, by=ada, now=MONDAY)
    resolve(case, ada, MONDAY + 3 * DAY)

    found = hand(case, MONDAY + 4 * DAY, "statutory")

    assert dict(found.facts)["Took"] == "3 d"
    assert found.bar.blocks[-1].title == "53 d was left"


def test_a_clock_of_the_web_that_is_behind_breaks_nothing(case, ada):
    cases.set_priority(case, by=ada, priority=1, now=MONDAY + 2 * HOUR)

    assert is_whole(hand(case, MONDAY - HOUR).bar)
    assert is_whole(hand(case, MONDAY + HOUR, "first contact").bar)


def test_time_around_the_clock_is_said_to_the_minute(case, ada):
    cases.mark_complaint(case, by=ada, now=MONDAY)

    found = hand(case, MONDAY + 100 * HOUR + timedelta(minutes=13), "statutory")

    assert dict(found.facts)["Used"] == "4 d 4 h 13 min counted, 51 d 19 h 47 min left"


def test_a_target_in_business_days(north, ada):
    make.policy(also={"next update": (2, "business days")})
    case = make.case(team=north, owner=ada)
    cases.contact(case, by=ada, channel="phone", attempt="sent", now=MONDAY + 6 * HOUR)

    found = hand(case, MONDAY + 7 * HOUR, "next update")

    assert told(found)[-1] == (
        "16 h counted by Wed 5 Mar, 15:00 = 2 business days = due"
    )
    assert dict(found.facts)["Target"] == "2 business days"


def test_many_days_become_one_line(case):
    found = hand(case, MONDAY + 400 * DAY, "first contact")

    assert told(found) == [
        "Mon 3 Mar 2025, 09:00 - 13:00 open, 4 h counted",
        "4 h counted by Mon 3 Mar 2025, 13:00 = due",
        "Mon 3 Mar 2025, 13:00 - 17:00 open, 4 h late",
        "closed until Tue 4 Mar 2025, 09:00",
        "… 284 more days, 2272 h late",
        "Mon 6 Apr, 09:00 - 17:00 open, 8 h late",
        "closed until Tue 7 Apr, 09:00",
        "now: 4 h counted, 2284 h late",
    ]


def test_many_days_to_come_become_one_line(north):
    make.policy(days=30)
    case = make.case(team=north)

    found = told(hand(case, MONDAY + 90 * HOUR))

    assert "… 24 more days, 192 h will count" in found
    assert len(found) <= 14


@pytest.mark.parametrize("seconds", [0, 1, 29.5, 31, 59.999999])
def test_what_is_said_adds_up_to_the_target(north, ada, seconds):
    make.policy(days=3)
    case = make.case(team=north, owner=ada)
    start = MONDAY + timedelta(seconds=seconds)
    Clock.objects.filter(case=case, metric="resolution").update(started_at=start)
    clock = Clock.objects.filter(case=case, metric="resolution").explained().get()
    now = MONDAY + timedelta(hours=30, seconds=17.3)

    parts = clocks.pieces(clock, clock.explain(now), now)

    every = clocks.total(parts, *clocks.Phase)
    assert every == sum(part.minutes for part in parts) == 24 * 60
    for before, after in pairwise(parts):
        assert before.end == after.start


# As a bar


def is_whole(bar):
    x = 0
    for block in bar.blocks:
        assert block.x == pytest.approx(x)
        assert block.width > 0
        x += block.width
    for mark in (*bar.above, *bar.below, bar.last):
        assert -0.001 <= mark.x <= 100.001
    return x == pytest.approx(100)


def looks(bar):
    return [block.look for block in bar.blocks]


@pytest.mark.parametrize("hours", [0, 1, 23, 24.5, 48, 24 * 30, 24 * 4000])
@pytest.mark.parametrize("metric", ["first contact", "resolution"])
def test_a_bar_is_whole_whenever_one_looks(case, metric, hours):
    bar = hand(case, MONDAY + hours * HOUR, metric).bar

    assert is_whole(bar)
    assert len(bar.blocks) < 150


def test_a_night_does_not_swallow_the_day(case):
    bar = hand(case, MONDAY + 26 * HOUR).bar

    assert looks(bar) == ["used", "closed", "used", "ahead", "closed", "ahead"]
    first, night, *_ = bar.blocks
    assert first.width == pytest.approx(100 / 3, abs=1)
    assert night.width < 1
    assert bar.last.x == pytest.approx(100 * 10 / 24, abs=1)
    assert [mark.x for mark in bar.below] == [0, pytest.approx(100)]


def test_a_long_pause_is_cut_short_and_says_so(case, ada):
    cases.set_pending(
        case, by=ada, reason="a photo", until=MONDAY + 90 * DAY, now=MONDAY + 8 * HOUR
    )

    bar = hand(case, MONDAY + 60 * DAY).bar

    (pause,) = [block for block in bar.blocks if block.look == "paused"]
    assert pause.is_cut
    assert pause.width == pytest.approx(100 / 3, abs=1)
    assert pause.title.endswith("(pending): a photo")
    assert is_whole(bar)


def test_a_short_pause_is_seen_and_to_scale(case, ada):
    case = cases.set_pending(
        case, by=ada, reason="a photo", until=MONDAY + DAY, now=MONDAY + 8 * HOUR
    )
    cases.resume(case, by=ada, now=MONDAY + 9 * HOUR)  # nobody works at that time

    bar = hand(case, MONDAY + 10 * HOUR).bar

    (pause,) = [block for block in bar.blocks if block.look == "paused"]
    assert not pause.is_cut
    assert 2 < pause.width < 4


def test_a_long_delay_is_cut_short_and_says_so(case):
    sla.sweep(now=MONDAY + 5 * HOUR)

    bar = hand(case, MONDAY + 400 * DAY, "first contact").bar

    assert looks(bar) == ["used", "late"]  # years of nights are not drawn one by one
    assert [block.is_cut for block in bar.blocks] == [False, True]
    assert bar.blocks[0].width == pytest.approx(200 / 3, abs=1)
    assert [mark.look for mark in bar.above] == ["breached"]


def test_what_happened_stands_above_the_bar(case, ada):
    sla.sweep(now=MONDAY + 3.5 * HOUR)
    cases.set_priority(case, by=ada, priority=2, now=MONDAY + 3.6 * HOUR)

    bar = hand(case, MONDAY + 3.7 * HOUR, "first contact").bar

    assert [mark.look for mark in bar.above] == ["changed", "warned", "breached"]
    assert bar.above[1].text == "warned Mon 3 Mar, 12:30"


def test_a_bar_says_what_it_shows_to_those_who_hear_it(case):
    bar = hand(case, MONDAY + HOUR, "first contact").bar

    assert bar.label == (
        "First contact: due in 3 h; started 3 Mar, 09:00; due 3 Mar, 13:00; 1 h "
        "counted, 3 h left"
    )


@pytest.mark.parametrize("now", [MONDAY + 3.7 * HOUR, MONDAY + 400 * DAY])
def test_signs_above_the_bar_stand_apart(case, ada, now):
    sla.sweep(now=MONDAY + 3.5 * HOUR)
    for n, priority in enumerate((2, 1, 2)):
        at = MONDAY + (3.6 + n / 100) * HOUR
        case = cases.set_priority(case, by=ada, priority=priority, now=at)

    bar = hand(case, now, "first contact").bar

    signs = sorted(mark.x + mark.aside for mark in (*bar.above, bar.last))
    assert len(signs) == 6
    assert all(after - before >= 5.99 for before, after in pairwise(signs))
    assert signs[0] >= -0.001
    assert signs[-1] <= 100.001
    assert bar.last.aside == pytest.approx(0)


@pytest.mark.parametrize("x", [0, 50, 100])
def test_a_crowd_of_signs_stays_on_the_bar(x):
    crowd = clockbar._apart([clockbar.Mark("changed", x, "")] * 40)

    signs = sorted(mark.x + mark.aside for mark in crowd)
    assert all(
        after - before == pytest.approx(2.5) for before, after in pairwise(signs)
    )
    assert signs[0] >= -0.001
    assert signs[-1] <= 100.001


@pytest.mark.parametrize(("x", "anchor"), [(0, "start"), (50, "middle"), (100, "end")])
def test_words_stand_where_they_have_room(x, anchor):
    assert clockbar.Mark("now", x, "now").anchor == anchor


def test_the_start_is_left_out_where_the_due_time_has_its_place(north, ada):
    make.policy(hours=4)
    case = make.case(team=north, owner=ada)
    clock = Clock.objects.get(case=case, metric="resolution")
    for n in range(1, 40):  # pauses of half an hour after the due time, each one seen
        start = MONDAY + 10 * DAY + n * HOUR
        clock.pauses.create(
            status="pending",
            reason="again",
            from_at=start,
            expected_end_at=start,
            until_at=start + HOUR / 2,
        )

    bar = hand(case, MONDAY + 20 * DAY).bar

    assert [mark.look for mark in bar.below] == ["due"]
    assert is_whole(bar)


# On the page


def test_the_page_tells_why_this_policy(door, ada, north):
    make.policy(name="Gold", position=1, conditions=make.DETRACTOR)
    make.policy(name="All", position=2)
    case = make.case(team=north)

    found = at.text(door(ada).get(at.page(case)))

    assert "Policy Gold, version 1 Why: band is detractor (was detractor)" in found
    assert "Why: the SLA policies looked at" in found


def test_a_policy_for_all_says_so(door, ada, case):
    assert "Why: it holds for every case" in at.text(door(ada).get(at.page(case)))


def test_the_newest_clock_of_each_kind_stands_first(door, ada, case):
    case = resolve(case, ada, MONDAY + HOUR)
    cases.reopen(case, by=ada, reason="Not paid.", now=MONDAY + 2 * HOUR)

    answered = door(ada).get(at.page(case))

    assert [hand.name for hand in answered.context["clocks"]] == [
        "Resolution (cycle 2)",
        "First contact",
    ]
    assert [hand.name for hand in answered.context["earlier_clocks"]] == ["Resolution"]
    assert "1 earlier clock" in at.text(answered)


def test_a_version_that_cannot_be_read_is_told(door, ada, case, monkeypatch):
    def value(version):
        raise ValueError

    monkeypatch.setattr(PolicyVersion, "value", value)

    answered = door(ada).get(at.page(case))

    assert "cannot be read: somebody changed it in the database" in at.text(answered)
    assert answered.context["looks"] == []


@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_a_bar_is_drawn_in_every_language(door, ada, case, settings, language):
    settings.LANGUAGE_CODE = language

    with translation.override(language):
        found = door(ada).get(at.page(case)).content.decode()

    lengths = re.findall(r'<(?:rect|text|svg)[^>]* x="([^"]*)"', found)
    assert lengths
    assert all(re.fullmatch(r"\d+(\.\d+)?%?", length) for length in lengths)
    assert not re.search(r"<[^>]+\sstyle=", found)


def test_a_clocks_own_page_has_its_bar(door, root, case):
    answered = door(root).get(at.page(case.clocks.get(metric="resolution")))

    found = at.text(answered)
    assert "24 h of open time" in found
    assert "open: late" in found
    assert 'class="cem-bar"' in answered.content.decode()


@pytest.mark.parametrize("number", [1, 12])
def test_the_page_costs_the_same_queries_for_any_number_of_clocks(
    door, ada, north, number, django_assert_num_queries
):
    make.policy(
        warn=(),
        steps=[{"metric": "next update", "percent": 100, "action": "notify owner"}],
        also={"next update": (3600, "business seconds")},
    )
    case = make.case(team=north, owner=ada)
    for n in range(number):
        start = MONDAY + n * DAY
        call = {"channel": "phone", "attempt": "reached", "now": start}
        case = cases.contact(case, by=ada, **call)
        case = cases.set_priority(case, by=ada, priority=1 + n % 2, now=start)
        case = cases.set_pending(
            case, by=ada, reason="a photo", until=start + 2 * HOUR, now=start
        )
        sla.sweep(now=start + 2 * HOUR)
        sla.sweep(now=start + 6 * HOUR)
        case.refresh_from_db()
    client = door(ada)

    # session, user, permissions (2), case, clocks, pauses, changes, why, escalations,
    # watchers, events, names of users, teams, and policies, contacts, responses,
    # addresses, other cases, path
    with django_assert_num_queries(21):
        answered = client.get(at.page(case))

    shown = answered.context["clocks"] + answered.context["earlier_clocks"]
    assert len(shown) == 2 + number

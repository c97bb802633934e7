"""Two years of answers of a furniture shop's customers, the same for the same seed.

Pure: a seed and an end in, values out. People shop more as the week begins and before
Christmas, answer at lunch and in the evening, and some are never content. Once, for
seven weeks, a new carrier delivers late: the dip that the reports have to show.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from demo_project import comments

SOURCE = "survey tool"
DAY = timedelta(days=1)
LIVE_FOR = timedelta(days=14)
"""For so long the survey tool has been connected; before, its answers came as files."""
DIP_BEGINS = 0.63  # of the time told
LATE = "late-delivery"


@dataclass(frozen=True, slots=True)
class Person:
    """A customer, and how easily they are content."""

    number: int
    name: str
    email: str
    segment: str
    organization: str
    annual_value: int
    language: str
    leniency: float

    def as_raw(self) -> dict[str, Any]:
        """Return the customer as the survey tool sends it."""
        return {
            "external_id": f"K{10_000 + self.number}",
            "name": self.name,
            "email": self.email,
            "segment": self.segment,
            "organization": self.organization,
            "annual_value": self.annual_value,
            "currency": "EUR",
            "language": self.language,
            "time_zone": "Europe/Berlin",
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, and what really happened (`cause`), which no survey tool knows."""

    external_id: str
    person: Person
    survey: str
    touchpoint: str
    channel: str
    score: int
    comment: str
    wants_contact: bool
    answered_at: datetime
    answers: Mapping[str, Any]
    cause: str

    def as_raw(self) -> dict[str, Any]:
        """Return the answer as `loop.capture.record` takes it."""
        return {
            "source_system": SOURCE,
            "external_id": self.external_id,
            "survey": self.survey,
            "touchpoint": self.touchpoint,
            "channel": self.channel,
            "score": self.score,
            "comment": self.comment,
            "language": self.person.language,
            "wants_contact": self.wants_contact,
            "answered_at": self.answered_at,
            "answers": dict(self.answers),
            "customer": self.person.as_raw(),
        }


@dataclass(frozen=True, slots=True)
class Delivery:
    """Answers that reach the site together."""

    at: datetime
    answers: Sequence[Answer]


@dataclass(frozen=True, slots=True)
class Story:
    begins: datetime
    ends: datetime
    dip_begins: datetime
    dip_ends: datetime
    answers: Sequence[Answer]
    deliveries: Sequence[Delivery]

    def in_dip(self, at: datetime) -> bool:
        return self.dip_begins <= at < self.dip_ends


@dataclass(frozen=True, slots=True)
class Question:
    """How the answers to one survey at one touchpoint are distributed."""

    survey: str
    touchpoint: str
    share: float
    """Of all answers."""
    scale: tuple[int, int]
    low_below: int
    high_from: int
    mean: float
    spread: float
    channel: str
    causes: Mapping[str, float]
    """Why people are unhappy here, by weight."""
    dip: tuple[float, float] = (0.0, 0.0)
    """In the dip: the share of people it hits, and how far down their score goes."""


QUESTIONS = (
    Question(
        survey="relationship",
        touchpoint="relationship",
        share=0.38,
        scale=(0, 10),
        low_below=7,
        high_from=9,
        mean=8.75,
        spread=2.0,
        channel="email",
        causes={
            "late-delivery": 2,
            "long-wait": 2,
            "quality-below-promise": 2,
            "price": 2,
            "promise-not-kept": 1,
            "damaged-in-transit": 1,
        },
        dip=(0.6, 4.0),
    ),
    Question(
        survey="order",
        touchpoint="checkout",
        share=0.08,
        scale=(0, 10),
        low_below=7,
        high_from=9,
        mean=8.8,
        spread=1.9,
        channel="web",
        causes={"misleading-description": 3, "out-of-stock": 3, "checkout-problem": 3},
    ),
    Question(
        survey="order",
        touchpoint="product",
        share=0.10,
        scale=(0, 10),
        low_below=7,
        high_from=9,
        mean=9.0,
        spread=2.0,
        channel="email",
        causes={
            "defective-product": 4,
            "quality-below-promise": 3,
            "missing-parts": 2,
            "unclear-instructions": 2,
        },
    ),
    Question(
        survey="order",
        touchpoint="billing",
        share=0.05,
        scale=(0, 10),
        low_below=7,
        high_from=9,
        mean=8.3,
        spread=2.1,
        channel="email",
        causes={"wrong-invoice": 4, "slow-refund": 4, "price": 2},
    ),
    Question(
        survey="delivery",
        touchpoint="delivery",
        share=0.25,
        scale=(1, 5),
        low_below=3,
        high_from=4,
        mean=4.4,
        spread=1.3,
        channel="sms",
        causes={
            "late-delivery": 4,
            "damaged-in-transit": 2,
            "missed-appointment": 2,
            "wrong-item": 1,
            "no-delivery-notice": 1,
        },
        dip=(0.75, 2.2),
    ),
    Question(
        survey="support",
        touchpoint="support",
        share=0.14,
        scale=(1, 7),
        low_below=4,
        high_from=5,
        mean=5.8,
        spread=1.7,
        channel="phone",
        causes={
            "long-wait": 4,
            "not-solved-first-time": 4,
            "promise-not-kept": 2,
            "unfriendly-contact": 1,
        },
    ),
)

FIRST_NAMES = (
    "Anke Bernd Carla David Elif Frank Greta Hannes Ines Jonas Katrin Lukas Maja Nils "
    "Olga Paul Rosa Sven Tanja Uwe Vera Yusuf Zoe Amir Beate Emma Felix Hanna Ivan Lea "
    "Mario Nora Oskar Petra Ralf Selma Tim Ulla Oliver Grace Thomas Sophie James Ruby"
)
LAST_NAMES = (
    "Albrecht Bauer Celik Dietrich Engel Fischer Graf Hartmann Ivanov Jansen Keller "
    "Lorenz Meyer Nowak Otto Peters Richter Schulz Thomsen Ulrich Vogel Weber Yilmaz "
    "Zimmer Brandt Frank Hoffmann Kaiser Lange Neumann Roth Seidel Voigt Walter Winter "
    "Miller Evans Clarke Novak Kowalski Rossi Dubois"
)
TRADES = (
    "Hotel",
    "Praxis",
    "Studio",
    "Café",
    "Kanzlei",
    "Agentur",
    "Kita",
    "Werkstatt",
)
PLACES = ("am Hafen", "Nordstern", "Lindenhof", "Elbblick", "Altstadt", "Sonnengarten")

# Monday first: the week's rhythm.
WEEKDAYS = (1.30, 1.20, 1.10, 1.05, 1.00, 0.60, 0.50)
# People answer from seven on, most at lunch and in the evening (hours in UTC).
HOURS = {6: 2, 7: 4, 8: 6, 9: 7, 10: 8, 11: 9, 12: 7, 13: 5, 14: 5, 15: 5, 16: 6}
HOURS |= {17: 8, 18: 10, 19: 9, 20: 6, 21: 3}


def tell(*, seed: int, size: int, days: int, ends: datetime) -> Story:
    """Return the story of the `days` up to `ends`: about `size` answers."""
    rng = Random(seed)
    begins = (ends - days * DAY).replace(hour=0, minute=0, second=0, microsecond=0)
    dip_begins = begins + round(days * DIP_BEGINS) * DAY
    dip_ends = dip_begins + min(7, days // 30) * 7 * DAY
    people = [_person(rng, number) for number in range(max(20, size * 2 // 9))]
    story = Story(begins, ends, dip_begins, dip_ends, [], [])
    last: dict[int, datetime] = {}
    answers = []
    for number, at in enumerate(_moments(rng, size, days, story), start=1):
        person = _who(rng, people, last, at)
        answers.append(_answer(rng, f"A{number:05}", person, at, story.in_dip(at)))
    deliveries = list(_deliveries(rng, answers, story))
    return Story(begins, ends, dip_begins, dip_ends, answers, deliveries)


def _person(rng: Random, number: int) -> Person:
    first, last = rng.choice(FIRST_NAMES.split()), rng.choice(LAST_NAMES.split())
    segment = rng.choices(("consumer", "premium", "business"), (70, 15, 15))[0]
    typical = {"consumer": 450, "premium": 2_600, "business": 7_500}[segment]
    value = min(90_000, typical * math.exp(rng.gauss(0, 0.7)))
    trade = f"{rng.choice(TRADES)} {rng.choice(PLACES)}"
    return Person(
        number=number,
        name=f"{first} {last}",
        email=f"{first}.{last}{number}@example.org".lower(),
        segment=segment,
        organization=trade if segment == "business" else "",
        annual_value=int(round(value, -1)),
        language="de" if rng.random() < 0.3 else "en",
        leniency=rng.gauss(0, 0.3),
    )


def _moments(rng: Random, size: int, days: int, story: Story) -> Iterator[datetime]:
    """Yield when answers are given, in order: about `size` moments before the end."""
    dates = [story.begins + n * DAY for n in range(days + 1)]
    weights = [_busy(date, n / days, story.ends - date) for n, date in enumerate(dates)]
    unit = size / sum(weights)
    for date, weight in zip(dates, weights, strict=True):
        many = int(weight * unit + rng.random())
        hours = rng.choices(list(HOURS), list(HOURS.values()), k=many)
        for hour in sorted(hours):
            at = date + timedelta(hours=hour, minutes=rng.randrange(60))
            if at < story.ends - timedelta(minutes=30):
                yield at


def _busy(date: datetime, grown: float, left: timedelta) -> float:
    christmas = 1.5 if date.month == 12 and date.day < 20 else 1.0
    # The shop has just asked all of its customers how they like it.
    asked = 3.0 if left < timedelta(days=12) else 1.0
    return WEEKDAYS[date.weekday()] * christmas * asked * (0.8 + 0.4 * grown)


def _who(
    rng: Random, people: Sequence[Person], last: dict[int, datetime], at: datetime
) -> Person:
    """Return somebody who was not asked in the last three days, as far as possible."""
    for _ in range(8):
        person = rng.choice(people)
        if at - last.get(person.number, at - 4 * DAY) > 3 * DAY:
            break
    last[person.number] = at
    return person


def _answer(
    rng: Random, external_id: str, person: Person, at: datetime, dip: bool
) -> Answer:
    asked = rng.choices(QUESTIONS, [question.share for question in QUESTIONS])[0]
    hit, fall = asked.dip
    is_late = dip and rng.random() < hit
    mood = asked.mean + asked.spread * (rng.gauss(0, 1) + person.leniency)
    low, high = asked.scale
    score = min(high, max(low, round(mood - (fall if is_late else 0))))
    cause = ""
    if score < asked.low_below:
        causes, weights = list(asked.causes), list(asked.causes.values())
        cause = LATE if is_late else rng.choices(causes, weights)[0]
    wants = rng.random() < (0.35 if cause else 0.018)
    answers = {"delivered_on_time": cause != LATE} if asked.survey == "delivery" else {}
    return Answer(
        external_id=external_id,
        person=person,
        survey=asked.survey,
        touchpoint=asked.touchpoint,
        channel=asked.channel,
        score=score,
        comment=_comment(rng, asked, score, cause, person.language, wants),
        wants_contact=wants,
        answered_at=at,
        answers=answers,
        cause=cause,
    )


def _comment(
    rng: Random, asked: Question, score: int, cause: str, language: str, wants: bool
) -> str:
    """Return what fits the score: the cause, a shrug or a compliment; often nothing."""
    said = []
    if cause:
        if rng.random() < 0.8:
            said.append(rng.choice(comments.UNHAPPY[cause][language]))
        if score <= asked.scale[0] + 1 and rng.random() < 0.5:
            said.append(rng.choice(comments.ANGRY[language]))
    else:
        is_happy = score >= asked.high_from
        words = comments.HAPPY if is_happy else comments.LUKEWARM
        if rng.random() < (0.4 if is_happy else 0.35):
            said.append(rng.choice(words[asked.touchpoint][language]))
    if wants and rng.random() < 0.7:
        said.append(rng.choice(comments.CALL_ME[language]))
    return " ".join(said)


def _deliveries(
    rng: Random, answers: Sequence[Answer], story: Story
) -> Iterator[Delivery]:
    """Yield how the answers reach the site: as files twice a week, later as they come."""
    waiting = iter(answers)
    answer = next(waiting, None)
    for at in _arrivals(rng, story):
        together = []
        while answer is not None and answer.answered_at < at:
            together.append(answer)
            answer = next(waiting, None)
        if together:
            yield Delivery(at, together)


def _arrivals(rng: Random, story: Story) -> Iterator[datetime]:
    date = story.begins - story.begins.weekday() * DAY
    while date < story.ends - LIVE_FOR:
        for day in sorted(rng.sample(range(5), 2)):
            hour, minute = rng.randint(7, 14), rng.randrange(60)
            yield date + timedelta(days=day, hours=hour, minutes=minute)
        date += 7 * DAY
    while date < story.ends:
        for hour in (8, 12, 16, 20):
            at = date + timedelta(hours=hour, minutes=rng.randrange(60))
            yield min(at, story.ends)
        date += DAY
    yield story.ends

"""`manage.py demo`: two years of a shop's customers, through the loop, in half a minute."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from cem_cases import enqueue
from cem_cases.loop import audit, capture
from cem_cases.models import Response
from demo_project import company, fresh, summary, timelapse
from demo_project.agents import Agents
from demo_project.story import Story, tell
from demo_project.workers import Crew, Failed, stop_if_asked, stopping_politely

WORKERS = 2
BAR = 30
INTERRUPTED = 130
ADDRESS = "127.0.0.1:8000"


class Command(BaseCommand):
    help = (
        "Play two years of a furniture shop's customer feedback through the loop, with "
        "real worker processes, and say what came of it. Every run begins anew."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seed", type=int, default=7, help="tell another story")
        parser.add_argument(
            "--responses", type=int, default=4_000, help="about so many (default 4000)"
        )
        parser.add_argument("--days", type=int, default=730, help="default 730")
        parser.add_argument(
            "--fast", action="store_true", help="400 responses of 120 days"
        )
        parser.add_argument(
            "--reset",
            action="store_true",
            help="empty all tables of this site in a database that is not the demo's "
            "own file",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["fast"]:
            options |= {"responses": 400, "days": 120}
        if options["responses"] < 50 or options["days"] < 60:
            raise CommandError("A story takes at least 50 responses and 60 days.")
        self.began = time.monotonic()
        self.took: dict[str, float] = {}
        try:
            with stopping_politely(), fresh.only_one():
                self._run(options)
        except Failed as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            self.stdout.write("")
            raise CommandError(
                "Interrupted; nothing runs any more. The next run begins anew.",
                returncode=INTERRUPTED,
            ) from None

    def _run(self, options: dict[str, Any]) -> None:
        ends = timezone.now().replace(microsecond=0)
        clock = settings.VAR / "clock"
        with self._step("set up"):
            fresh.clean(reset=options["reset"])
        with Crew(patience=0.5, **{timelapse.VARIABLE: str(clock)}) as crew:
            with self._step("set up"):
                self._say_where()
                for number in range(1, WORKERS + 1):
                    crew.start_worker(number)
                call_command("migrate", verbosity=0)
                story = tell(
                    seed=options["seed"],
                    size=options["responses"],
                    days=options["days"],
                    ends=ends,
                )
                firm = company.create(begins=story.begins, ends=ends)
                crew.wait_until_ready()
            agents = Agents(story, firm.users, seed=options["seed"])
            self._play(story, agents, crew, clock)
            self._sweep(crew)
        with self._step("seal and verify"):
            audit.seal()
            found = list(summary.lines(story, now=timezone.now()))
        self._report(found, story, agents, firm.token)

    def _say_where(self) -> None:
        database = connection.settings_dict["NAME"]
        self.stdout.write(
            f"{connection.vendor} ({database}), broker "
            f"{settings.CELERY_BROKER_URL.split('@')[-1]}, "
            f"{WORKERS} worker processes, and beat at the end"
        )
        self.stdout.flush()

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.took[name] = self.took.get(name, 0) + time.monotonic() - began

    def _play(self, story: Story, agents: Agents, crew: Crew, clock: Any) -> None:
        """Let the two years pass: deliveries, workers, agents, in turn."""
        progress = Progress(self.stdout, len(story.answers))
        for delivery in story.deliveries:
            stop_if_asked()
            with self._step("agents"):
                agents.work(until=delivery.at)
            timelapse.set_to(clock, delivery.at)
            with self._step("capture"):
                capture.record(
                    [answer.as_raw() for answer in delivery.answers], now=delivery.at
                )
            with self._step("workers"):
                crew.wait(_nothing_waits, again=_ring)
            with self._step("agents"):
                opened = agents.see()
            progress.add(delivery.at, len(delivery.answers), opened)
        with self._step("agents"):
            agents.work(until=story.ends)
        timelapse.stop(clock)
        progress.end()

    def _sweep(self, crew: Crew) -> None:
        """Let beat ring for one sweep, in a worker, at the time that it is now."""
        with self._step("sweep"):
            crew.start_beat(DEMO_SWEEP_SECONDS="1")
            crew.wait(
                lambda: crew.said("Task cem_cases.sweep", "succeeded"), every=0.05
            )

    def _report(
        self, found: list[summary.Line], story: Story, agents: Agents, token: str
    ) -> None:
        write = self.stdout.write
        write("")
        for heading, text in [*found, *self._speed(story, agents)]:
            write(f"{heading:<12}{text}")
        write(f"\nLook around: make serve, then http://{ADDRESS}/admin/")
        for line in logins():
            write(line)
        write(f"\nSend an answer yourself, as the survey tool does:\n{_curl(token)}")

    def _speed(self, story: Story, agents: Agents) -> Iterator[summary.Line]:
        waited = self.took["workers"]
        answers = len(story.answers)
        yield (
            "Workers",
            f"{answers:,} answers in {len(story.deliveries):,} small deliveries: "
            f"{waited:.1f} s, {answers / max(waited, 0.001):,.0f}/s; "
            f"agents did {agents.did.total():,} things",
        )
        name, longest = max(self.took.items(), key=lambda item: item[1])
        whole = time.monotonic() - self.began
        steps = ", ".join(f"{name} {took:.1f}" for name, took in self.took.items())
        yield "Time", f"{whole:.1f} s, slowest: {name} ({longest:.1f} s). {steps}"


class Progress:
    """A bar on a terminal; elsewhere a line for each month."""

    def __init__(self, out: Any, total: int) -> None:
        self._out, self._total, self._done = out, total, 0
        self._is_terminal = out.isatty()
        self._month: tuple[str, int, int] = ("", 0, 0)

    def add(self, at: datetime, answers: int, cases: int) -> None:
        self._done += answers
        name = f"{at:%b %Y}"
        if self._is_terminal:
            filled = BAR * self._done // self._total
            bar = "█" * filled + "░" * (BAR - filled)
            text = f"\r{bar} {name}  {self._done:,} of {self._total:,} answers "
            self._out.write(text, ending="")
            self._out.flush()
        elif name != self._month[0]:
            self._line()
            self._month = (name, answers, cases)
        else:
            self._month = (name, self._month[1] + answers, self._month[2] + cases)

    def end(self) -> None:
        self._line()
        if self._is_terminal:
            self._out.write("")

    def _line(self) -> None:
        name, answers, cases = self._month
        if name:
            self._out.write(f"  {name}: {answers:,} answers, {cases:,} cases opened")
            self._out.flush()


def _nothing_waits() -> bool:
    return not Response.objects.unprocessed().exists()


def _ring() -> None:
    """Do what the sweep would do: a doorbell may get lost."""
    with transaction.atomic():
        enqueue.ring()


def logins() -> Iterator[str]:
    """Yield who may log in, one a line."""
    yield f"Logins (password for all: {company.PASSWORD}):"
    for name, role in company.LOGINS.items():
        yield f"  {name:<10}{role}"


def _curl(token: str) -> str:
    return (
        f"  curl http://{ADDRESS}{reverse('cem_cases:responses')} "
        f"-H 'Authorization: Token {token}' \\\n"
        '    --json \'{"survey": "relationship", "score": 2, '
        '"comment": "The table arrived broken.", '
        '"customer": {"email": "you@example.org"}}\''
    )

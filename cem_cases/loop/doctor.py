"""What is wrong just now: dead policies, a late sweep, rows that wait for too long.

`examine` reads and changes nothing. It costs a few dozen statements that go by index and
stop early, however large the tables are. A look that fails is a finding itself, and the
others go on. What decides over cases is looked at in `soundness`, what waits in
`lateness`, who owns them in `staffcheck`; here are the machine and its settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from django.core import checks
from django.db import DEFAULT_DB_ALIAS, connections

from cem_cases.loop import findings, lateness, moment, soundness, staffcheck
from cem_cases.loop.findings import Finding, Level, Said

SKEWED = timedelta(seconds=5)
TOO_SKEWED = timedelta(seconds=60)


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
        "policies": lambda: soundness.of_policies(at),
        "calendars": lambda: soundness.of_calendars(at),
        "rules": soundness.of_rules,
        "owners": staffcheck.of_owners,
        "sweep": lambda: lateness.of_sweep(at),
        "answers": lambda: lateness.of_answers(at),
        "e-mails": lambda: lateness.of_mails(at),
        "outgoing": lambda: lateness.of_outgoing(at),
        "audit": lambda: lateness.of_audit(at),
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
            yield Finding(level, subject, findings.line(says), findings.line(hint))
    except Exception as error:  # rows or tables that nobody foresaw
        yield Finding(
            Level.ERROR,
            subject,
            f"This could not be looked at ({type(error).__name__}).",
            "Are all migrations applied? Was a row changed with SQL?",
        )


def _time(now: datetime, local_now: datetime) -> Iterator[Said]:
    skew = local_now - now
    side = "ahead of" if skew > timedelta() else "behind"
    if abs(skew) > SKEWED:
        far = findings.span(abs(skew))
        says = f"The clock of this machine is {far} {side} the database's."
    elif connections[DEFAULT_DB_ALIAS].vendor == "sqlite":
        says = "SQLite goes by the clock of this machine: there is no other to compare."
    else:
        says = "The clock of this machine agrees with the database's."
    hint = (
        "Let the machines keep time by NTP. Cases go by the database's clock; pages and "
        "log lines by this one."
    )
    yield findings.by_limits(abs(skew), (SKEWED, TOO_SKEWED), says, hint)


def _installation() -> Iterator[Said]:
    """What `manage.py check` says about us, missing beat entries included."""
    found = [
        message
        for message in checks.run_checks(databases=[DEFAULT_DB_ALIAS])
        if str(message.id).startswith("cem_cases.") and not message.is_silenced()
    ]
    for message in found:
        say = findings.error if message.level >= checks.ERROR else findings.warning
        yield say(f"{message.msg} ({message.id})", message.hint or "")
    if not found:
        yield findings.ok("The system checks have nothing to say.")

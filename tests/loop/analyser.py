"""Comment analysers for the tests, named by their dotted paths."""

from django.db import OperationalError


def refuse_poison(comment: str, language: str) -> float | None:
    if "poison" in comment:
        raise ValueError(f"cannot digest {comment}")
    return None if not comment else 0.5


def time_out(comment: str, language: str) -> None:
    if comment == "slow":
        raise OperationalError("canceling statement due to statement timeout")


def say_it(comment: str, language: str) -> float:
    return float(comment)

"""A comment analyser for the tests, named by its dotted path."""


def refuse_poison(comment: str, language: str) -> float | None:
    if "poison" in comment:
        raise ValueError(f"cannot digest {comment}")
    return None if not comment else 0.5

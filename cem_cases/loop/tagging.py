"""Tags that rules add to cases: in two statements for a batch, and none where none do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cem_cases.loop import bulk
from cem_cases.models import Case, Tag


def add(wanted: Iterable[tuple[Case, Sequence[str]]]) -> Mapping[int, Sequence[str]]:
    """Add these tags to saved, locked cases; return the new ones, by the cases' keys.

    A tag that has been deleted is left out.
    """
    pairs = [(case.pk, name) for case, names in wanted for name in names]
    if not pairs:
        return {}
    through = Case.tags.through
    tags = Tag.objects.filter(name__in={name for _, name in pairs})
    keys = dict(tags.values_list("name", "pk"))
    cases = list({case for case, _ in pairs})
    rows = through.objects.filter(case__in=bulk.among(cases))
    there = set(rows.values_list("case_id", "tag_id"))
    found: dict[int, list[str]] = {}
    new = []
    for case, name in dict.fromkeys(pairs):
        if name in keys and (case, keys[name]) not in there:
            found.setdefault(case, []).append(name)
            new.append(through(case_id=case, tag_id=keys[name]))
    bulk.insert(new, unique=["case_id", "tag_id"], keys=False)
    return found

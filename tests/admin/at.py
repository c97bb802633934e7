"""Addresses of the admin's pages, and what a page says."""

from __future__ import annotations

import html
import re
from typing import Any


def rows(model: str) -> str:
    return f"/admin/cem_cases/{model}/"


def page(row: Any) -> str:
    return f"{rows(row._meta.model_name)}{row.pk}/change/"


def verb(case: Any, slug: str) -> str:
    return f"{rows('case')}{case.pk}/do/{slug}/"


def text(response: Any) -> str:
    """Return what a reader sees: no tags, no doubled spaces."""
    found = re.sub(
        r"<(script|style).*?</\1>", " ", response.content.decode(), flags=re.S
    )
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", found)).split())


def said(response: Any) -> list[str]:
    """Return the messages shown after a redirect was followed."""
    return [str(message) for message in response.context["messages"]]

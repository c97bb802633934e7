"""What all views share: JSON and nothing else, whatever the host's REST settings say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from cem_cases.api.errors import answer
from cem_cases.api.parsers import StrictJSONParser, check_length


class JSONOnly(DefaultContentNegotiation):
    """Answers JSON to every Accept header and every `?format=`."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type or ""


class Door(APIView):
    """A view that reads JSON strictly and answers JSON. Throttles are the host's."""

    renderer_classes = (JSONRenderer,)
    parser_classes = (StrictJSONParser,)
    content_negotiation_class = JSONOnly
    versioning_class = None  # the version is part of our paths
    metadata_class = None  # OPTIONS tells nothing

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        check_length(request)
        super().initial(request, *args, **kwargs)

    def get_exception_handler(self) -> Any:
        return answer

    def get_authenticate_header(self, request: Request) -> str:
        """Return the first way to authenticate that has a header.

        REST framework asks the first way only, and a site that lists sessions before
        tokens would answer 403 to a program that forgot its token.
        """
        headers = (a.authenticate_header(request) for a in self.get_authenticators())
        return next(filter(None, headers), "")

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {**super().default_response_headers, "Cache-Control": "no-store"}

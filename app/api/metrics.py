"""What Prometheus scrapes: at the root and without a version, as it is everywhere."""

from collections.abc import Mapping
from typing import Protocol

from fastapi import APIRouter, Request
from fastapi.responses import Response

router = APIRouter()


class Exposition(Protocol):
    async def scrape(self, headers: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
        """The body and its headers, for who asks with these; raise NotFound or NotAuthenticated."""
        ...


@router.api_route("/metrics", methods=["GET", "HEAD"], include_in_schema=False)
async def metrics(request: Request) -> Response:
    exposition: Exposition = request.state.metrics
    body, headers = await exposition.scrape(request.headers)
    return Response(body, headers=headers)

"""Which route a request came to."""

from typing import Final

from starlette.types import Scope

# What paths of the API begin with: the last two are those of earlier servers.
API: Final = ("/api", "/chat", "/history")


def route_of(scope: Scope) -> str:
    """The route's template, which unlike the path has no ids in it and is one of a few."""
    # A router that is included keeps its own, shorter templates; the whole one is in FastAPI's context.
    context = scope.get("fastapi", {}).get("effective_route_context")
    route = context or scope.get("route")
    return getattr(route, "path_format", None) or getattr(route, "path", None) or "unmatched"

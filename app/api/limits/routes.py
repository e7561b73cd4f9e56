"""Which limit each route has. Routes are gone through once, when all are there: one that is new has a limit by itself."""

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

from fastapi.routing import iter_route_contexts
from slowapi.wrappers import LimitGroup
from starlette.routing import BaseRoute

from app.accounts.links import LINK_PATHS
from app.accounts.windows import Window
from app.settings import LimitSettings

_PREFIX: Final = "milepost:address"
_PROBES: Final = frozenset({"/", "/health", "/health/live", "/health/ready", "/metrics"})
_PAGE: Final = frozenset({"/docs", "/openapi.json", "/static/{path}", *LINK_PATHS})
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_PARAMETER: Final = re.compile(r"\{[^}]*\}")


class Group(StrEnum):
    """Routes that share a limit: an address has one count for all of a group."""

    EXEMPT = "exempt"
    DEFAULT = "default"
    LOGIN = "login"
    CHAT = "chat"
    STREAM = "stream"
    READ = "read"
    WRITE = "write"
    PAGE = "page"


# What proves who one is, beside what is posted to `auth`; the provider of an account elsewhere is asked for it.
_PROVES: Final = frozenset({("GET", "/api/v1/auth/oidc/login"), ("GET", "/api/v1/auth/oidc/callback"), ("DELETE", "/api/v1/me")})
# The last word of the path of a request that sets off a run.
_ASKS: Final = frozenset({"chat", "regenerate", "resume", "replay", "runs", "mcp"})


# The last word of a path that only reads, by POST too.
_LOOKS_BACK: Final = "history"


def group_of(method: str, template: str) -> Group:
    """By the method and the template of a path; a method of a route that looks at it itself is `*`."""
    reads, last = method in _READS, template.rpartition("/")[2]
    kinds = (
        (Group.EXEMPT, template in _PROBES),
        (Group.PAGE, template in _PAGE),
        (Group.CHAT, last in _ASKS and not reads),
        (Group.READ, last == _LOOKS_BACK),
        (Group.DEFAULT, not template.startswith("/api/")),
        (Group.LOGIN, (method, template) in _PROVES or (template.startswith("/api/v1/auth/") and method == "POST")),
        (Group.READ, reads),
        (Group.STREAM, last == "stream"),
    )
    return next((group for group, is_it in kinds if is_it), Group.WRITE)


class RouteLimits:
    """The windows in which a request is counted; none for a probe."""

    def __init__(self, routes: Sequence[BaseRoute], settings: LimitSettings) -> None:
        self._windows = {group: _windows(group, settings) for group in Group}
        self.templates: Sequence[tuple[str, frozenset[str]]] = [*_templates(routes)]
        self._groups: Mapping[str, Mapping[str, Group]] = {
            template: {method: group_of(method, template) for method in methods} for template, methods in self.templates
        }
        # One expression for all, and the templates by the number of the part that matched.
        known = [*self._groups]
        self._paths = re.compile("|".join(f"({_pattern(template)})" for template in known))
        self._known = [self._groups[template] for template in known]

    def of(self, method: str, path: str) -> tuple[Group, Sequence[Window]]:
        found = self._paths.fullmatch(path)
        groups = self._known[found.lastindex - 1] if found and found.lastindex else {}
        group = groups.get(method) or (groups.get("GET") if method == "HEAD" else None) or groups.get("*", Group.DEFAULT)
        return group, self._windows[group]


def _templates(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, frozenset[str]]]:
    found: dict[str, frozenset[str]] = {}
    for route in iter_route_contexts(routes):
        template = route.path_format or route.path or ""
        found[template] = found.get(template, frozenset()) | frozenset(route.methods or {"*"})
    yield from found.items()


def _pattern(template: str) -> str:
    parts = _PARAMETER.split(template)
    names = [*_PARAMETER.findall(template), ""]
    # What is mounted has all that is below it.
    wild = ["" if not name else ".*" if name in {"{path}", "{path:path}"} else "[^/]+" for name in names]
    return "".join(re.escape(part) + any_ for part, any_ in zip(parts, wild, strict=True))


def _windows(group: Group, settings: LimitSettings) -> Sequence[Window]:
    if group is Group.EXEMPT or not settings.are_on:
        return ()
    limits = LimitGroup(getattr(settings, group), lambda: "", group, False, None, None, None, 1, False)
    items = [one.limit for one in limits]
    return [
        Window(f"address-{item.GRANULARITY.name}", item.amount, item.get_expiry(), f"{_PREFIX}:{group}:{item.get_expiry()}:")
        for item in items
    ]

"""The OpenAPI document, with what each operation needs of its caller."""

from typing import Any, Final

from fastapi import FastAPI

from app.api.errors import Problem
from app.api.page_cookie import CSRF_HEADER
from app.api.scopes import NEEDS, ROOT, Need, need_of

_SCHEMES: Final[dict[str, dict[str, Any]]] = {
    "OAuth2PasswordBearer": {
        "type": "oauth2",
        "description": "An access token in `Authorization: Bearer …`.",
        "flows": {"password": {"tokenUrl": f"{ROOT}/auth/login", "scopes": {}}},
    },
    "Page": {
        "type": "apiKey",
        "in": "cookie",
        "name": "milepost_page",
        "description": f"The page's cookie, over TLS `__Host-milepost_page`; what changes something takes `{CSRF_HEADER}: 1` too.",
    },
    "ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "An API key, `mp_…`, that has the scope."},
    "ApiKeyAsBearer": {"type": "http", "scheme": "bearer", "description": "The same in `Authorization: Bearer mp_…`."},
}
_PEOPLE: Final = ("OAuth2PasswordBearer", "Page")
_KEYS: Final = ("ApiKey", "ApiKeyAsBearer")


class Documented(FastAPI):
    def openapi(self) -> dict[str, Any]:
        if not self.openapi_schema:
            document = super().openapi()
            document["components"]["securitySchemes"] = _SCHEMES
            document["components"]["schemas"][Problem.__name__] = Problem.model_json_schema(mode="serialization")
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    if path.startswith(ROOT) or (method.upper(), path) in NEEDS:
                        operation["security"] = _security(need_of(method.upper(), path))
        return super().openapi()


def _security(need: Need) -> list[dict[str, list[str]]]:
    """Any of these; what stands beside a scheme is the scope."""
    if need is Need.NOBODY:
        return []
    people: list[dict[str, list[str]]] = [{name: []} for name in _PEOPLE]
    return people if need is Need.LOGIN else people + [{name: [need.value]} for name in _KEYS]

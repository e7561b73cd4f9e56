"""The OpenAPI document as a list of routes, and requests that fit them, so that a new route is attacked by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from json import dumps
from typing import Any, Final
from uuid import uuid4

import httpx

from tests.visitor import PASSWORD

_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_FORMATS: Final[Mapping[str, str]] = {
    "email": "nobody@example.com",
    "date": "2026-01-01",
    "date-time": datetime(2026, 1, 1, tzinfo=UTC).isoformat(),
    "uri": "https://example.com/",
    "binary": "Just words.",
}


class CannotFill(AssertionError):
    """What the walk must be taught before it can walk this route."""


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    operation: Mapping[str, Any]
    document: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def is_admin(self) -> bool:
        return "/admin" in self.path

    @property
    def streams(self) -> bool:
        return self.path.endswith("/stream")

    def names(self, place: str) -> list[str]:
        return [parameter["name"] for parameter in self.operation.get("parameters", []) if parameter["in"] == place]

    def address(self, things: Mapping[str, str]) -> str:
        """The path with somebody's ids in it."""
        if unknown := [name for name in self.names("path") if name not in things]:
            raise CannotFill(f"{self}: make something of Ada's that {unknown} can name, in `things_of` of tests/security/owned.py.")
        return self.path.format(**things)

    def body(self, things: Mapping[str, str]) -> dict[str, Any]:
        """A whole body as httpx's arguments, with an id of `things` wherever the schema has a field of that name."""
        content = self.operation.get("requestBody", {}).get("content", {})
        if _JSON in content:
            return {"json": self._value("", content[_JSON]["schema"], things)}
        if _FORM in content:
            return {"data": self._value("", content[_FORM]["schema"], things)}
        if content:
            return {"content": b"Just words.", "headers": {"Content-Type": next(iter(content))}}
        return {}

    def bodies_with_ids(self, things: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """The body once for each of its fields that holds an id of `things`, with no other such field beside it, by the field's name."""
        whole = self.body(things)
        body = whole.get("json", {})
        named = [name for name, value in body.items() if any(one in dumps(value) for one in things.values())]
        return {name: {"json": {field: value for field, value in body.items() if field == name or field not in named}} for name in named}

    def _value(self, name: str, schema: Mapping[str, Any], things: Mapping[str, str]) -> Any:
        schema = self.resolved(schema)
        if schema.get("type") == "array":
            return [self._value(name, schema["items"], things)]
        known = {"password": PASSWORD, **things}.get(_ALSO_CALLED.get(name, name))
        if known or schema.get("format") == "uuid":
            return known or str(uuid4())
        if (given := [schema[word] for word in ("const", "default") if schema.get(word) is not None]) or (given := schema.get("enum", [])):
            return given[0]
        if schema.get("type") == "object":
            return self._object(schema, things)
        return schema["examples"][0] if schema.get("examples") else self._plain(name, schema)

    def _object(self, schema: Mapping[str, Any], things: Mapping[str, str]) -> dict[str, Any]:
        properties = schema.get("properties", {})
        wanted = {name for name, inner in properties.items() if name in schema.get("required", ()) or self._names_a_thing(name, inner)}
        if not schema.get("required") and schema.get("examples"):
            return {**schema["examples"][0], **{name: self._value(name, properties[name], things) for name in wanted}}
        return {name: self._value(name, properties[name], things) for name in wanted}

    def _names_a_thing(self, name: str, schema: Mapping[str, Any]) -> bool:
        inner = self.resolved(schema)
        inner = self.resolved(inner["items"]) if inner.get("type") == "array" else inner
        return inner.get("format") == "uuid" or name == "interrupt_id"

    def _plain(self, name: str, schema: Mapping[str, Any]) -> Any:
        match schema.get("type"):
            case "string" if schema.get("format") in _FORMATS:
                return _FORMATS[schema["format"]]
            case "string" if "pattern" not in schema:
                return "x" * max(schema.get("minLength", 1), 1)
            case "integer" | "number":
                return max(schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + 1)
            case "boolean":
                return True
            case None if not schema.get("pattern"):
                return {"approved": True}
        raise CannotFill(f"{self}: the walk cannot make a value for `{name}`; give the field an example in its schema.")

    def resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema itself behind references, and the first of several that is not null."""
        while True:
            if "$ref" in schema:
                target: Any = self.document
                for part in schema["$ref"].removeprefix("#/").split("/"):
                    target = target[part]
                schema = {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
            elif several := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
                rest = {name: value for name, value in schema.items() if name not in {"anyOf", "oneOf", "allOf"}}
                schema = {**next(one for one in several if one.get("type") != "null"), **rest}
            else:
                return schema


# Fields that name a thing by another word than the paths do.
_ALSO_CALLED: Final[Mapping[str, str]] = {
    "instead_of": "message_id",
    "attachments": "attachment_id",
    "cursor": "session_id",
    "thread_id": "session_id",
    "before": "message_id",
}


async def document_of(url: str) -> dict[str, Any]:
    async with httpx.AsyncClient() as client:
        document: dict[str, Any] = (await client.get(f"{url}/openapi.json")).json()
    return document


async def routes_of(url: str) -> list[Route]:
    document = await document_of(url)
    return [
        Route(method, path, operation, document) for path, methods in document["paths"].items() for method, operation in methods.items()
    ]

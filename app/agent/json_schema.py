"""Look at what a model says by a JSON schema that a stranger has written, in a time that they cannot make long."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

# A regular expression can take hours, and items that must differ are compared each with each; the whole process would wait. Neither is
# looked at, nor what would mean something else without them.
_UNLOOKED_AT: Final = (
    *("pattern", "patternProperties", "uniqueItems"),
    *("unevaluatedProperties", "unevaluatedItems", "contains", "oneOf", "not", "if"),
)
# Keywords that are looked at for one value: a few lines that refer to themselves can stand for any number of them.
_MOST_LOOKS: Final = 2_000

type _Look = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]

_looks_left: ContextVar[Iterator[int]] = ContextVar("looks_left")


class _TooManyLooks(Exception):
    pass


def errors_of(schema: Mapping[str, Any], value: Mapping[str, Any], most: int) -> Sequence[ValidationError]:
    """The first so many; none, too, where the schema cannot be followed here, or not in so many looks."""
    _looks_left.set(iter(range(_MOST_LOOKS)))
    try:
        validator = _validator_of(orjson.dumps(schema))
        return [*islice(validator.iter_errors(value), most)] if validator else []
    except (orjson.JSONEncodeError, Unresolvable, RecursionError, _TooManyLooks):
        return []


@lru_cache(maxsize=1_000)
def _validator_of(schema: bytes) -> Validator | None:
    """None for what is no schema, which takes milliseconds to find out."""
    known = orjson.loads(schema)
    try:
        Draft202012Validator.check_schema(known)
    except (SchemaError, RecursionError):
        return None
    # Without a registry it would fetch what a schema refers to.
    validator: Validator = _Validator(known, registry=Registry())
    return validator


def _looks_at_nothing(*_: object) -> Iterator[ValidationError]:
    return iter(())


def _extra(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:  # noqa: ANN401  # jsonschema's own
    if "patternProperties" not in schema:
        yield from Draft202012Validator.VALIDATORS["additionalProperties"](validator, wanted, instance, schema)


def _counted(look: _Look) -> _Look:
    def counted(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError] | None:  # noqa: ANN401  # jsonschema's own
        if next(_looks_left.get(), None) is None:
            raise _TooManyLooks
        return look(validator, wanted, instance, schema)

    return counted


_LOOKS: Final[Mapping[str, _Look]] = {
    **Draft202012Validator.VALIDATORS,
    **dict.fromkeys(_UNLOOKED_AT, _looks_at_nothing),
    "additionalProperties": _extra,
}
_Validator: Final = extend(  # type: ignore[no-untyped-call]  # jsonschema's stubs leave it so
    Draft202012Validator, {keyword: _counted(look) for keyword, look in _LOOKS.items()}
)

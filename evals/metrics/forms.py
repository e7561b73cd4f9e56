"""The form of an answer: a pattern that it matches, a JSON Schema that it fits.

A pattern, of a schema's too, may be written so that looking takes hours: there is a limit. Names in `patternProperties` have none.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import regex
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from evals.metrics.verdicts import Undecided, Verdict

MOST_SECONDS: Final = 1.0
_LONGEST: Final = 200_000
_FENCED: Final = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)


def matches_pattern(pattern: str, text: str) -> Verdict:
    """Search for a while and no longer; raise Undecided where that was not enough, and for what is no pattern."""
    try:
        found = regex.search(pattern, text, timeout=MOST_SECONDS)
    except TimeoutError as error:
        raise Undecided("pattern_too_slow") from error
    except regex.error as error:
        raise Undecided("pattern_invalid") from error
    return Verdict(found is not None, "matches the pattern" if found else "does not match the pattern")


def fits_schema(schema: Mapping[str, Any], text: str) -> Verdict:
    """The whole text is JSON, or its only fenced block is; raise Undecided where the schema is none."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise Undecided("schema_invalid") from error
    if len(text) > _LONGEST:
        return Verdict(passed=False, reasoning="is too long to be looked at")
    try:
        value = json.loads(_bare(text))
    except (ValueError, RecursionError):
        return Verdict(passed=False, reasoning="is no JSON")
    try:
        # Without a registry it would fetch what a schema refers to.
        fault = next(_Validator(schema, registry=Registry()).iter_errors(value), None)
    except (Unresolvable, RecursionError) as error:
        raise Undecided("schema_invalid") from error
    return Verdict(fault is None, f"does not fit the schema at {_place(fault)}" if fault else "fits the schema")


def _pattern(_: object, wanted: str, value: object, __: object) -> Iterator[ValidationError]:
    if isinstance(value, str) and not matches_pattern(wanted, value).passed:
        yield ValidationError("does not match")


_Validator: Final = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]  # jsonschema's stubs leave it so


def _bare(text: str) -> str:
    blocks = _FENCED.findall(text)
    return blocks[0] if len(blocks) == 1 else text


def _place(fault: ValidationError) -> str:
    return f"{fault.json_path} ({fault.validator})"

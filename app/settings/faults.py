"""What is wrong with a value, in our words: pydantic's are for programmers, and some of them quote the value."""

from collections.abc import Mapping
from typing import Any, Final

# By pydantic's type of the fault; in braces, what it says of the field's bounds.
_WORDS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "model_type": "must be a mapping of names to values",
    "model_attributes_type": "must be a mapping of names to values",
    "dict_type": "must be a mapping of names to values",
    "list_type": "must be a list",
    "string_type": "must be text, in quotation marks where it looks like something else",
    "string_too_short": "must not be empty",
    "string_too_long": "must have {max_length} characters at most",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "literal_error": "must be one of {expected}",
    "union_tag_invalid": "{discriminator} must be one of {expected_tags}",
    "union_tag_not_found": "{discriminator} is missing",
}


def in_words(problem: Mapping[str, Any]) -> str:
    """One of a ValidationError's `errors()`; a validator of ours has said it in our words already."""
    if problem["type"] == "value_error":
        return str(problem["msg"]).removeprefix("Value error, ")
    bounds = {name: f"{bound:.15g}" if isinstance(bound, float) else bound for name, bound in problem.get("ctx", {}).items()}
    return _WORDS.get(problem["type"], "is not valid").format(**bounds)

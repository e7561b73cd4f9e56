"""A new name in a module that lists names: an import in its place, and an element at the end of a tuple, in the formatter's style."""

import ast
import re
from typing import Final

_LINE_LENGTH: Final = 140


def names_in(source: str, variable: str) -> list[str]:
    """What the tuple that is the variable's value has; raise SyntaxError, or ValueError where there is none."""
    return [ast.unparse(element) for element in _tuple_of(source, variable)[0]]


def with_import(source: str, module: str, name: str) -> str:
    """Put `from module import name` where the import sorter would; raise ValueError where `source` has no other import of `app`."""
    imports = [node for node in ast.parse(source).body if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app.")]
    if not imports:
        raise ValueError("There is no import beside which this one would stand.")
    before = [node for node in imports if _in_order(node.module or "") < _in_order(module)]
    lines = source.splitlines(keepends=True)
    place = (before[-1].end_lineno or 0) if before else imports[0].lineno - 1
    return "".join([*lines[:place], f"from {module} import {name}\n", *lines[place:]])


def with_element(source: str, variable: str, element: str) -> str:
    """Add an element to the tuple that is the variable's value."""
    elements, value = _tuple_of(source, variable)
    lines = source.splitlines(keepends=True)
    first, last = value.lineno - 1, (value.end_lineno or value.lineno) - 1
    if first != last and elements:
        place = elements[-1].end_lineno or last
        return "".join([*lines[:place], f"    {element},\n", *lines[place:]])
    names = [*(ast.get_source_segment(source, one) or "" for one in elements), element]
    head, tail = lines[first].encode()[: value.col_offset].decode(), lines[last].encode()[value.end_col_offset :].decode()
    line = f"{head}({', '.join(names)}{'' if elements else ','}){tail}"
    if len(line.rstrip()) > _LINE_LENGTH:
        line = f"{head}(\n{''.join(f'    {each},\n' for each in names)}){tail}"
    return "".join([*lines[:first], line, *lines[last + 1 :]])


def with_sorted_imports(source: str) -> str:
    """The imports of `app`, which stand together, in the import sorter's order."""
    lines = source.splitlines(keepends=True)
    places = [place for place, line in enumerate(lines) if line.startswith("from app.")]
    ordered = sorted((lines[place] for place in places), key=lambda line: _in_order(line.split()[1]))
    for place, line in zip(places, ordered, strict=True):
        lines[place] = line
    return "".join(lines)


def _tuple_of(source: str, variable: str) -> tuple[list[ast.expr], ast.Tuple]:
    for node in ast.parse(source).body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Tuple(elts=[*elements]) as value) if name == variable:
                return elements, value
    raise ValueError(f"There is no tuple {variable} in this module.")


def _in_order(module: str) -> list[tuple[int, int, str]]:
    """As the import sorter compares: numbers by their value."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"\d+|\D", module)]

"""Arithmetic without eval: Python's own parser, a walk over the few nodes that are arithmetic, and a bound on all that can grow.

Numbers are Python's: whole numbers stay exact, others are doubles and are written with the 15 digits a double is good for, so that
0.1 + 0.2 is 0.3.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Final

from langchain_core.tools import ToolException, tool

MAX_LENGTH: Final = 400
MAX_MAGNITUDE: Final = 1e300
_MAX_DIGITS: Final = 15

type Number = int | float


@tool
async def calculate(expression: str) -> str:
    """Work out an arithmetic expression exactly, such as (12 * 7 + 1) / 5 or sqrt(2) * 3. Use it for every sum.

    Operators: + - * / // % ** and parentheses. Functions: sqrt abs round min max floor ceil log log2 log10 exp sin cos tan asin acos atan
    radians degrees (angles in radians). Constants: pi e.
    """
    return work_out(expression)


def work_out(expression: str) -> str:
    """Return the result as text; raise ToolException with a sentence the model can act on."""
    if len(expression) > MAX_LENGTH:
        raise ToolException(f"The expression is longer than {MAX_LENGTH} characters.")
    try:
        return _written(_value(ast.parse(expression.translate(_SIGNS).strip(), mode="eval").body))
    except SyntaxError as error:
        raise ToolException("This is not an arithmetic expression.") from error
    except ZeroDivisionError as error:
        raise ToolException("The expression divides by zero.") from error
    except OverflowError as error:
        raise ToolException(_TOO_LARGE) from error
    except (RecursionError, MemoryError) as error:
        raise ToolException("The expression is too deeply nested.") from error
    except (TypeError, ValueError) as error:
        raise ToolException("A function was given an argument that it has no answer for.") from error


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            value = number
        case ast.Name(id=name) if name in _CONSTANTS:
            value = _CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            value = _UNARY[type(op)](_value(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            value = _BINARY[type(op)](_value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            value = _FUNCTIONS[name](*map(_value, args))
        case _:
            raise ToolException("Only numbers, + - * / // % **, parentheses and the named functions and constants can be calculated.")
    return _bounded(value)


def _bounded(value: Number) -> Number:
    # Written so that NaN fails too.
    if not abs(value) <= MAX_MAGNITUDE:
        raise ToolException(_TOO_LARGE)
    return value


def _power(base: Number, exponent: Number) -> Number:
    # A whole power is exact but may be endless; the same power of doubles overflows at once, so it is tried first.
    if isinstance(float(base) ** float(exponent), complex):
        raise ToolException("The result is not a real number.")
    power: Number = base**exponent
    return power


def _round(value: Number, digits: Number = 0) -> Number:
    if digits not in range(-_MAX_DIGITS, _MAX_DIGITS + 1):
        raise ToolException(f"round takes up to {_MAX_DIGITS} digits.")
    return round(value, int(digits)) if digits else round(value)


def _written(value: Number) -> str:
    # Adding zero turns -0.0 into 0.0.
    return f"{value + 0:.{_MAX_DIGITS}g}" if isinstance(value, float) else str(value)


_TOO_LARGE: Final = f"A number in this calculation is larger than {MAX_MAGNITUDE:g}."
_SIGNS: Final = str.maketrans({"^": "**", "×": "*", "·": "*", "÷": "/", "−": "-"})  # noqa: RUF001  # signs people type
_CONSTANTS: Final[Mapping[str, float]] = {"pi": math.pi, "e": math.e}
_UNARY: Final[Mapping[type[ast.unaryop], Callable[[Number], Number]]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_BINARY: Final[Mapping[type[ast.operator], Callable[[Number, Number], Number]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_NAMED_AS_HERE: Final[tuple[Callable[..., Number], ...]] = (
    *(abs, min, max, math.sqrt, math.floor, math.ceil, math.log, math.log2, math.log10, math.exp),
    *(math.sin, math.cos, math.tan, math.asin, math.acos, math.atan, math.radians, math.degrees),
)
_FUNCTIONS: Final[Mapping[str, Callable[..., Number]]] = {function.__name__: function for function in _NAMED_AS_HERE} | {"round": _round}

"""Statements that many write and one must read: how they are kept short."""


def tight(statement: str) -> str:
    """Without comments and indentation: psycopg reads a statement of more than 4,096 characters anew each time."""
    lines = map(str.strip, statement.splitlines())
    return " ".join(line for line in lines if line and not line.startswith("--"))

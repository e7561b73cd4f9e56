"""Make the role and the database that a server needs on a Postgres that is somebody else's: by an administrator's address, or as SQL."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.errors import AppError, DatabaseUnavailable
from app.persistence.database import database_errors
from app.persistence.embedded import conninfo

# What is not said is refused: no superuser, no other roles, no other databases, no replication.
_ROLE: Final = sql.SQL("CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS")
# Who is no superuser may only give a database to a role that they are a member of.
_MEMBER: Final = sql.SQL("GRANT {role} TO CURRENT_USER")
_DATABASE: Final = sql.SQL("CREATE DATABASE {database} OWNER {role} TEMPLATE template0 ENCODING 'UTF8'")
_OWN: Final = sql.SQL("REVOKE ALL ON DATABASE {database} FROM PUBLIC")
_INSIDE: Final = (
    sql.SQL("CREATE EXTENSION IF NOT EXISTS vector"),
    sql.SQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
    sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {role}"),
)
_HAS_ROLE: Final = "SELECT FROM pg_roles WHERE rolname = %s"
_HAS_DATABASE: Final = "SELECT FROM pg_database WHERE datname = %s"

type _Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class _Wanted:
    role: str
    database: str
    password: str

    def said(self, statement: sql.SQL) -> str:
        return statement.format(role=sql.Identifier(self.role), database=sql.Identifier(self.database)).as_string()


def script(url: str) -> str:
    """What an administrator gives psql; it asks them for the role's password, which is in no file."""
    wanted = _wanted(url)
    name = '"' + wanted.database.replace('"', '""') + '"'
    before = [wanted.said(statement) + ";" for statement in (_ROLE, _MEMBER, _DATABASE, _OWN)]
    inside = [wanted.said(statement) + ";" for statement in _INSIDE]
    role = wanted.said(sql.SQL("{role}"))
    return "\n".join(["\\set ON_ERROR_STOP on", before[0], f"\\password {role}", *before[1:], f"\\connect {name}", *inside, ""])


def provide(url: str, administrator: str) -> Sequence[str]:
    """Make what is missing of what `url` names; return what was made. A role that is there keeps its password.

    Raise AppError, DatabaseUnavailable or DatabaseRefused, never with a word of either address.
    """
    wanted = _wanted(url)
    made = list[str]()
    with _as(administrator) as connection:
        if connection.execute(_HAS_ROLE, [wanted.role]).fetchone() is None:
            _make_role(connection, wanted)
            made.append("the role")
        if connection.execute(_HAS_DATABASE, [wanted.database]).fetchone() is None:
            for statement in (_MEMBER, _DATABASE, _OWN):
                connection.execute(wanted.said(statement).encode())
            made.append("the database")
    with _as(administrator, wanted.database) as connection:
        for statement in _INSIDE:
            connection.execute(wanted.said(statement).encode())
    return made


def _wanted(url: str) -> _Wanted:
    named = conninfo_to_dict(conninfo(url))
    role, database = named.get("user"), named.get("dbname")
    if not role or not database:
        raise AppError("DATABASE_URL must name the role and the database that are wanted: postgresql://role:password@host/database.")
    return _Wanted(str(role), str(database), str(named.get("password") or ""))


def _make_role(connection: _Connection, wanted: _Wanted) -> None:
    with connection.transaction():  # one that is there has its password
        connection.execute(wanted.said(_ROLE).encode())
        if wanted.password:
            # Hashed here, so that it is in none of the server's logs.
            hashed = connection.pgconn.encrypt_password(wanted.password.encode(), wanted.role.encode(), b"scram-sha-256").decode()
            role = sql.Identifier(wanted.role)
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(hashed)))


@contextmanager
def _as(administrator: str, database: str | None = None) -> Generator[_Connection]:
    address = conninfo(administrator, "The administrator's address")
    with database_errors():
        try:
            with _opened(make_conninfo(address, dbname=database) if database else address) as connection:
                yield connection
        except psycopg.errors.InsufficientPrivilege as error:
            raise AppError("The administrator may not do that: it takes CREATEROLE, CREATEDB, and for pgvector a superuser.") from error
        except psycopg.errors.FeatureNotSupported as error:
            raise AppError("This Postgres has no pgvector: install it on the server, or have it allowed there.") from error


def _opened(address: str) -> _Connection:
    try:
        return psycopg.connect(address, autocommit=True)
    except psycopg.OperationalError as error:
        words = "At the administrator's address no Postgres answers, or it lets them not in: the host, the port, the user or the password."
        raise DatabaseUnavailable(words) from error

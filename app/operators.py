"""The commands for accounts, and for a look at the whole server: their arguments, and what they say."""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Final

from app.developing import Commands
from app.errors import InvalidInput
from app.persistence.accounts import UserRole
from app.persistence.administration import AccountChange, AccountSearch
from app.persistence.audit import AuditEvent, AuditSearch
from app.settings import Settings

_MOMENTS: Final = "2026-11-01 or 2026-11-01T12:00+01:00"
_LONGEST_SECONDS: Final = 600
_ROLES: Final = [role.value for role in UserRole]

type _Command = Callable[[Settings, argparse.Namespace], int]


def add_operators_commands(commands: Commands) -> None:
    create = _add(commands, "create-admin", _create_admin, "make an account that may do all; asks for a password, or reads it from a pipe")
    create.add_argument("email")
    words = "give a user another password, and log them out everywhere; asks for it, or reads it from a pipe"
    _add(commands, "set-password", _set_password, words).add_argument("email")
    _add_users(_add(commands, "users", _list, "list users, give them a tier or a role, shut them out").add_subparsers(dest="step"))
    log = _add(commands, "audit", _audit, "write the audit log as lines of JSON, newest first")
    log.add_argument("--event", type=_event, metavar="EVENT", help="of this event only, such as login_failed")
    log.add_argument("--user", default="", metavar="EMAIL", help="about or by this user only")
    log.add_argument("--since", type=_moment, help=f"from this moment on, such as {_MOMENTS}")
    _add_doctor(commands)


def _add_doctor(commands: Commands) -> None:
    words = "look at all that a server needs, and say what is wrong with it; exit code 1 if something is"
    doctor = commands.add_parser("doctor", help=words, description=words.capitalize())
    doctor.set_defaults(bare_command=_doctor)
    doctor.add_argument("--json", action="store_true", help="as docs/doctor.md has it, for programs")
    doctor.add_argument("--strict", action="store_true", help="exit with 1 for warnings too")
    doctor.add_argument("--timeout", type=_seconds, default=5, metavar="SECONDS", help="how long a check may take; 5 unless given")


def _add_users(steps: Commands) -> None:
    which = _add(steps, "list", _list, "users as lines of JSON, newest first")
    which.add_argument("--email", default="", help="part of an email")
    which.add_argument("--tier")
    which.add_argument("--role", choices=_ROLES)
    which.add_argument("--disabled", action="store_true", default=None, help="only who is shut out")
    change = _add(steps, "set", _set, "give a user another tier or role")
    change.add_argument("email")
    change.add_argument("--tier")
    change.add_argument("--role", choices=_ROLES)
    for name, command, words in (
        ("disable", _disable, "shut a user out: no login, no token, no key works, and what they asked is stopped"),
        ("enable", _enable, "let a user in again"),
        ("revoke", _revoke, "log a user out everywhere, and revoke their API keys"),
    ):
        _add(steps, name, command, words).add_argument("email")


def _add(commands: Commands, name: str, command: _Command, words: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=words, description=words)
    parser.set_defaults(command=command)
    return parser


def _create_admin(settings: Settings, chosen: argparse.Namespace) -> int:
    from app.operating import create_admin  # noqa: PLC0415  # what others need not wait for

    return _tell(asyncio.run(create_admin(settings, chosen.email, _password())))


def _set_password(settings: Settings, chosen: argparse.Namespace) -> int:
    from app.operating import set_password  # noqa: PLC0415

    return _tell(asyncio.run(set_password(settings, chosen.email, _password())))


def _list(settings: Settings, chosen: argparse.Namespace) -> int:
    from app.operating import list_users  # noqa: PLC0415

    given = vars(chosen)  # without `list` there is none of them
    search = AccountSearch(
        email=given.get("email", ""), role=_role(given.get("role")), tier=given.get("tier"), disabled=given.get("disabled")
    )
    return _tell(*asyncio.run(list_users(settings, search)))


def _set(settings: Settings, chosen: argparse.Namespace) -> int:
    if chosen.tier is None and chosen.role is None:
        raise InvalidInput("Say what to set: --tier or --role.")
    return _change(settings, chosen.email, AccountChange(tier=chosen.tier, role=_role(chosen.role)))


def _disable(settings: Settings, chosen: argparse.Namespace) -> int:
    return _change(settings, chosen.email, AccountChange(disabled=True))


def _enable(settings: Settings, chosen: argparse.Namespace) -> int:
    return _change(settings, chosen.email, AccountChange(disabled=False))


def _change(settings: Settings, email: str, change: AccountChange) -> int:
    from app.operating import change_user  # noqa: PLC0415

    return _tell(asyncio.run(change_user(settings, email, change)))


def _revoke(settings: Settings, chosen: argparse.Namespace) -> int:
    from app.operating import log_out_user  # noqa: PLC0415

    return _tell(asyncio.run(log_out_user(settings, chosen.email)))


def _audit(settings: Settings, chosen: argparse.Namespace) -> int:
    from app.operating import audit  # noqa: PLC0415

    asyncio.run(audit(settings, AuditSearch(event=chosen.event or "", since=chosen.since), chosen.user))
    return 0


def _doctor(chosen: argparse.Namespace) -> int:
    """Not as the others, for settings that cannot be read are a finding too."""
    from app.doctor.command import doctor  # noqa: PLC0415

    return doctor(chosen.timeout, as_data=chosen.json, strict=chosen.strict)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds up to {_LONGEST_SECONDS}")
    return seconds


def _role(name: str | None) -> UserRole | None:
    return UserRole(name) if name else None


def _moment(text: str) -> datetime:
    """The machine's own zone where none is named."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment; say it as {_MOMENTS}") from None


def _event(name: str) -> str:
    if name not in {*AuditEvent}:
        raise argparse.ArgumentTypeError(f"there is no event {name!r}; there are {', '.join(sorted(AuditEvent))}")
    return name


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise InvalidInput("The two passwords differ.")
    return password


def _tell(*lines: str) -> int:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0

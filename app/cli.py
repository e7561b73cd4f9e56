"""`python -m app`: serve, do background work, migrate the database, and give a user their data or their end.

`developing` has the commands for who builds an agent, `operators` those for accounts.
"""

import argparse
import asyncio
import errno
import gc
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import uvicorn

from app import VERSION
from app.api.connections import take_all_files
from app.databases import add_database_commands
from app.developing import add_commands
from app.doctor.files import check_files
from app.errors import AppError, SettingsInvalid
from app.llm.choice import Choice, choose_models
from app.llm.embedding import choose_embedder, other_embedder
from app.observability.logging import keep_loggers
from app.operators import add_operators_commands
from app.persistence.address import database_url, direct_url
from app.persistence.embedder_in_use import embedder_in_use
from app.settings import ROOT, Settings, load_settings

_FAILED: Final = 1
_MISUSED: Final = 2
# Longer than a proxy keeps an idle connection, as a rule a minute: who closes first must be the one that sends the requests.
_KEEP_ALIVE_SECONDS: Final = 75
# So many new objects are there before the garbage collector looks at them. With Python's 2,000 it took a twentieth of each turn: the
# turns that are being made have more.
_OBJECTS_PER_COLLECTION: Final = 20_000
# For requests that are being answered when the runs are drained already.
_LAST_WORDS_SECONDS: Final = 5


type _Command = Callable[[Settings, argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> None:
    """Exit with 2 for settings that cannot be used, with 1 for what else goes wrong, and one line that says what."""
    chosen = _parser().parse_args(arguments)
    try:
        bare = getattr(chosen, "bare_command", None)
        code = bare(chosen) if bare else chosen.command(load_settings(), chosen)
    except SettingsInvalid as error:
        code = _say(error, _MISUSED)
    except AppError as error:
        code = _say(error, _FAILED)
    sys.exit(code)


def _say(error: AppError, code: int) -> int:
    sys.stderr.write(f"{error.detail}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app", description="Milepost, a LangGraph agent server")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add(commands, "serve", _serve, "run the server, as the environment's settings say")
    _add(commands, "worker", _worker, "do background work: queued runs, names of sessions, what has expired, what is old")
    _add(commands, "reembed-memories", _reembed_memories, "give all memories new vectors, after EMBEDDING_MODEL has changed")
    _add(commands, "note-backup", _note_backup, "note that a backup was made just now: the last step of whatever makes yours")
    _add_lifecycle(commands)
    add_database_commands(commands)
    add_operators_commands(commands)
    add_commands(commands)
    steps = _add(commands, "migrate", _migrate, "change or look at the database's schema").add_subparsers(dest="step", required=True)
    steps.add_parser("up", help="bring the schema to the newest revision, or to REVISION").add_argument(
        "revision", nargs="?", default="head"
    )
    steps.add_parser("down", help="go back one revision, or to REVISION").add_argument("revision", nargs="?", default="-1")
    steps.add_parser("new", help="write a revision from what the tables in code have changed").add_argument("message")
    steps.add_parser("history", help="list every revision, newest first")
    steps.add_parser("current", help="say which revision the database is at")
    steps.add_parser("check", help="say how the database differs from the tables in code; exit code 1 if it does")
    return parser


def _add_lifecycle(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    export = _add(commands, "export-user", _export_user, "write all that is kept of a user into a ZIP of JSON files")
    export.add_argument("email")
    export.add_argument("--output", metavar="FILE", type=Path, default=Path("milepost-export.zip"), help="where; must not exist yet")
    erase = _add(commands, "erase-user", _erase_user, "erase a user and all that is kept of them, and print the receipt")
    erase.add_argument("email")
    erase.add_argument("--yes", action="store_true", help="do not ask")


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, command: _Command, words: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=words, description=words)
    parser.set_defaults(command=command)
    return parser


def _serve(settings: Settings, _: argparse.Namespace) -> int:
    choice = choose_models(settings.models, settings.model_keys)
    embedder = choose_embedder(settings.memory, settings.models) if settings.memory.is_on else None
    check_files(settings)
    _check_port(settings.server.host, settings.server.port, "PORT")
    # Held here, so that the database outlives a reload of the server.
    with database_url(settings.database) as url:
        if embedder and (in_use := embedder_in_use(url)) and in_use != embedder.name:
            raise other_embedder(embedder.name, in_use)
        take_all_files()
        sys.stdout.write(_banner(settings, choice))
        sys.stdout.flush()
        if not settings.server.debug:
            _spare_imports()
        gc.set_threshold(_OBJECTS_PER_COLLECTION)
        keep_loggers()
        uvicorn.run(
            "app.main:create_app",
            factory=True,
            host=settings.server.host,
            port=settings.server.port,
            reload=settings.server.debug,
            reload_dirs=[str(ROOT / "app")] if settings.server.debug else None,
            reload_includes=["*.md"] if settings.server.debug else None,  # prompts, beside Python
            http="app.api.connections:BoundedProtocol",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # it would take anybody's word on this machine; TRUSTED_PROXIES says whose is taken
            lifespan="on",
            timeout_graceful_shutdown=_LAST_WORDS_SECONDS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
    return 0


def _spare_imports() -> None:
    """Have the garbage collector never look at what is imported: each full collection would hold up everybody for a while."""
    from app import main as _  # noqa: F401, PLC0415  # with all it imports, as uvicorn is about to

    gc.freeze()


def _check_port(host: str, port: int, variable: str) -> None:
    """Raise AppError for a port that somebody has: uvicorn would say so without its number, after a banner that names it."""
    try:
        [*_, (family, kind, protocol, _, address)] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uvicorn does
            trial.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            words = f"Port {port} of {host} is taken already. Set another: {variable}=…, in the environment or in .env."
            raise AppError(words) from error


def _worker(settings: Settings, _: argparse.Namespace) -> int:
    # As for `migrate`, what others need not wait for.
    from app.worker import run_worker  # noqa: PLC0415

    if settings.metrics.are_on and settings.metrics.port:
        _check_port(settings.metrics.host, settings.metrics.port, "METRICS_PORT")
    asyncio.run(run_worker(settings))
    return 0


def _reembed_memories(settings: Settings, _: argparse.Namespace) -> int:
    from app.memory import reembed_memories  # noqa: PLC0415

    count, name = asyncio.run(reembed_memories(settings))
    return _tell(f"{count} memories have a new vector; all of them are of {name}.")


def _note_backup(settings: Settings, _: argparse.Namespace) -> int:
    from app.operating import note_backup  # noqa: PLC0415

    asyncio.run(note_backup(settings))
    return _tell("Noted.")


def _banner(settings: Settings, choice: Choice) -> str:
    address = f"http://{settings.server.host}:{settings.server.port}"
    model = f"{choice.default} (built in: no API key is set)" if choice.is_demo else choice.default
    return f"Milepost {VERSION} · {settings.environment}\n  page   {address}/\n  docs   {address}/docs\n  model  {model}\n"


def _migrate(settings: Settings, chosen: argparse.Namespace) -> int:
    # Half a second that `serve` need not spend before its server starts.
    from app.persistence import migrate, revisions  # noqa: PLC0415

    with direct_url(settings.database) as url:
        match chosen.step:
            case "up":
                migrate.up(url, chosen.revision)
            case "down":
                migrate.down(url, chosen.revision)
            case "new":
                return _tell(f"Wrote {migrate.new(url, chosen.message)}; read it before you use it.")
            case "history":
                return _tell(*migrate.history())
            case "check" if differences := migrate.check(url):
                _tell(*differences)
                return _FAILED
        current = migrate.current(url)
        later = ", of a later version than this; it is left as it is" if revisions.is_ahead(current) else ""
        return _tell(f"The schema is at {current or 'no revision'}{later}.")


def _export_user(settings: Settings, chosen: argparse.Namespace) -> int:
    # As for `migrate`, what others need not wait for.
    from app.rights import export_user  # noqa: PLC0415

    asyncio.run(export_user(settings, chosen.email, chosen.output))
    return _tell(f"Wrote {chosen.output}.")


def _erase_user(settings: Settings, chosen: argparse.Namespace) -> int:
    from app.rights import erase_user  # noqa: PLC0415

    if not chosen.yes and not _agreed(chosen.email):
        return _say(AppError("Nothing was erased."), _FAILED)
    return _tell(asyncio.run(erase_user(settings, chosen.email)))


def _agreed(email: str) -> bool:
    sys.stderr.write(f"This erases {email} and all that is kept of them, for good. Type the email again to go on: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == email


def _tell(*lines: str) -> int:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0

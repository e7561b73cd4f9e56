"""The commands for who builds an agent: its graph, the files of a new one, a talk with it, and what its sessions were like before.

They read no settings, but for where a server of this folder would be, and each loads what it needs when it is called.
"""

import argparse
import sys
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Final

from app.errors import InvalidInput, UnknownAgent
from app.settings import ROOT, load_settings

type Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  # argparse has no other name for it

_MISUSED: Final = 2
# As a shell has it for what Ctrl-C ends.
_INTERRUPTED: Final = 130


def add_commands(commands: Commands) -> None:
    graph = commands.add_parser("graph", help="draw an agent's graph", description="Draw an agent's graph as Mermaid text.")
    graph.add_argument("name", help="one of the agents in app/agent/registry.py")
    graph.add_argument("--png", metavar="FILE", type=Path, help="write a picture instead; `make dev EXTRAS=drawing` brings what it needs")
    graph.set_defaults(bare_command=_graph)
    _add_new(commands)
    _add_clients(commands)


def _add_new(commands: Commands) -> None:
    words = "write the files of a tool or an agent, with tests"
    new = commands.add_parser("new", help=words, description=words.capitalize()).add_subparsers(dest="kind", required=True)
    for kind, where in (("tool", "app/agent/tools/NAME.py"), ("agent", "app/agent/NAME/")):
        parser = new.add_parser(kind, help=f"in {where}")
        parser.add_argument("name", help="in lower case, with _ between words")
        parser.set_defaults(bare_command=_new)


def _add_clients(commands: Commands) -> None:
    words = "talk with an agent of any server, in the terminal or through a pipe"
    chat = commands.add_parser("chat", help=words, description=words.capitalize())
    which = chat.add_mutually_exclusive_group()
    which.add_argument("--session", metavar="ID", help="go on with this one")
    which.add_argument("--agent", metavar="NAME", help="begin a session with this one")
    chat.set_defaults(bare_command=_chat)
    words = "list a session's checkpoints, look at one, or run on from it"
    replay = commands.add_parser("replay", help=words, description=words.capitalize())
    replay.add_argument("session", metavar="SESSION")
    replay.add_argument("--at", metavar="CHECKPOINT", help="look at this one")
    how = replay.add_mutually_exclusive_group()
    how.add_argument("--run", action="store_true", help="make the steps after it anew, as another branch")
    how.add_argument("--message", metavar="TEXT", help="say this after it, as another branch; where a run has ended")
    replay.set_defaults(bare_command=_replay)
    for client in (chat, replay):
        client.add_argument("--model", metavar="NAME", help="ask this one")
        client.add_argument("--url", help="the server's; the one that `make dev` would start here, unless given")
        client.add_argument(
            "--email", default="", help="who you are; MILEPOST_EMAIL says it too, and MILEPOST_PASSWORD is used where no login is kept"
        )
        client.add_argument("--register", action="store_true", help="make an account first")


def _graph(chosen: argparse.Namespace) -> int:
    from app.drawing import draw_png, mermaid_of  # noqa: PLC0415

    try:
        if chosen.png:
            draw_png(chosen.name, chosen.png)
        else:
            sys.stdout.write(mermaid_of(chosen.name))
    except UnknownAgent as error:
        sys.stderr.write(f"{error.detail}\n")
        return _MISUSED
    return 0


def _new(chosen: argparse.Namespace) -> int:
    from app.scaffold import new_agent, new_tool  # noqa: PLC0415

    try:
        change = (new_tool if chosen.kind == "tool" else new_agent)(ROOT, chosen.name)
        change.write()
    except InvalidInput as error:
        sys.stderr.write(f"{error.detail}\n")
        return _MISUSED
    for word, paths in (("wrote", change.new), ("changed", change.changed)):
        sys.stdout.writelines(f"{word:<8} {path.relative_to(ROOT)}\n" for path in paths)
    tests = next(path for path in change.new if path.name.startswith("test_")).relative_to(ROOT)
    sys.stdout.write(f'try it   make test PYTEST_ARGS="{tests} tests/agent/test_agents.py -n 0"\n')
    return 0


def _chat(chosen: argparse.Namespace) -> int:
    from app.terminal.commands import chat  # noqa: PLC0415

    return _until_interrupted(chat, chosen)


def _replay(chosen: argparse.Namespace) -> int:
    from app.terminal.commands import replay  # noqa: PLC0415

    return _until_interrupted(replay, chosen)


def _until_interrupted(command: Callable[[argparse.Namespace], int], chosen: argparse.Namespace) -> int:
    chosen.url = chosen.url or own_url()
    try:
        return command(chosen)
    except (KeyboardInterrupt, EOFError):
        sys.stderr.write("\n")
        return _INTERRUPTED


def own_url(folder: Path = ROOT) -> str:
    """Where a server with this folder's settings is reached from here; raise SettingsInvalid where it would not start."""
    server = load_settings(folder).server
    if not server.port:
        raise InvalidInput("PORT is 0, so the server here takes any port: say its address with --url.")
    try:
        address = ip_address(server.host)
    except ValueError:
        return f"http://{server.host}:{server.port}"
    if isinstance(address, IPv6Address):
        return f"http://[{'::1' if address.is_unspecified else address}]:{server.port}"
    return f"http://{'127.0.0.1' if address.is_unspecified else address}:{server.port}"

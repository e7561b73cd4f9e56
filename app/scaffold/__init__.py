"""A new tool or agent: working files in the house style, from `templates`, and its line in the list of all."""

from pathlib import Path
from string import Template
from typing import Final

from app.errors import InvalidInput
from app.scaffold.insertion import with_sorted_imports
from app.scaffold.listing import Listing
from app.scaffold.names import check_form, check_meaning
from app.scaffold.writing import Change

_TEMPLATES: Final = Path(__file__).with_name("templates")
# Stands for the new name while its templates are looked at.
_NOBODY: Final = "nobody_has_this_name"


def new_tool(root: Path, name: str) -> Change:
    """The files of a tool in the repository at `root`; raise InvalidInput for a name that cannot be taken."""
    check_form(name)
    listing = Listing.read(root, "app/agent/tools/__init__.py", "TOOLS")
    if name in listing.names:
        raise InvalidInput(f"There is a tool {name} already; nothing was written.")
    files = {root / f"app/agent/tools/{name}.py": "tool.py", root / f"tests/agent/test_{name}.py": "test_tool.py"}
    check_meaning(name, [listing.source, *_python(files)])
    return Change(root, new=_filled(files, name), changed={listing.path: listing.added(f"app.agent.tools.{name}", name)})


def new_agent(root: Path, name: str) -> Change:
    """The files of an agent, as `new_tool` has those of a tool; whether they are there already is found out when they are written."""
    check_form(name)
    listing, package = Listing.read(root, "app/agent/registry.py", "AGENTS"), root / "app/agent" / name
    if name.upper() in listing.names:
        raise InvalidInput(f"There is an agent {name} already; nothing was written.")
    files = {
        package / "__init__.py": "agent.py",
        package / "graph.py": "graph.py",
        root / f"app/agent/prompts/{name}.md": "prompt.md",
        root / f"tests/agent/test_{name}_agent.py": "test_agent.py",
    }
    check_meaning(name, [listing.source, *_python(files)])
    return Change(root, new=_filled(files, name), changed={listing.path: listing.added(f"app.agent.{name}", name.upper())})


def _filled(files: dict[Path, str], name: str) -> dict[Path, str]:
    return {path: _template(template, name) for path, template in files.items()}


def _python(files: dict[Path, str]) -> list[str]:
    return [_template(template, _NOBODY) for template in files.values() if template.endswith(".py")]


def _template(template: str, name: str) -> str:
    text = (_TEMPLATES / f"{template}.tmpl").read_text(encoding="utf-8")
    filled = Template(text).substitute(name=name, NAME=name.upper(), words=name.replace("_", " "))
    return with_sorted_imports(filled) if template.endswith(".py") else filled

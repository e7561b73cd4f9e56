"""A new tool or agent: working files in the house style, from `templates`, and its line in the list of all."""

from pathlib import Path
from string import Template
from typing import Final

from app.scaffold.insertion import with_element, with_import, with_sorted_imports
from app.scaffold.names import check_name
from app.scaffold.writing import Change

_TEMPLATES: Final = Path(__file__).with_name("templates")
# Stands for the new name while its templates are looked at.
_NOBODY: Final = "nobody_has_this_name"


def new_tool(root: Path, name: str) -> Change:
    """The files of a tool in the repository at `root`; raise InvalidInput for a name that cannot be taken."""
    listing = root / "app/agent/tools/__init__.py"
    files = {root / f"app/agent/tools/{name}.py": "tool.py", root / f"tests/agent/test_{name}.py": "test_tool.py"}
    source = listing.read_text(encoding="utf-8")
    check_name(name, [source, *_python(files)])
    listed = with_element(with_import(source, f"app.agent.tools.{name}", name), "TOOLS", name)
    return Change(root, new=_filled(files, name), changed={listing: listed})


def new_agent(root: Path, name: str) -> Change:
    """The files of an agent, as `new_tool` has those of a tool; whether they are there already is found out when they are written."""
    registry, package = root / "app/agent/registry.py", root / "app/agent" / name
    files = {
        package / "__init__.py": "agent.py",
        package / "graph.py": "graph.py",
        root / f"app/agent/prompts/{name}.md": "prompt.md",
        root / f"tests/agent/test_{name}_agent.py": "test_agent.py",
    }
    source = registry.read_text(encoding="utf-8")
    check_name(name, [source, *_python(files)])
    listed = with_element(with_import(source, f"app.agent.{name}", name.upper()), "AGENTS", name.upper())
    return Change(root, new=_filled(files, name), changed={registry: listed})


def _filled(files: dict[Path, str], name: str) -> dict[Path, str]:
    return {path: _template(template, name) for path, template in files.items()}


def _python(files: dict[Path, str]) -> list[str]:
    return [_template(template, _NOBODY) for template in files.values() if template.endswith(".py")]


def _template(template: str, name: str) -> str:
    text = (_TEMPLATES / f"{template}.tmpl").read_text(encoding="utf-8")
    filled = Template(text).substitute(name=name, NAME=name.upper(), words=name.replace("_", " "))
    return with_sorted_imports(filled) if template.endswith(".py") else filled

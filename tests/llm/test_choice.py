"""Which models can be asked here: by key, by package, and by name."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from langchain.chat_models import base as langchain
from pydantic import SecretStr

from app.errors import SettingsInvalid
from app.llm.choice import choose_models
from app.llm.models import open_models
from app.llm.provider_table import PROVIDERS
from app.settings import ROOT, ModelSettings

KEYS = {name: SecretStr("key") for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GROQ_API_KEY")}
NOT_INSTALLED = "ollama"


def _chosen(folder: Path, *entries: str, default: str = "") -> list[tuple[str, str, str, str]]:
    file = folder / "models.yaml"
    file.write_text("models:\n" + "".join(f"  - {entry}\n" for entry in entries) if entries else "models: []\n")
    choice = choose_models(ModelSettings(MODELS_FILE=file, DEFAULT_LLM_MODEL=default), KEYS)
    return [(spec.name, spec.provider, spec.id_at_provider, spec.key_name) for spec in choice.specs]


def test_a_provider_s_entry_needs_no_more_than_its_key(tmp_path: Path) -> None:
    entries = (
        "{name: claude, provider: anthropic}",
        "{name: gemini, provider: google_genai}",
        "{name: mine, provider: anthropic, key_variable: GROQ_API_KEY}",
    )
    assert _chosen(tmp_path, *entries) == [
        ("claude", "anthropic", "claude", "ANTHROPIC_API_KEY"),
        ("mine", "anthropic", "mine", "GROQ_API_KEY"),
    ]


def test_the_default_model_may_name_its_provider(tmp_path: Path) -> None:
    assert _chosen(tmp_path, default="anthropic:claude-x") == [("anthropic:claude-x", "anthropic", "claude-x", "ANTHROPIC_API_KEY")]
    assert _chosen(tmp_path, default="openai:gpt-5") == [("openai:gpt-5", "openai", "gpt-5", "OPENAI_API_KEY")]
    # Other servers' ids have colons of their own.
    assert _chosen(tmp_path, default="llama3.2:3b") == [("llama3.2:3b", "openai", "llama3.2:3b", "OPENAI_API_KEY")]


def test_a_package_that_is_missing_is_told_before_the_model_is_needed(tmp_path: Path) -> None:
    assert find_spec(PROVIDERS[NOT_INSTALLED].module) is None
    with pytest.raises(SettingsInvalid) as refused:
        _chosen(tmp_path, "{name: gpt-5}", f"{{name: local, provider: {NOT_INSTALLED}}}", "{name: fast, provider: groq}")
    assert refused.value.detail.split("\n") == [
        "MODELS_FILE: the model local needs the package of the provider ollama, which is not installed: run `make dev EXTRAS=ollama`.",
        "MODELS_FILE: the model fast needs the package of the provider groq, which is not installed: install langchain-groq.",
    ]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{name: odd, provider: nobody}", "nobody knows a provider nobody"),
        ("{name: odd, provider: ollama}", "`make dev EXTRAS=ollama`"),
    ],
)
def test_an_entry_that_cannot_be_used_ends_the_start(entry: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(f"models:\n  - {entry}\n")
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MODELS_FILE": str(file), "ANTHROPIC_API_KEY": "sk-x", "PORT": "0"}
    ended = subprocess.run(
        [sys.executable, "-m", "app", "serve"],
        cwd=ROOT,
        env={**variables, "DATA_DIR": str(tmp_path), "APP_ENV": "test"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, "Traceback" in ended.stderr, "canary" in ended.stderr) == (2, False, False), ended.stderr
    assert told in ended.stderr


@pytest.mark.parametrize("options", ["{thinking: canary}", "{max_retries: canary}"])
async def test_options_that_a_provider_does_not_take_are_named_and_not_repeated(options: str, tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(f"models:\n  - {{name: odd, provider: anthropic, options: {options}}}\n")
    with pytest.raises(SettingsInvalid) as refused:
        async with open_models(ModelSettings(MODELS_FILE=file), KEYS):
            pass
    assert refused.value.detail == f"MODELS_FILE: the model odd: anthropic cannot be set up: {options[1:-9]}."


def test_our_table_of_providers_is_langchain_s() -> None:
    made_otherwise = {"openai", "huggingface", "ibm", "langsmith"}
    theirs = {name: where[:2] for name, where in langchain._BUILTIN_PROVIDERS.items() if name not in made_otherwise}
    assert {name: (provider.module, provider.chat_class) for name, provider in PROVIDERS.items()} == theirs

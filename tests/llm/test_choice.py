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


def _chosen(folder: Path, *entries: str, default: str = "", server: str = "") -> list[tuple[str, str, str, str]]:
    file = folder / "models.yaml"
    file.write_text("models:\n" + "".join(f"  - {entry}\n" for entry in entries) if entries else "models: []\n")
    choice = choose_models(ModelSettings(MODELS_FILE=file, DEFAULT_LLM_MODEL=default, OPENAI_BASE_URL=server), KEYS)
    return [(spec.name, spec.provider, spec.id_at_provider, spec.key_name) for spec in choice.specs]


def _fault(folder: Path, *entries: str, default: str = "", server: str = "") -> str:
    with pytest.raises(SettingsInvalid) as refused:
        _chosen(folder, *entries, default=default, server=server)
    return refused.value.detail


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


@pytest.mark.parametrize("server", ["http://localhost:11434/v1", "https://api.openai.com.example.org/v1", "https://eu.api.openai.com/v1"])
def test_openais_models_are_not_looked_for_at_another_server_nor_at_openai_with_its_key(server: str) -> None:
    settings = ModelSettings(OPENAI_BASE_URL=server, DEFAULT_LLM_MODEL="gpt-5", MODELS_FILE=ROOT / "models.yaml")
    [only] = choose_models(settings, KEYS).specs
    assert (only.name, only.base_url, only.prices) == ("gpt-5", "", None), "an id of that server's, at a price of its own"


@pytest.mark.parametrize("server", ["", "https://api.openai.com/v1"])
def test_openais_models_are_there_with_its_key_and_only_then(server: str) -> None:
    settings = ModelSettings(OPENAI_BASE_URL=server, MODELS_FILE=ROOT / "models.yaml", ALLOW_DEMO_MODEL=True)
    assert [spec.name for spec in choose_models(settings, KEYS).specs] == ["gpt-5-mini", "gpt-5", "gpt-4.1-mini"]
    assert choose_models(settings, {}).is_demo


def test_what_has_a_server_or_key_of_its_own_stays_beside_another_server(tmp_path: Path) -> None:
    entries = (
        "{name: here}",
        "{name: there, base_url: 'http://localhost:1/v1'}",
        "{name: gpt-5, base_url: 'https://api.openai.com/v1'}",
        "{name: billed, base_url: 'https://api.openai.com/v1', key_variable: GROQ_API_KEY}",
    )
    assert [name for name, *_ in _chosen(tmp_path, *entries, server="http://localhost:2/v1")] == ["here", "there", "billed"]


def test_another_server_s_model_must_be_named(tmp_path: Path) -> None:
    fault = "DEFAULT_LLM_MODEL: must name a model of the server at OPENAI_BASE_URL."
    assert _fault(tmp_path, "{name: gpt-5, base_url: 'https://api.openai.com/v1'}", server="http://localhost:1/v1") == fault


def test_a_default_that_no_server_has_is_refused_and_the_known_ones_named(tmp_path: Path) -> None:
    entries = ("{name: here, base_url: 'http://localhost:1/v1'}", "{name: claude, provider: anthropic}")
    assert _fault(tmp_path, *entries, default="heer") == (
        "DEFAULT_LLM_MODEL: must be one of here, claude; each has a server of its own, and no other is named."
    )
    # Another server, or OpenAI, may have it.
    assert _chosen(tmp_path, *entries, default="heer", server="http://localhost:2/v1")[0][0] == "heer"
    assert _chosen(tmp_path, *entries, "{name: gpt-5}", default="gpt-4o")[0][0] == "gpt-4o"
    assert _chosen(tmp_path, *entries, default="openai:gpt-4o")[0][0] == "openai:gpt-4o"


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("{name: a, base_url: 'localhost:11434/v1'}", "base_url: must begin with http:// or https:// and name a host"),
        ("{name: a, base_url: 'ftp://canary'}", "base_url: must begin with http:// or https:// and name a host"),
        ("{name: a, base_url: 'http:///v1'}", "base_url: must begin with http:// or https:// and name a host"),
        ("{name: a, base_url: 'http://me:canary@host:port'}", "base_url: must begin with http:// or https:// and name a host"),
        ("{name: a, base_url: 'http://[canary'}", "base_url: must begin with http:// or https:// and name a host"),
        *(
            (
                f"{{name: a, key_variable: {key}}}",
                "key_variable: must be the name of a variable that ends in _API_KEY, and never the key itself",
            )
            for key in ("sk-proj-canary", "gsk_canary", "MY KEY_API_KEY", "1_API_KEY")
        ),
        ("{name: a, key_variable: [canary]}", "key_variable: must be text, in quotation marks where it looks like something else"),
        ("{name: 7}", "name: must be text, in quotation marks where it looks like something else"),
        ("{name: ''}", "name: must not be empty"),
        ("{model: canary}", "name: is missing"),
        ("{name: a, api: canary}", "api: must be one of 'chat' or 'responses'"),
        ("{name: a, temprature: canary}", "temprature: is not known here"),
        ("{name: a, temperature: 3}", "temperature: must be 2 or less"),
        ("{name: a, max_tokens: 0}", "max_tokens: must be more than 0"),
        ("{name: a, max_tokens: 1.5}", "max_tokens: must be a whole number"),
        ("{name: a, fallback: canary}", "fallback: must be true or false"),
        ("{name: a, prices: {input: -1, output: 1}}", "prices.input: must be 0 or more"),
        ("{name: a, prices: {input: canary, output: 1}}", "prices.input: must be a number"),
        ("{name: a, prices: {input: .inf, output: 1}}", "prices.input: must be a finite number"),
        ("{name: a, prices: 7}", "prices: must be a mapping of names to values"),
    ],
)
def test_what_is_wrong_with_an_entry_is_one_line_of_ours_without_the_value(entry: str, fault: str, tmp_path: Path) -> None:
    assert _fault(tmp_path, entry) == f"MODELS_FILE: models.yaml: models.0.{fault}."


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


def test_openais_key_is_shown_to_nobody_else_by_itself(tmp_path: Path) -> None:
    entries = (
        "{name: local, base_url: 'http://localhost:11434/v1'}",
        "{name: sly, base_url: 'https://api.openai.com.example.org/v1'}",
        "{name: told, base_url: 'http://localhost:11434/v1', key_variable: OPENAI_API_KEY}",
        "{name: region, base_url: 'https://eu.api.openai.com/v1'}",
    )
    keys = {name: key for name, _, _, key in _chosen(tmp_path, *entries)}
    assert keys == {"local": "", "sly": "", "told": "OPENAI_API_KEY", "region": "OPENAI_API_KEY"}

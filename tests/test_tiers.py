"""tiers.yaml: what it may say, and what keeps a server from starting."""

from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from structlog.testing import capture_logs

from app.agent.registry import AGENTS
from app.cli import main
from app.errors import SettingsInvalid
from app.settings import ROOT, Settings, load_settings, read_tiers
from app.tiers import checked_tiers
from app.wiring import open_services

FREE: Final[dict[str, Any]] = {"name": "free", "requests_per_second": 1, "burst": 10}


def _faults(folder: Path, *tiers: Any) -> list[str]:
    file = folder / "tiers.yaml"
    file.write_text(yaml.safe_dump({"tiers": [*tiers]}))
    with pytest.raises(SettingsInvalid) as refused:
        read_tiers(file)
    return refused.value.detail.split("\n")


def test_the_tiers_as_delivered() -> None:
    free, pro = read_tiers(ROOT / "tiers.yaml")
    assert (free.name, free.requests_per_second, free.burst) == ("free", 1, 10)
    assert (pro.name, pro.requests_per_second, pro.burst) == ("pro", 10, 1_000)
    assert all(tier.counts and tier.models is None and tier.tools is None for tier in (free, pro))
    at_home = read_tiers(ROOT / "tiers.development.yaml")
    assert [(tier.name, tier.counts, tier.attachment_bytes) for tier in at_home] == [("free", False, None), ("pro", False, None)]


def test_production_reads_the_one_and_development_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIERS_FILE", raising=False)
    monkeypatch.setenv("APP_ENV", "development")
    assert load_settings(tmp_path).limits.tiers_file == ROOT / "tiers.development.yaml"
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv("JWT_SECRET_KEY", "p7Qw9-canary-zL4mX2vB8nR5tY1kH6jD3sF0")
    limits = load_settings(tmp_path).limits
    assert limits.tiers_file == ROOT / "tiers.yaml"
    assert (limits.default, limits.chat, limits.stream, limits.login) == (
        "200 per day; 50 per hour",
        "30 per minute",
        "20 per minute",
        "20 per minute",
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"requests_per_minute": 60}, "tiers.0.requests_per_minute: is not known here."),
        ({"burst": 0}, "tiers.0.burst: must be more than 0."),
        ({"burst": 1.5}, "tiers.0.burst: must be a whole number."),
        ({"requests_per_second": float("inf")}, "tiers.0.requests_per_second: must be a finite number."),
        ({"requests_per_second": 0}, "tiers.0.requests_per_second: must be 0.001 or more."),
        ({"tokens_per_day": -1}, "tiers.0.tokens_per_day: must be more than 0."),
        ({"cost_per_day_usd": "canary"}, "tiers.0.cost_per_day_usd: must be a number."),
        ({"models": "gpt-5"}, "tiers.0.models: must be all, or a list of names."),
        ({"tools": [1]}, "tiers.0.tools: must be all, or a list of names."),
        ({"attachment_bytes": 10**30}, "tiers.0.attachment_bytes: must be 1000000000000000 or less."),
        ({"name": ""}, "tiers.0.name: must not be empty."),
    ],
)
def test_a_fault_is_a_line_that_names_its_place(change: dict[str, Any], fault: str, tmp_path: Path) -> None:
    assert _faults(tmp_path, FREE | change) == [f"TIERS_FILE: tiers.yaml: {fault}"]


def test_all_faults_are_named_at_once_and_no_value_is_shown(tmp_path: Path) -> None:
    faults = _faults(tmp_path, FREE | {"burst": "canary"}, {"name": "pro", "colour": "canary"})
    assert len(faults) == 4
    assert "canary" not in "".join(faults)


def _settings(folder: Path, monkeypatch: pytest.MonkeyPatch, *tiers: Any) -> Settings:
    (folder / "tiers.yaml").write_text(yaml.safe_dump({"tiers": [*tiers]}))
    monkeypatch.setenv("TIERS_FILE", str(folder / "tiers.yaml"))
    return load_settings(folder)


def test_a_model_or_tool_that_there_is_not_keeps_the_server_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = {"models": ["gpt-5", "gpt-fife"], "tools": ["calculate", "calculat", "mine_order"]}
    settings = _settings(tmp_path, monkeypatch, FREE | named, FREE | {"name": "pro", "models": ["gpt-six"]})
    with pytest.raises(SettingsInvalid) as refused:
        checked_tiers(settings)
    tools = ", ".join(sorted({tool.name for agent in AGENTS for tool in agent.tools}))
    assert refused.value.detail.split("\n") == [
        "TIERS_FILE: tiers.yaml: free: there is no model gpt-fife in models.yaml.",
        "TIERS_FILE: tiers.yaml: pro: there is no model gpt-six in models.yaml.",
        f"TIERS_FILE: tiers.yaml: free: there is no tool calculat, and no MCP server whose tool it could be; there are {tools}.",
        f"TIERS_FILE: tiers.yaml: free: there is no tool mine_order, and no MCP server whose tool it could be; there are {tools}.",
    ]
    monkeypatch.setattr("app.cli.load_settings", lambda: settings)
    with pytest.raises(SystemExit) as ended:
        main(["serve"])
    assert ended.value.code == 2


async def test_so_does_one_when_the_parts_are_opened_without_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(tmp_path, monkeypatch, FREE | {"models": ["gpt-fife"]})
    with pytest.raises(SettingsInvalid, match="gpt-fife"):
        async with open_services(settings):
            pass


def test_a_tool_of_an_mcp_server_and_the_default_model_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mcp.yaml").write_text("servers: [{name: mine, transport: stdio, command: mine, all: true}]")
    monkeypatch.setenv("MCP_FILE", str(tmp_path / "mcp.yaml"))
    monkeypatch.setenv("DEFAULT_LLM_MODEL", "ollama:llama3.2")
    named = {"models": ["demo", "gpt-5", "ollama:llama3.2"], "tools": ["calculate", "mine_order"]}
    [free] = checked_tiers(_settings(tmp_path, monkeypatch, FREE | named))
    assert free.tools == frozenset({"calculate", "mine_order"})


def test_no_tier_and_two_of_one_name_are_none(tmp_path: Path) -> None:
    assert len(_faults(tmp_path)) == 1
    assert _faults(tmp_path, FREE, FREE) == ["TIERS_FILE: tiers.yaml names free more than once."]


def test_a_tier_that_nobody_knows_is_the_first_and_told_once(tmp_path: Path) -> None:
    (tmp_path / "tiers.yaml").write_text(yaml.safe_dump({"tiers": [FREE, FREE | {"name": "pro"}]}))
    tiers = read_tiers(tmp_path / "tiers.yaml")
    with capture_logs() as logs:
        assert [tiers.of(name).name for name in ("gold", "pro", "gold", "silver")] == ["free", "pro", "free", "free"]
    assert [entry["tier"] for entry in logs] == ["gold", "silver"]


@pytest.mark.parametrize(
    "value", ["many", "0 per minute", "30", "30 per fortnight", "30 per 0 minutes", "30 per minute, 5 per hour", "99999999999 per day"]
)
def test_a_limit_must_make_sense(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE_LIMIT_CHAT", value)
    with pytest.raises(SettingsInvalid, match="RATE_LIMIT_CHAT: must be like `30 per minute`"):
        load_settings(tmp_path)


@pytest.mark.parametrize("value", ["nonsense", "10.0.0.0/8,canary", "10.0.0.1/8", "300.0.0.1"])
def test_a_proxy_must_be_an_address_or_a_network(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", value)
    with pytest.raises(SettingsInvalid, match="TRUSTED_PROXIES: must be addresses or networks"):
        load_settings(tmp_path)

"""Settings: which file, who wins, and what is refused, in one line that names the variable."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, get_args

import pytest

from app.errors import SettingsInvalid
from app.settings import ROOT, Environment, load_settings, variables
from app.settings.loading import SECTIONS

SECRET: Final = "p7Qw9-canary-zL4mX2vB8nR5tY1kH6jD3sF0"
EXAMPLE: Final = ROOT / ".env.example"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*(name for name, _, _ in variables()), *(name for name in os.environ if name.endswith("_API_KEY"))]:
        monkeypatch.delenv(name, raising=False)


def _faults(folder: Path) -> list[str]:
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(folder)
    return refused.value.detail.split("\n")


def test_the_first_file_found_wins_and_only_it_is_read(tmp_path: Path) -> None:
    names = (".env", ".env.local", ".env.development", ".env.development.local")
    for port, name in enumerate(names, start=9001):
        (tmp_path / name).write_text(f"PORT={port}\n")
        assert load_settings(tmp_path).server.port == port
    (tmp_path / ".env.development.local").write_text("HOST=0.0.0.0\n")
    assert load_settings(tmp_path).server.port == 8000


def test_the_real_environment_wins_over_all_but_an_empty_value_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PORT=9001\nLOG_LEVEL=error\n")
    monkeypatch.setenv("PORT", "9002")
    monkeypatch.setenv("LOG_LEVEL", "")
    settings = load_settings(tmp_path)
    assert (settings.server.port, settings.logs.level) == (9002, "error")


@pytest.mark.parametrize(("name", "environment"), [("dev", "development"), ("Stage", "staging"), ("PROD", "production"), ("test", "test")])
def test_environments_have_short_names(name: str, environment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", name)
    monkeypatch.setenv("JWT_SECRET_KEY", SECRET)
    assert load_settings(tmp_path).environment == Environment(environment)


def test_a_general_file_may_name_the_environment(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"APP_ENV=prod\nJWT_SECRET_KEY={SECRET}\n")
    settings = load_settings(tmp_path)
    assert (settings.environment, settings.logs.format, settings.server.debug) == (Environment.PRODUCTION, "json", False)


def test_every_fault_is_named_and_no_value_is_shown(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=canary\nLOG_LEVEL=canary\nLEASE_SECONDS=-1\nPROT=canary\n")
    faults = _faults(tmp_path)
    assert sorted(fault.partition(":")[0] for fault in faults) == ["LEASE_SECONDS", "LOG_LEVEL", "PORT", "PROT"]
    assert "canary" not in "".join(faults)


@pytest.mark.parametrize("address", ["localhost:11434/v1", "canary", "ftp://canary/v1", "http://", "http://canary:port", "http://a canary"])
def test_an_address_without_its_scheme_or_host_is_refused(address: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"OPENAI_BASE_URL='{address}'\n")
    assert _faults(tmp_path) == ["OPENAI_BASE_URL: must begin with http:// or https:// and name a host."]


def test_the_models_may_not_be_given_more_time_than_the_run(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("LLM_TURN_SECONDS=301\n")
    assert [fault.partition(":")[0] for fault in _faults(tmp_path)] == ["LLM_TURN_SECONDS"]
    file.write_text("LLM_TURN_SECONDS=301\nRUN_TIMEOUT_SECONDS=301\n")
    assert load_settings(tmp_path).models.turn_seconds == 301
    file.write_text("RUN_TIMEOUT_SECONDS=60\n")
    assert load_settings(tmp_path).runs.timeout_seconds == 60, "a default gives way"


def test_a_pool_holds_two_connections_ready_and_so_has_no_fewer(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_POOL_SIZE=1\n")
    assert [fault.partition(":")[0] for fault in _faults(tmp_path)] == ["DATABASE_POOL_SIZE"]


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e300", "9" * 30, "-1e300"])
def test_no_number_is_without_bounds(value: str, tmp_path: Path) -> None:
    numbers = {
        str(field.validation_alias)
        for section in SECTIONS.values()
        for field in section.model_fields.values()
        if {int, float} & {field.annotation, *get_args(field.annotation)}
    }
    assert len(numbers) > 40
    (tmp_path / ".env").write_text("\n".join(f"{name}={value}" for name in numbers))
    faults = _faults(tmp_path)
    assert {fault.partition(":")[0] for fault in faults} == numbers
    assert not [fault for fault in faults if "is not valid" in fault]


def test_the_largest_numbers_that_are_taken_are_moments_that_there_are(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SESSION_DAYS=18250\nAUDIT_DAYS=18250\nEXPORT_HOURS=87600\n")
    kept = load_settings(tmp_path).retention
    assert (datetime.now(UTC) - timedelta(days=kept.audit_days)).timestamp() > 0
    assert _faults_of(tmp_path, "AUDIT_DAYS=18251") == ["AUDIT_DAYS: must be 18250 or less."]
    assert _faults_of(tmp_path, "EXPORT_HOURS=87601") == ["EXPORT_HOURS: must be 87600 or less."]


def _faults_of(folder: Path, line: str) -> list[str]:
    (folder / ".env").write_text(line)
    return _faults(folder)


def test_an_unknown_environment_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "moon")
    assert _faults(tmp_path) == ["APP_ENV: must be one of development, staging, production, test."]


@pytest.mark.parametrize("secret", ["", "short", "your-secret-key-" * 3, "change-me-" * 4, "a" * 40])
def test_production_refuses_a_weak_secret_and_says_which(secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv("JWT_SECRET_KEY", secret)
    faults = _faults(tmp_path)
    assert [fault.partition(":")[0] for fault in faults] == ["JWT_SECRET_KEY"]
    assert not secret or secret not in faults[0]


def test_production_tells_at_once_all_that_keeps_it_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"PORT": "many", "JWT_SECRET_KEY": "short", "MIGRATE_ON_START": "true", "TIERS_FILE": "no-such-file.yaml"}
    for name, value in {"APP_ENV": "production", "OIDC_ISSUER": "http://accounts.example.com", **wrong}.items():
        monkeypatch.setenv(name, value)
    told = [fault.partition(":")[0] for fault in _faults(tmp_path)]
    assert sorted(told) == ["JWT_SECRET_KEY", "MIGRATE_ON_START", "OIDC_CLIENT_ID", "OIDC_ISSUER", "PORT", "TIERS_FILE"]


def test_a_section_that_is_wrong_is_told_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"APP_ENV": "production", "JWT_SECRET_KEY": SECRET, "ACCESS_TOKEN_MINUTES": "many"}.items():
        monkeypatch.setenv(name, value)
    assert [fault.partition(":")[0] for fault in _faults(tmp_path)] == ["ACCESS_TOKEN_MINUTES"]


@pytest.mark.parametrize("secret", ["short", "change-me-" * 4])
def test_production_refuses_a_weak_token_for_metrics(secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"APP_ENV": "production", "JWT_SECRET_KEY": SECRET, "METRICS_TOKEN": secret}.items():
        monkeypatch.setenv(name, value)
    faults = _faults(tmp_path)
    assert [fault.partition(":")[0] for fault in faults] == ["METRICS_TOKEN"]
    assert secret not in faults[0]


def test_hashes_for_tests_are_none_for_production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"APP_ENV": "production", "JWT_SECRET_KEY": SECRET, "HASH_MEMORY_KIB": "19455"}.items():
        monkeypatch.setenv(name, value)
    assert _faults(tmp_path) == ["HASH_MEMORY_KIB: must be 19456 or more in production."]
    monkeypatch.setenv("HASH_MEMORY_KIB", "19456")
    load_settings(tmp_path)


@pytest.mark.parametrize("name", ["WORKERS", "WEB_CONCURRENCY"])
def test_one_process_only_and_it_is_said_why(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("2", "many", "0"):
        monkeypatch.setenv(name, value)
        [fault] = _faults(tmp_path)
        assert fault.startswith(f"{name}: must be 1 or not set: each process counts for itself")
    monkeypatch.setenv(name, "1")
    load_settings(tmp_path)
    monkeypatch.delenv(name)
    (tmp_path / ".env").write_text(f"{name}=4\n")
    assert [fault.partition(":")[0] for fault in _faults(tmp_path)] == [name]


@pytest.mark.parametrize("secret", ["short", "change-me-" * 4, f"{SECRET},short", f"short,{SECRET}"])
def test_production_refuses_a_weak_key_of_before_too(secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv("JWT_SECRET_KEY", SECRET)
    monkeypatch.setenv("JWT_PREVIOUS_SECRET_KEYS", secret)
    faults = _faults(tmp_path)
    assert [fault.partition(":")[0] for fault in faults] == ["JWT_PREVIOUS_SECRET_KEYS"]
    assert "short" not in faults[0]
    monkeypatch.setenv("JWT_PREVIOUS_SECRET_KEYS", f"{SECRET[::-1]}, {SECRET.upper()}")
    settings = load_settings(tmp_path)
    assert [key.get_secret_value() for key in settings.accounts.jwt_previous_secret_keys] == [SECRET[::-1], SECRET.upper()]
    assert SECRET.upper() not in repr(settings)


MAIL: Final = "MAIL_FROM=a@example.com\nPUBLIC_URL=https://chat.example.com\n"


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (f"{MAIL}SMTP_URL=mail.example.com", ["SMTP_URL"]),
        (f"{MAIL}SMTP_URL=http://canary@mail.example.com", ["SMTP_URL"]),
        (f"{MAIL}SMTP_URL=smtp://me:canary@", ["SMTP_URL"]),
        (f"{MAIL}SMTP_URL=smtp://me:canary@mail.example.com:port", ["SMTP_URL"]),
        (f"{MAIL}SMTP_URL=smtp+plain://me:canary@mail.example.com", ["SMTP_URL"]),
        ("SMTP_URL=smtps://me:canary@mail.example.com", ["MAIL_FROM", "PUBLIC_URL"]),
        (f"APP_ENV=staging\nJWT_SECRET_KEY={SECRET}\nREQUIRE_VERIFIED_EMAIL=true", ["REQUIRE_VERIFIED_EMAIL"]),
    ],
)
def test_mail_that_could_not_be_sent_is_refused_at_the_start(lines: str, names: Sequence[str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(lines)
    faults = _faults(tmp_path)
    assert [fault.partition(":")[0] for fault in faults] == [*names]
    assert "canary" not in "".join(faults)


@pytest.mark.parametrize("url", ["smtp://mail.example.com", "smtps://me:pass%40word@mail.example.com:465", "smtp+plain://127.0.0.1:25"])
def test_mail_servers_are_named_by_an_address(url: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{MAIL}SMTP_URL={url}")
    assert load_settings(tmp_path).mail.smtp_url.get_secret_value() == url


@pytest.mark.parametrize("keys", ["short", f"{SECRET},short", "your-secret-key-" * 3, "a" * 40])
def test_production_refuses_a_weak_key_of_webhooks_and_needs_none(keys: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv("JWT_SECRET_KEY", SECRET)
    assert load_settings(tmp_path).webhooks.named_keys == ()
    monkeypatch.setenv("WEBHOOK_KEYS", f"{SECRET}, {SECRET[::-1]}")
    settings = load_settings(tmp_path)
    assert settings.webhooks.named_keys == (SECRET, SECRET[::-1])
    assert SECRET not in repr(settings)
    monkeypatch.setenv("WEBHOOK_KEYS", keys)
    assert [fault.partition(":")[0] for fault in _faults(tmp_path)] == ["WEBHOOK_KEYS"]


@pytest.mark.parametrize("waits", ["0", "5,-1", "5,x", "5,inf", "1," * 21 + "1"])
def test_waits_between_deliveries_are_numbers_with_bounds(waits: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WEBHOOK_RETRY_SECONDS=5, 0.5\n")
    assert load_settings(tmp_path).webhooks.pauses == (5, 0.5)
    assert [fault.partition(":")[0] for fault in _faults_of(tmp_path, f"WEBHOOK_RETRY_SECONDS={waits}")] == ["WEBHOOK_RETRY_SECONDS"]


@pytest.mark.parametrize("name", ["DEBUG", "MIGRATE_ON_START"])
def test_production_refuses_what_is_for_the_desk(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv("JWT_SECRET_KEY", SECRET)
    monkeypatch.setenv(name, "true")
    assert [fault.partition(":")[0] for fault in _faults(tmp_path)] == [name]


def test_settings_are_frozen_and_show_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET_KEY", SECRET)
    monkeypatch.setenv("ELSEWHERE_API_KEY", SECRET)
    settings = load_settings(tmp_path)
    assert settings.model_keys["ELSEWHERE_API_KEY"].get_secret_value() == SECRET
    assert SECRET not in repr(settings)
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1  # type: ignore[misc]  # that it cannot be set is the point


def test_the_example_lists_every_variable_with_its_default_and_a_comment() -> None:
    told = {name: (value, comment) for name, value, comment in _told()}
    assert told.keys() == {name for name, _, _ in variables()}
    for name, default, description in variables():
        value, comment = told[name]
        assert value == default, name
        assert comment.startswith(description.removesuffix(")")), name


def test_the_example_as_it_stands_changes_nothing(tmp_path: Path) -> None:
    plain = load_settings(tmp_path)
    (tmp_path / ".env").write_text(EXAMPLE.read_text())
    assert load_settings(tmp_path) == plain


def _told() -> Iterator[tuple[str, str, str]]:
    comment = ""
    for line in EXAMPLE.read_text().splitlines():
        if found := re.fullmatch(r"#?([A-Z_]+)=(.*)", line):
            yield found[1], found[2], comment
        comment = line.removeprefix("# ")


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"PORT": "many"}, "PORT: "),
        ({"APP_ENV": "production"}, "JWT_SECRET_KEY: "),
        ({"APP_ENV": "production", "JWT_SECRET_KEY": SECRET}, "OPENAI_API_KEY: "),
        ({"MODELS_FILE": "no-such-file.yaml"}, "MODELS_FILE: "),
        ({"DEFAULT_LLM_MODEL": "gpt-5"}, "DEFAULT_LLM_MODEL: "),
        ({"MODERATION_BLOCKLIST": "no-such-file.txt"}, "MODERATION_BLOCKLIST: "),
    ],
)
def test_a_server_that_cannot_start_says_why_in_one_line(values: dict[str, str], line: str, tmp_path: Path) -> None:
    ended = _serve({**values, "DATA_DIR": str(tmp_path)})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(line)
    assert ended.stderr.count("\n") == 1


def test_a_port_that_somebody_has_is_told_by_its_number_and_before_anything_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = _serve({"PORT": str(port), "DATA_DIR": str(tmp_path)})
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"Port {port} of 127.0.0.1 is taken already. Set another: PORT=…, in the environment or in .env.\n"


@pytest.mark.parametrize("url", ["postgresql://me:canary@127.0.0.1:1/x", "postgresql://me:canary@[", "nonsense"])
def test_a_database_that_is_not_there_is_one_line_without_its_password(url: str, tmp_path: Path) -> None:
    ended = _serve({"DATABASE_URL": url, "DATA_DIR": str(tmp_path)})
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "canary" not in ended.stderr + ended.stdout


def _serve(values: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PORT": "0", **values}
    command = [sys.executable, "-m", "app", "serve"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603  # our own module


def test_all_docs_put_settings_into_the_same_file_for_only_one_is_read() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    assert {name for page in pages for name in re.findall(r">>\s*(\.env[\w.]*)", page.read_text())} == {".env"}


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("LANGFUSE_PUBLIC_KEY=pk-lf-1", "LANGFUSE_SECRET_KEY: must be set where LANGFUSE_PUBLIC_KEY is."),
        ("LANGFUSE_SECRET_KEY=canary", "LANGFUSE_PUBLIC_KEY: must be set where LANGFUSE_SECRET_KEY is."),
        ("LANGFUSE_PROMPT=system", "LANGFUSE_PROMPT: needs LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY."),
        ("OTEL_EXPORTER_OTLP_HEADERS==canary", "OTEL_EXPORTER_OTLP_HEADERS: must be name=value, separated by commas."),
    ],
)
def test_what_traces_need_is_told(lines: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{lines}\n")
    assert _faults(tmp_path) == [fault]


def test_judging_needs_a_model_and_a_judge(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("EVALS_ONLINE_RATE=0.5\nEVALS_ONLINE_METRICS=,\n")
    assert _faults(tmp_path) == [
        "EVALS_ONLINE_MODEL: must be set where EVALS_ONLINE_RATE is above 0.",
        "EVALS_ONLINE_METRICS: must name a judge where EVALS_ONLINE_RATE is above 0.",
    ]

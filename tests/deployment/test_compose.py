"""docker-compose.yml: what it starts, what it refuses to, who reaches whom, and that what it names is there."""

import re
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain, combinations
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from app.settings import ROOT, load_settings, variables
from app.settings.loading import OF_COMPOSE
from tests.deployment.compose import DESK, PASSWORDS, PROFILES, compose, config

_CHOICES: Final = [*chain.from_iterable(combinations(PROFILES, count) for count in range(len(PROFILES) + 1))]
_ALWAYS: Final = {"db", "migrate", "app", "worker"}
_OURS: Final = ("migrate", "app", "worker")
_STORES: Final = {"langfuse-db", "langfuse-clickhouse", "langfuse-redis", "langfuse-files"}
_BY_PROFILE: Final = {
    "langfuse": {"langfuse-web", "langfuse-worker", *_STORES},
    "monitoring": {"prometheus", "alertmanager", "grafana", "cadvisor", "postgres-exporter"},
    "redis": {"redis"},
}
_VERSION: Final = re.compile(r"[\w./-]+:(?:v?\d+\.\d+[\w.-]*|RELEASE\.\d[\w-]+)")
_RETENTION: Final = re.compile(r"--storage\.tsdb\.retention\.time=(\d+)d")
_SETTINGS: Final = {name for name, _, _ in variables()}


@cache
def _all() -> Mapping[str, Any]:
    return config(*PROFILES)


def _services() -> Mapping[str, Any]:
    services: Mapping[str, Any] = _all()["services"]
    return services


def _published(services: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    return {
        name: [f"{port['host_ip']}:{port['published']}" for port in service["ports"]]
        for name, service in services.items()
        if service.get("ports")
    }


@pytest.mark.parametrize("profiles", _CHOICES, ids=",".join)
@pytest.mark.parametrize("files", [DESK[:1], DESK], ids=["server", "desk"])
def test_each_profile_starts_what_it_names(profiles: Sequence[str], files: Sequence[str]) -> None:
    wanted = _ALWAYS.union(*(_BY_PROFILE[profile] for profile in profiles))
    assert config(*profiles, files=files)["services"].keys() == wanted


@pytest.mark.parametrize("name", PASSWORDS)
@pytest.mark.parametrize("value", [None, ""], ids=["missing", "empty"])
def test_without_a_password_nothing_starts_and_a_line_names_it(name: str, value: str | None) -> None:
    others = {other: password for other, password in PASSWORDS.items() if other != name}
    done = compose("config", "--quiet", environment=others if value is None else {**others, name: value})
    assert done.returncode != 0
    assert done.stdout == ""
    assert f"required variable {name} is missing a value: scripts/compose-env writes one into .env" in done.stderr


def test_every_password_comes_from_outside() -> None:
    told = {
        f"{name}.{variable}": value
        for name, service in _services().items()
        for variable, value in (service.get("environment") or {}).items()
        if re.search(r"PASS|SECRET|TOKEN|DATABASE_URL", variable)
    }
    assert len(told) > 8
    assert {name: value for name, value in told.items() if not any(password in value for password in PASSWORDS.values())} == {}


def test_servers_wait_for_the_schema_and_that_for_the_database() -> None:
    services = _services()
    assert services["migrate"]["depends_on"]["db"]["condition"] == "service_healthy"
    assert "healthcheck" in services["db"]
    for name in ("app", "worker"):
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_every_image_has_a_version() -> None:
    images = {name: service["image"] for name, service in _services().items() if "build" not in service}
    [base] = re.findall(r"^ARG PYTHON_IMAGE=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {name: image for name, image in {**images, "Dockerfile": base}.items() if not _VERSION.fullmatch(image)} == {}


@pytest.mark.parametrize("files", [DESK[:1], DESK], ids=["server", "desk"])
def test_what_is_mounted_is_there(files: Sequence[str]) -> None:
    services = config(*PROFILES, files=files)["services"]
    sources = [Path(mount["source"]) for service in services.values() for mount in service.get("volumes", []) if mount["type"] == "bind"]
    ours = [source for source in sources if source.is_relative_to(ROOT)]
    assert len(ours) > 4
    assert [source for source in ours if not source.exists()] == []
    changeable = [mount for service in services.values() for mount in service.get("volumes", []) if not mount.get("read_only")]
    assert [mount for mount in changeable if mount["type"] == "bind"] == []


def test_only_this_machine_reaches_what_is_published_and_the_rest_is_not() -> None:
    assert _published(_services()) == {
        "app": ["127.0.0.1:8000"],
        "alertmanager": ["127.0.0.1:9093"],
        "grafana": ["127.0.0.1:3000"],
        "langfuse-web": ["127.0.0.1:3001"],
        "prometheus": ["127.0.0.1:9090"],
    }


def test_the_addresses_of_operations_are_those_that_are_published() -> None:
    told = re.findall(r"<http://localhost:(\d+)>", (ROOT / "docs" / "operations.md").read_text())
    published = {address.partition(":")[2] for addresses in _published(_services()).values() for address in addresses}
    assert len(told) > 2
    assert set(told) <= published


def test_from_the_database_and_the_metrics_no_way_leads_out() -> None:
    config_ = _all()
    internal = {name for name, network in config_["networks"].items() if network.get("internal")}
    assert internal == {"data", "metrics", "traces", "langfuse-stores"}
    networks = {name: set(service["networks"]) for name, service in config_["services"].items()}
    shut_in = {"db", "redis", "migrate", "cadvisor", "postgres-exporter", "langfuse-worker", *_STORES}
    assert {name for name in networks if networks[name] <= internal} == shut_in
    assert {name for name in networks if "data" in networks[name]} == {*_ALWAYS, "redis", "postgres-exporter"}


def test_every_service_has_limits_and_a_log_with_an_end() -> None:
    for name, service in _services().items():
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == ("on-failure:3" if name == "migrate" else "unless-stopped")


def test_nobody_has_more_rights_than_an_engine_gives_and_most_have_none() -> None:
    """cAdvisor reads every container's cgroup; databases and Langfuse change their user when they start."""
    services = _services()
    loose = {"privileged", "cap_add", "pid", "ipc", "network_mode", "userns_mode", "devices"}
    assert {name: [*service.keys() & loose] for name, service in services.items() if name != "cadvisor" and service.keys() & loose} == {}
    with_some = {name for name, service in services.items() if service.get("cap_drop") != ["ALL"]}
    assert with_some == {"db", "cadvisor", *_BY_PROFILE["langfuse"]} - {"langfuse-redis"}
    kept = {name for name, service in services.items() if service.get("read_only")}
    assert kept == {*_OURS, "redis", "langfuse-redis", "postgres-exporter"}
    assert {name for name, service in services.items() if "docker.sock" in str(service)} == set()


def test_no_password_stands_in_a_list_of_processes() -> None:
    told = {name: f"{service.get('command')} {service.get('entrypoint')}" for name, service in _services().items()}
    assert {name for name, words in told.items() if any(password in words for password in PASSWORDS.values())} == set()
    assert {name for name, words in told.items() if "--requirepass" in words} == set()


def test_answers_have_the_time_to_end_and_the_living_are_told_from_the_dead() -> None:
    services = _services()
    longest = max(int(default) for name, default, _ in variables() if name in {"DRAIN_SECONDS", "STOP_NOTICE_SECONDS"})
    for name in ("app", "worker"):
        assert int(services[name]["stop_grace_period"].removesuffix("s")) >= longest + 10
    asked = {name for name, service in services.items() if (service.get("healthcheck") or {}).get("test")}
    assert {"db", "worker", "redis", *_STORES} <= asked
    unasked = {name for name, service in services.items() if (service.get("healthcheck") or {}).get("disable")}
    assert unasked == {"migrate"}
    assert re.search(r"^HEALTHCHECK .*\n    CMD \[.*/health/live", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", _OURS)
def test_our_containers_may_nothing_that_they_need_not(name: str) -> None:
    service = _services()[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108  # a path in a container
    assert [mount["target"] for mount in service["volumes"]] == [service["environment"]["DATA_DIR"]]
    assert service["environment"].keys() <= _SETTINGS
    assert service["image"] == _services()["app"]["image"]


def test_prometheus_finds_what_it_asks() -> None:
    services, asked = _services(), yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    ours = {(name, int(services[name]["environment"][port])) for name, port in (("app", "PORT"), ("worker", "METRICS_PORT"))}
    targets = [job for job in asked["scrape_configs"] if "dns_sd_configs" in job]
    assert {(name, look["port"]) for job in targets for look in job["dns_sd_configs"] for name in look["names"]} == ours
    others = [*asked["alerting"]["alertmanagers"], *asked["scrape_configs"]]
    named = {target.partition(":")[0] for group in others for static in group.get("static_configs", []) for target in static["targets"]}
    hosts = (named - {"localhost"}) | {name for name, _ in ours}
    assert len(hosts) == 5
    assert [name for name in hosts if not {*services[name]["networks"]} & {*services["prometheus"]["networks"]}] == []
    [secret] = services["prometheus"]["secrets"]
    files = {job["authorization"]["credentials_file"] for job in targets}
    assert files == {f"/run/secrets/{secret['source']}"}
    assert _all()["secrets"][secret["source"]]["environment"] == "METRICS_TOKEN"


def test_prometheus_remembers_as_long_as_the_objectives_look_back() -> None:
    [days] = [int(found[1]) for option in _services()["prometheus"]["command"] if (found := _RETENTION.fullmatch(option))]
    assert days > 30


def test_alertmanager_has_each_file_that_it_reads() -> None:
    wanted = re.findall(r"url_file: (\S+)", (ROOT / "prometheus" / "alertmanager.yml").read_text())
    assert {one["target"] for one in _services()["alertmanager"]["configs"]} == {*wanted}
    given = config("monitoring", environment={"ALERT_PAGE_URL": "https://pager.example.com/x"})
    assert given["configs"]["alert_page_url"]["content"] == "https://pager.example.com/x"


def test_grafana_finds_prometheus_its_dashboards_and_the_runbooks() -> None:
    grafana = _services()["grafana"]
    mounts = {mount["target"]: Path(mount["source"]) for mount in grafana["volumes"] if mount["type"] == "bind"}
    [source] = yaml.safe_load((ROOT / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert {*grafana["networks"]} & {*_services()["prometheus"]["networks"]}
    [provider] = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/milepost.yml").read_text())["providers"]
    assert [*mounts[provider["options"]["path"]].glob("*.json")]
    assert mounts["/etc/grafana/provisioning"] == ROOT / "grafana" / "provisioning"
    assert (mounts["/usr/share/grafana/public/milepost/docs"] / "runbooks" / "README.md").is_file()


def test_the_exporter_asks_the_database_that_there_is() -> None:
    services = _services()
    exporter, database, app = (services[name]["environment"] for name in ("postgres-exporter", "db", "app"))
    assert exporter["DATA_SOURCE_URI"] == f"db:5432/{database['POSTGRES_DB']}?sslmode=disable"
    user, password, name = (database[f"POSTGRES_{part}"] for part in ("USER", "PASSWORD", "DB"))
    assert (exporter["DATA_SOURCE_USER"], exporter["DATA_SOURCE_PASS"]) == (user, password)
    assert app["DATABASE_URL"] == f"postgresql://{user}:{password}@db:5432/{name}"


def test_langfuse_is_reached_by_servers_and_its_stores_by_nobody_else() -> None:
    networks = {name: set(service["networks"]) for name, service in _services().items()}
    assert {name for name in networks if "traces" in networks[name]} == {"app", "worker", "langfuse-web"}
    assert {name for name in networks if "langfuse-stores" in networks[name]} == _BY_PROFILE["langfuse"]
    given = _services()["langfuse-web"]["environment"]
    hosts = {given["REDIS_HOST"], *(match[1] for value in given.values() if (match := re.search(r"(?:@|//)(langfuse-\w+):\d", value)))}
    assert hosts == _STORES


def test_three_servers_have_a_port_each() -> None:
    services = config(environment={"APP_REPLICAS": "3", "APP_PUBLISH": "127.0.0.1:8000-8002"})["services"]
    assert services["app"]["deploy"]["replicas"] == 3
    assert _published(services)["app"] == ["127.0.0.1:8000-8002"]


def test_the_desk_reloads_the_code_of_this_folder() -> None:
    services = config(files=DESK)["services"]
    app = services["app"]
    assert app["environment"]["DEBUG"] == "true"
    assert {services[name]["environment"]["APP_ENV"] for name in _OURS} == {"development"}
    assert {mount["target"]: mount["source"] for mount in app["volumes"]}["/srv/milepost/app"] == str(ROOT / "app")
    assert app["build"]["args"]["APP_ENV"] == "development"


def _read_variables() -> set[str]:
    lines = compose("config", "--variables").stdout.splitlines()
    return {line.split()[0] for line in lines if not line.startswith("NAME ")}


def test_each_variable_is_explained_and_no_setting_is_unknown_for_it() -> None:
    named = _read_variables() - _SETTINGS
    assert named | {"COMPOSE_PROFILES"} == OF_COMPOSE
    rows = {row[1] for row in re.finditer(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "deployment.md").read_text(), re.MULTILINE)}
    assert rows == OF_COMPOSE | (_read_variables() & _SETTINGS)


def _written(folder: Path) -> subprocess.CompletedProcess[str]:
    """What scripts/compose-env does in a copy of the repository that has nothing else."""
    (folder / "scripts").mkdir(exist_ok=True)
    script = shutil.copy(ROOT / "scripts" / "compose-env", folder / "scripts")
    return subprocess.run([script], capture_output=True, text=True, check=False)  # noqa: S603  # our own


def test_a_script_writes_passwords_that_are_enough_and_never_others_over_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _SETTINGS:
        monkeypatch.delenv(name, raising=False)
    assert _written(tmp_path).returncode == 0
    env_file = tmp_path / ".env"
    done = compose("config", "--quiet", environment={}, env_file=env_file)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    first = env_file.read_text()
    passwords = [line.partition("=")[2] for line in first.splitlines() if line.partition("=")[0] in PASSWORDS]
    assert len({*passwords}) == len(PASSWORDS)
    monkeypatch.setenv("APP_ENV", "production")
    load_settings(tmp_path)
    again = _written(tmp_path)
    assert again.returncode != 0
    assert "is there already" in again.stderr
    assert env_file.read_text() == first

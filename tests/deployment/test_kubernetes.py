"""deploy/kubernetes: that a cluster would take it, that its pods may nothing they need not, and that what it names is there."""

import os
import re
from collections.abc import Sequence
from typing import Any, Final

import httpx
import kubernetes_validate
import pytest
import yaml

from app.observability.exporter import LIVE
from app.observability.metrics import REGISTRY
from app.settings import ROOT, load_settings, variables
from deploy.kubernetes.rules import SOURCES, WRITTEN, as_text
from tests.conftest import Server
from tests.deployment.kubernetes import FOLDER, OURS, OVERLAYS, SECRET, of, rendered, selects, settings_of, workloads

# Of the Prometheus Operator; a cluster's own schema does not have them.
_OPERATORS: Final = {"PrometheusRule", "ServiceMonitor"}
_SETTINGS: Final = {name for name, _, _ in variables()}
_STRONG: Final = "Zq8-of-a-test-3nV6xP1wK9rT4yB7mL2cD5fG0h"
# What is said when the runs are drained: docs/quickstart.md.
_LAST_WORDS_SECONDS: Final = 10
_SELF: Final = re.compile(r"\$\{?[A-Z]|changeme|password", re.IGNORECASE)


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_cluster_would_take_each_object_and_ignore_nothing_in_it(overlay: str, version: str) -> None:
    unknown = set()
    for thing in rendered(overlay):
        try:
            kubernetes_validate.validate(thing, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            unknown.add(thing["kind"])
    assert unknown == (_OPERATORS if overlay == "production" else set())


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_everything_is_in_a_namespace_that_refuses_pods_with_more_rights(overlay: str) -> None:
    [(name, namespace)] = of("Namespace", overlay).items()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    elsewhere = [thing for thing in rendered(overlay) if thing["kind"] != "Namespace" and thing["metadata"].get("namespace") != name]
    assert elsewhere == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_is_nobody_with_no_rights_and_a_root_it_cannot_write(overlay: str) -> None:
    for name, workload in workloads(overlay).items():
        pod, container = workload.pod, workload.container
        whole = pod["securityContext"]
        assert whole["runAsNonRoot"] is True, name
        assert whole["runAsUser"] > 0, name
        assert whole["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert "initContainers" not in pod, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert {volume.keys() - {"name"} == {"emptyDir"} for volume in pod["volumes"]} == {True}, name
        assert all(volume["emptyDir"]["sizeLimit"] for volume in pod["volumes"]), name
        assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False), name
        assert pod["serviceAccountName"] in of("ServiceAccount", overlay), name
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
        assert "memory" in container["resources"]["limits"], name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_our_pods_are_the_image_in_its_own_user_with_its_own_words(overlay: str) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    [(user, group)] = re.findall(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE)
    ours = workloads(overlay)
    for name in OURS:
        context = ours[name].pod["securityContext"]
        assert (context["runAsUser"], context["runAsGroup"]) == (int(user), int(group))
        mounts = {mount["mountPath"] for mount in ours[name].container["volumeMounts"]}
        assert mounts == {settings_of(overlay)["DATA_DIR"], "/tmp"}  # noqa: S108  # a path in a container
    assert {name: ours[name].container["args"] for name in OURS} == {
        "server": ["serve"],
        "worker": ["worker"],
        "migration": ["migrate", "up"],
    }
    [entry] = yaml.safe_load((FOLDER / "overlays" / overlay / "kustomization.yaml").read_text())["images"]
    assert {ours[name].container["image"] for name in OURS} == {f"{entry.get('newName', 'milepost')}:{entry['newTag']}"}


def test_the_database_at_a_desk_is_the_one_of_compose() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["db"]
    assert workloads("development")["database"].container["image"] == compose["image"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_variable_is_a_setting_and_nothing_secret_is_written_down(overlay: str) -> None:
    assert settings_of(overlay).keys() <= _SETTINGS
    assert of("Secret", overlay) == {}
    assert [value for value in settings_of(overlay).values() if _SELF.search(value)] == []
    for name in OURS:
        container = workloads(overlay)[name].container
        named = {variable["name"] for variable in container["env"]}
        assert named == {"DATABASE_URL", "JWT_SECRET_KEY", "METRICS_TOKEN"} <= _SETTINGS
        for variable in container["env"]:
            assert variable["valueFrom"] == {"secretKeyRef": {"name": SECRET, "key": variable["name"]}}
        sources = [{key: value["name"]} for source in container["envFrom"] for key, value in source.items()]
        assert sources == [{"configMapRef": next(iter(of("ConfigMap", overlay)))}, {"secretRef": SECRET}]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_milepost_starts_with_these_settings(overlay: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in _SETTINGS & {*os.environ}:
        monkeypatch.delenv(name)
    secrets = {"DATABASE_URL": "postgresql://milepost@db.example.com/milepost", "JWT_SECRET_KEY": _STRONG, "METRICS_TOKEN": _STRONG}
    for name, value in {**settings_of(overlay), **secrets}.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(tmp_path)
    assert settings.environment == overlay
    # A folder in an emptyDir is each pod's own.
    assert settings.attachments.kept_in == "database"
    assert (settings.worker.in_server, settings.database.migrate_on_start) == (False, False)
    if overlay == "production":
        assert settings.server.is_public_over_tls
        assert settings.limits.trusted_proxies


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_live_answers_have_the_time_to_end(overlay: str) -> None:
    longest = max(int(settings_of(overlay)[name]) for name in ("DRAIN_SECONDS", "STOP_NOTICE_SECONDS"))
    server, worker = (workloads(overlay)[name] for name in ("server", "worker"))
    before = server.container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert before >= 2 * server.container["readinessProbe"]["periodSeconds"]
    assert server.pod["terminationGracePeriodSeconds"] >= before + longest + _LAST_WORDS_SECONDS
    assert worker.pod["terminationGracePeriodSeconds"] >= longest + _LAST_WORDS_SECONDS
    assert server.object["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def _probes(component: str) -> dict[str, Any]:
    container = workloads()[component].container
    return {name: probe for name, probe in container.items() if name.endswith("Probe")}


async def test_probes_ask_what_the_server_answers(server: Server) -> None:
    probes = _probes("server")
    paths = {name: probe["httpGet"]["path"] for name, probe in probes.items()}
    assert paths == {"startupProbe": "/health/live", "livenessProbe": "/health/live", "readinessProbe": "/health/ready"}
    async with httpx.AsyncClient(base_url=server.url) as client:
        for path in paths.values():
            assert (await client.get(path)).status_code == httpx.codes.OK, path
    # Else a database that is slow to say no would look like a server that says nothing.
    assert probes["readinessProbe"]["timeoutSeconds"] > server.settings.database.connect_seconds


def test_a_worker_is_asked_where_it_tells_its_metrics() -> None:
    """`test_exposition.py` asks a real one."""
    assert {probe["httpGet"]["path"] for probe in _probes("worker").values()} == {LIVE}
    assert {probe["httpGet"]["port"] for probe in _probes("worker").values()} == {"metrics"}


@pytest.mark.parametrize(("component", "variable"), [("server", "PORT"), ("worker", "METRICS_PORT")])
def test_ports_are_those_that_are_listened_at(component: str, variable: str) -> None:
    [port] = workloads()[component].container["ports"]
    assert str(port["containerPort"]) == settings_of("production")[variable]
    assert {probe["httpGet"]["port"] for probe in _probes(component).values()} == {port["name"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_selector_finds_the_pods_of_one_workload(overlay: str) -> None:
    pods = {name: workload.labels for name, workload in workloads(overlay).items()}
    selectors: list[tuple[str, dict[str, Any]]] = []
    for thing in rendered(overlay):
        name, spec = f"{thing['kind']} {thing['metadata']['name']}", thing.get("spec", {})
        if thing["kind"] in {"Deployment", "PodDisruptionBudget"}:
            selectors.append((name, spec["selector"]))
        elif thing["kind"] == "Service":
            selectors.append((name, {"matchLabels": spec["selector"]}))
        spreads = spec.get("template", {}).get("spec", {}).get("topologySpreadConstraints", [])
        selectors += [(name, spread["labelSelector"]) for spread in spreads]
    found = {name: [pod for pod, labels in pods.items() if selects(selector, labels)] for name, selector in selectors}
    assert len(selectors) > 8
    wanted = {"milepost": "server", "milepost-worker": "worker", "postgres": "database"}
    assert found == {name: [wanted[name.split()[1]]] for name in found}


def _jobs() -> Sequence[str]:
    configured = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    return [job["job_name"] for job in configured if "dns_sd_configs" in job]


def test_services_lead_to_ports_and_have_the_names_of_jobs() -> None:
    ports = {port["name"] for name in ("server", "worker") for port in workloads()[name].container["ports"]}
    services = of("Service")
    assert {port["targetPort"] for service in services.values() for port in service["spec"]["ports"]} == ports
    # The operator's `job` is the service's name, and rules and dashboards ask for these.
    assert [*services] == _jobs()
    for name, monitor in of("ServiceMonitor").items():
        [endpoint] = monitor["spec"]["endpoints"]
        [service] = [found for found in services.values() if selects(monitor["spec"]["selector"], found["metadata"]["labels"])]
        assert service["metadata"]["name"] == name
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        assert endpoint["path"] == "/metrics"
        assert endpoint["authorization"] == {"credentials": {"name": SECRET, "key": "METRICS_TOKEN"}}


def test_browsers_reach_the_server_by_its_public_url_and_streams_are_not_held_back() -> None:
    [ingress] = of("Ingress").values()
    [rule], [tls] = ingress["spec"]["rules"], ingress["spec"]["tls"]
    assert {f"https://{host}" for host in (rule["host"], *tls["hosts"])} == {settings_of("production")["PUBLIC_URL"]}
    [path] = rule["http"]["paths"]
    backend = path["backend"]["service"]
    assert backend["port"]["name"] in {port["name"] for port in of("Service")[backend["name"]]["spec"]["ports"]}
    told = ingress["metadata"]["annotations"]
    assert (told["nginx.org/proxy-buffering"], told["nginx.ingress.kubernetes.io/proxy-buffering"]) == ("False", "off")
    assert (told["nginx.org/proxy-read-timeout"], told["nginx.ingress.kubernetes.io/proxy-read-timeout"]) == ("1h", "3600")
    [largest] = {told["nginx.org/client-max-body-size"], told["nginx.ingress.kubernetes.io/proxy-body-size"]}
    defaults = {name: default for name, default, _ in variables()}
    assert int(largest.removesuffix("m")) * 1_000_000 > int(defaults["ATTACHMENT_MAX_BYTES"])


def test_the_autoscaler_asks_for_what_there_is() -> None:
    [autoscaler] = of("HorizontalPodAutoscaler").values()
    spec = autoscaler["spec"]
    assert spec["scaleTargetRef"]["name"] in of("Deployment")
    [pods] = [metric["pods"] for metric in spec["metrics"] if metric["type"] == "Pods"]
    name = pods["metric"]["name"]
    assert name in {family.name for family in REGISTRY.collect()}
    defaults = {setting: default for setting, default, _ in variables()}
    assert int(pods["target"]["averageValue"]) * 2 == int(defaults["MAX_LIVE_RUNS"])
    [rule] = yaml.safe_load((FOLDER / "components/autoscaling/prometheus-adapter.yaml").read_text())["rules"]["custom"]
    assert rule["seriesQuery"].startswith(f"{name}{{")
    assert f'job="{spec["scaleTargetRef"]["name"]}"' in rule["seriesQuery"]
    assert 1 < spec["minReplicas"] < spec["maxReplicas"]
    # An apply must not undo what it has done.
    assert "replicas" not in workloads()["server"].object["spec"]


def test_pods_may_be_evicted_but_not_all_at_once() -> None:
    for budget in of("PodDisruptionBudget").values():
        assert "minAvailable" not in budget["spec"]
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert workloads()["worker"].object["spec"]["replicas"] > 1


def test_prometheus_rules_are_those_of_the_folder() -> None:
    assert WRITTEN.read_text() == as_text(), "run `make rules`"
    specs = {f"milepost-{source.stem}": yaml.safe_load(source.read_text()) for source in SOURCES}
    assert {name: rule["spec"] for name, rule in of("PrometheusRule").items()} == specs
    assert len(specs) > 5


def test_the_document_counts_the_connections_of_a_process() -> None:
    pool = int({name: default for name, default, _ in variables()}["DATABASE_POOL_SIZE"])
    assert f"{pool + 1} connections" in (ROOT / "docs" / "kubernetes.md").read_text()

"""What kustomize makes of deploy/kubernetes, and as much of a cluster's API as kubectl needs to say what it would do."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import yaml

from app.settings import ROOT

FOLDER: Final = ROOT / "deploy" / "kubernetes"
OVERLAYS: Final = ("development", "production")
OURS: Final = ("server", "worker", "migration")
SECRET: Final = "milepost-secrets"
KUBECTL: Final = Path(sys.executable).with_name("kubectl")
_COMPONENT: Final = "app.kubernetes.io/component"
_PLURALS: Final = {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses"}

type Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What makes pods, with the pod that it makes."""

    object: Object
    labels: Mapping[str, str]
    pod: Object

    @property
    def component(self) -> str:
        return self.labels[_COMPONENT]

    @property
    def container(self) -> Object:
        [container] = self.pod["containers"]
        found: Object = container
        return found


@cache
def rendered(overlay: str) -> Sequence[Object]:
    done = subprocess.run([str(KUBECTL), "kustomize", str(FOLDER / "overlays" / overlay)], capture_output=True, text=True, check=False)  # noqa: S603  # a program of the development lock
    assert (done.returncode, done.stderr) == (0, "")
    return [*yaml.safe_load_all(done.stdout)]


def of(kind: str, overlay: str = "production") -> Mapping[str, Object]:
    """The objects of a kind by their names."""
    return {thing["metadata"]["name"]: thing for thing in rendered(overlay) if thing["kind"] == kind}


def workloads(overlay: str = "production") -> Mapping[str, Workload]:
    """By their component."""
    makers = [thing for thing in rendered(overlay) if "template" in thing.get("spec", {})]
    found = [
        Workload(object=maker, labels=maker["spec"]["template"]["metadata"]["labels"], pod=maker["spec"]["template"]["spec"])
        for maker in makers
    ]
    return {workload.component: workload for workload in found}


def settings_of(overlay: str) -> Mapping[str, str]:
    [settings] = of("ConfigMap", overlay).values()
    found: Mapping[str, str] = settings["data"]
    return found


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """As a cluster reads a selector; of expressions, those with `In`, which are all we use."""
    expressions = selector.get("matchExpressions", [])
    assert {one["operator"] for one in expressions} <= {"In"}
    wanted = {**selector.get("matchLabels", {})}
    return all(labels.get(name) == value for name, value in wanted.items()) and all(
        labels.get(one["key"]) in one["values"] for one in expressions
    )


@contextmanager
def cluster() -> Iterator[str]:
    """The address of one that knows our kinds and has nothing yet."""
    kinds = {(thing["apiVersion"], thing["kind"]) for overlay in OVERLAYS for thing in rendered(overlay)}

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, answer = _discovered(kinds, self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            """What kubectl asks is no news."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever, name="cluster")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _discovered(kinds: set[tuple[str, str]], path: str) -> tuple[int, Object]:
    versions = {version for version, _ in kinds}
    if path == "/api":
        return 200, {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = [version.split("/") for version in versions if "/" in version]
        named = [
            {"name": group, "versions": [{"groupVersion": f"{group}/{version}", "version": version}]} for group, version in sorted(groups)
        ]
        return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}
    asked = path.removeprefix("/apis/").removeprefix("/api/")
    if asked in versions:
        resources = [_resource(kind) for version, kind in kinds if version == asked]
        return 200, {"kind": "APIResourceList", "groupVersion": asked, "resources": resources}
    return 404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


def _resource(kind: str) -> Object:
    plural = _PLURALS.get(kind, f"{kind.lower()}s")
    return {
        "name": plural,
        "singularName": kind.lower(),
        "kind": kind,
        "namespaced": kind != "Namespace",
        "verbs": ["create", "get", "patch"],
    }

"""deploy/kubernetes: who reaches whom. Nothing is allowed that does not stand here."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Any, Final

import pytest

from tests.deployment.kubernetes import OVERLAYS, of, selects, workloads

_METADATA: Final = "169.254.169.254"
_PUBLIC: Final = "93.184.215.14"
_PRIVATE: Final = "10.1.2.3"


def _of_pod(component: str, overlay: str) -> Iterator[Mapping[str, Any]]:
    labels = workloads(overlay)[component].labels
    for policy in of("NetworkPolicy", overlay).values():
        if selects(policy["spec"]["podSelector"], labels):
            yield policy["spec"]


def _ports(component: str, overlay: str, address: str) -> set[int]:
    """At which a pod reaches an address."""
    found = set()
    for policy in _of_pod(component, overlay):
        for rule in policy.get("egress", []):
            blocks = [peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer]
            if any(_holds(block, address) for block in blocks):
                found |= {port["port"] for port in rule["ports"]}
    return found


def _holds(block: Mapping[str, Any], address: str) -> bool:
    inside, networks = ip_address(address), [ip_network(network) for network in block.get("except", [])]
    return inside in ip_network(block["cidr"]) and not any(inside in network for network in networks)


def _namespaces(component: str, overlay: str) -> set[tuple[str, int | str]]:
    """Those that reach a pod, with the ports."""
    found = set()
    for policy in _of_pod(component, overlay):
        for rule in policy.get("ingress", []):
            for peer in rule["from"]:
                named = peer.get("namespaceSelector", {})
                names = [*named.get("matchLabels", {}).values()]
                names += [name for one in named.get("matchExpressions", []) for name in one["values"]]
                found |= {(name, port["port"]) for name in names for port in rule["ports"]}
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_not_allowed_is_forbidden_to_every_pod(overlay: str) -> None:
    for component in workloads(overlay):
        [nothing] = [policy for policy in _of_pod(component, overlay) if {"ingress", "egress"}.isdisjoint(policy)]
        assert nothing == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        assert all(
            rule["ports"] and rule.get("from", rule.get("to"))
            for policy in _of_pod(component, overlay)
            for rule in [*policy.get("ingress", []), *policy.get("egress", [])]
        ), "an empty list is everybody"


def test_only_the_ingress_controller_and_prometheus_reach_us() -> None:
    controllers = {("nginx-ingress", "http"), ("ingress-nginx", "http")}
    prometheus = {("monitoring", 8000), ("monitoring", 9100)}
    assert _namespaces("server", "production") == controllers | prometheus
    assert _namespaces("worker", "production") == prometheus
    assert _namespaces("migration", "production") == set()


@pytest.mark.parametrize("component", ["server", "worker"])
def test_what_goes_out_reaches_models_and_stores_and_no_clouds_metadata(component: str) -> None:
    assert _ports(component, "production", _PUBLIC) == {443}
    assert _ports(component, "production", _PRIVATE) == {5432, 6379}
    assert _ports(component, "production", _METADATA) == set()


def test_migrations_reach_the_database_only() -> None:
    assert _ports("migration", "production", _PUBLIC) == set()
    assert 5432 in _ports("migration", "production", _PRIVATE)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_may_ask_for_names(overlay: str) -> None:
    for component in workloads(overlay):
        [names] = [policy for policy in _of_pod(component, overlay) if "kube-system" in str(policy)]
        assert {(port["port"], port["protocol"]) for rule in names["egress"] for port in rule["ports"]} == {(53, "UDP"), (53, "TCP")}


def test_at_a_desk_our_pods_reach_the_database_and_it_lets_nobody_else_in() -> None:
    policies = of("NetworkPolicy", "development")
    [inward], [outward] = policies["database"]["spec"]["ingress"], policies["to-database"]["spec"]["egress"]
    pods = {name: workload.labels for name, workload in workloads("development").items()}
    [caller], [called] = ([peer["podSelector"] for peer in peers] for peers in (inward["from"], outward["to"]))
    assert {name for name, labels in pods.items() if selects(caller, labels)} == {"server", "worker", "migration"}
    assert {name for name, labels in pods.items() if selects(called, labels)} == {"database"}
    [port] = of("Service", "development")["postgres"]["spec"]["ports"]
    assert {one["port"] for one in (*inward["ports"], *outward["ports"])} == {port["port"]}

"""A real Prometheus: our own prometheus.yml and rules, asked of targets of the test's, at a pace that a test can wait for."""

import asyncio
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import httpx
import yaml

from app.settings import ROOT
from tests.ports import held_port
from tests.tools import UNTIL_INPUT_ENDS, needed

FOLDER: Final = ROOT / "prometheus"
_START_SECONDS: Final = 30
_INTERVAL: Final = "1s"


@dataclass(frozen=True, slots=True)
class Sample:
    labels: Mapping[str, str]
    value: float


class PrometheusProcess:
    """`targets` are addresses by the names of jobs in prometheus.yml; a job that is not named has none, and `prometheus` is itself."""

    def __init__(self, folder: Path, targets: Mapping[str, str], *, token: str = "") -> None:
        self._held = held_port()
        self.address = f"127.0.0.1:{self._held.getsockname()[1]}"
        self._folder = folder / "prometheus"
        self._targets = {**targets, "prometheus": self.address}
        self._token = token
        self._client = httpx.Client(base_url=f"http://{self.address}", timeout=20)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir()
        (self._folder / "token").write_text(self._token)
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(self._configuration()))
        options = [
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self.address}",
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # the program that `make test-tools` brings
                [*UNTIL_INPUT_ENDS, str(needed("prometheus")), *options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self._started()

    def __exit__(self, *_: object) -> None:
        if self._process:
            assert self._process.stdin
            self._process.stdin.close()
            self._process.wait()
        self._client.close()
        self._held.close()

    async def query(self, expression: str) -> Sequence[Sample]:
        """What an expression comes to now: a vector, or a scalar as one sample without labels. One that does not parse fails the test."""
        found = await self._get("/api/v1/query", query=expression)
        if found["resultType"] == "scalar":
            return [Sample({}, float(found["result"][1]))]
        return [Sample(one["metric"], float(one["value"][1])) for one in found["result"]]

    async def until_found(self, expressions: Sequence[str], *, seconds: float = 40) -> Sequence[str]:
        """Wait until each has something; return those that have nothing to the end."""
        deadline, missing = time.monotonic() + seconds, [*dict.fromkeys(expressions)]
        while missing := [expression for expression in missing if not await self.query(expression)]:
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
        return missing

    async def rules(self) -> Sequence[Mapping[str, Any]]:
        """Each rule as Prometheus has it, with `health` and `lastError`."""
        return [rule for group in (await self._get("/api/v1/rules"))["groups"] for rule in group["rules"]]

    async def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        # One client for all that is asked: each new one reads every certificate of the machine.
        answer = (await asyncio.to_thread(self._client.get, path, params=parameters)).json()
        assert answer["status"] == "success", answer
        found: dict[str, Any] = answer["data"]
        return found

    def _configuration(self) -> dict[str, Any]:
        """As it is shipped, but for where targets are, how often they are asked, and where the token is."""
        config: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": _INTERVAL, "scrape_timeout": _INTERVAL, "evaluation_interval": _INTERVAL}
        config["rule_files"] = [str(FOLDER / files) for files in config["rule_files"]]
        config["scrape_configs"] = [self._job(job) for job in config["scrape_configs"]]
        return config

    def _job(self, job: Mapping[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in job.items() if name not in {"dns_sd_configs", "static_configs", "authorization"}}
        if "authorization" in job:
            kept["authorization"] = {"credentials_file": str(self._folder / "token")}
        address = self._targets.get(job["job_name"])
        return {**kept, "static_configs": [{"targets": [address]}] if address else []}

    def _started(self) -> Self:
        assert self._process
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            # The shell outlives a Prometheus that does not start; its log says why.
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.05)
        return self

    def _is_ready(self) -> bool:
        try:
            return self._client.get("/-/ready").is_success
        except httpx.HTTPError:
            return False

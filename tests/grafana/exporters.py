"""cAdvisor and postgres_exporter as Prometheus sees them: their metrics' names and labels, with numbers that grow as time goes."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_MIB: Final = 2**20

# Of each container: cores that it uses, MiB, the MiB that it may have, kB a second in and out and to disk.
_CONTAINERS: Final[Mapping[str, tuple[float, ...]]] = {
    "milepost-app-1": (0.35, 240, 1024, 40, 90, 1),
    "milepost-worker-1": (0.05, 180, 512, 8, 6, 1),
    "milepost-postgres-1": (0.2, 310, 2048, 60, 120, 400),
    "milepost-prometheus-1": (0.03, 120, 512, 25, 2, 60),
}
_DATABASES: Final[Mapping[str, float]] = {"milepost": 1.0, "postgres": 0.1, "template1": 0.0}


def cadvisor(seconds: float) -> str:
    return "\n".join(line for name, values in _CONTAINERS.items() for line in _container(name, values, seconds)) + "\n"


def _container(name: str, values: tuple[float, ...], seconds: float) -> Iterator[str]:
    cores, used, most, received, sent, written = values
    wave = 1 + 0.2 * math.sin(seconds / 20 + cores * 30)
    labels = f'id="/docker/{name}",image="image",name="{name}"'
    now = time.time()
    yield f'container_cpu_usage_seconds_total{{{labels},cpu="total"}} {cores * seconds + 2 * wave}'
    yield f"container_cpu_cfs_periods_total{{{labels}}} {seconds * 10:.0f}"
    yield f"container_cpu_cfs_throttled_periods_total{{{labels}}} {seconds * cores:.0f}"
    yield f"container_memory_working_set_bytes{{{labels}}} {used * wave * _MIB:.0f}"
    yield f"container_spec_memory_limit_bytes{{{labels}}} {most * _MIB}"
    yield f'container_network_receive_bytes_total{{{labels},interface="eth0"}} {received * 1000 * seconds + wave:.0f}'
    yield f'container_network_transmit_bytes_total{{{labels},interface="eth0"}} {sent * 1000 * seconds + wave:.0f}'
    yield f'container_fs_writes_bytes_total{{{labels},device="/dev/sda"}} {written * 1000 * seconds + wave:.0f}'
    yield f"container_oom_events_total{{{labels}}} 0"
    yield f"container_start_time_seconds{{{labels}}} {now - 3_600 - seconds:.0f}"
    yield f"container_last_seen{{{labels}}} {now:.0f}"


def postgres_exporter(seconds: float) -> str:
    own = ["pg_up 1", 'pg_settings_max_connections{server="postgres:5432"} 100']
    return "\n".join([*own, *(line for name, share in _DATABASES.items() for line in _database(name, share, seconds))]) + "\n"


def _database(name: str, share: float, seconds: float) -> Iterator[str]:
    labels = f'datname="{name}",server="postgres:5432"'
    wave = 1 + 0.3 * math.sin(seconds / 15)
    for state, count in (("active", 3 * wave), ("idle", 14), ("idle in transaction", wave)):
        yield f'pg_stat_activity_count{{{labels},state="{state}"}} {count * share:.0f}'
        yield f'pg_stat_activity_max_tx_duration{{{labels},state="{state}"}} {0.4 * wave * share:.3f}'
    for mode, count in (("accesssharelock", 6 * wave), ("rowexclusivelock", 2 * wave), ("accessexclusivelock", 0)):
        yield f'pg_locks_count{{{labels},mode="{mode}"}} {count * share:.0f}'
    yield f"pg_stat_database_xact_commit{{{labels}}} {140 * seconds * share:.0f}"
    yield f"pg_stat_database_xact_rollback{{{labels}}} {2 * seconds * share:.0f}"
    yield f"pg_stat_database_blks_hit{{{labels}}} {9_900 * seconds * share:.0f}"
    yield f"pg_stat_database_blks_read{{{labels}}} {60 * seconds * share:.0f}"
    yield f"pg_stat_database_deadlocks{{{labels}}} 0"
    yield f"pg_database_size_bytes{{{labels}}} {(90 * _MIB + 20_000 * seconds) * share:.0f}"


class _Exporter(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, write: Callable[[float], str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._write, self._began = write, time.monotonic()

    def exposition(self) -> bytes:
        return self._write(time.monotonic() - self._began).encode()


class _Handler(BaseHTTPRequestHandler):
    server: _Exporter

    def do_GET(self) -> None:  # its name in http.server
        body = self.server.exposition()
        self.send_response(200)
        self.send_header("Content-Type", _TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def exporters() -> Iterator[dict[str, str]]:
    """Run both; give their addresses by the names of their jobs in prometheus.yml."""
    servers = {"cadvisor": _Exporter(cadvisor), "postgres": _Exporter(postgres_exporter)}
    for job, server in servers.items():
        threading.Thread(target=server.serve_forever, name=job, daemon=True).start()
    try:
        yield {job: f"127.0.0.1:{server.server_address[1]}" for job, server in servers.items()}
    finally:
        for server in servers.values():
            server.shutdown()
            server.server_close()

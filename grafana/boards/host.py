"""Host and containers: has each process the CPU, memory, files and time on its event loop that it needs?"""

from typing import Final

from app.observability import metrics as m
from grafana.boards.kinds import number, series, table
from grafana.boards.panels import Board, Limits, Query, Row
from grafana.boards.promql import HERE, quantile

_OURS: Final = f'{HERE}, job=~"milepost.*"'
# What cAdvisor tells of containers, and not of the slices that hold them.
_CONTAINERS: Final = 'name!=""'
_WINDOW: Final = "[$__rate_interval]"


_PROCESSES: Final = (
    series(
        "Event loop, how late",
        "99 % of ticks are less late. Late loops hold up every answer of the process: something computes, or the CPU is taken.",
        Query(quantile(0.99, m.LOOP_LAG_SECONDS, "instance"), "{{instance}}"),
        unit="s",
        limits=Limits(0.1, 0.5),
        runbook="loop-lag",
    ),
    series(
        "CPU of a process",
        "1 is one core, and a process of Python uses little more.",
        Query(f"sum by (instance) (rate(process_cpu_seconds_total{{{_OURS}}}{_WINDOW}))", "{{instance}}"),
        limits=Limits(0.7, 0.9),
    ),
    series(
        "Memory of a process",
        "Resident. A saw that never falls back is a leak.",
        Query(f"max by (instance) (process_resident_memory_bytes{{{_OURS}}})", "{{instance}}"),
        unit="bytes",
    ),
    series(
        "Open files",
        "Of those that the process may have open; each connection is one.",
        Query(f"max by (instance) (process_open_fds{{{_OURS}}} / process_max_fds{{{_OURS}}})", "{{instance}}"),
        unit="percentunit",
        limits=Limits(0.7, 0.9),
    ),
    series(
        "Garbage collections",
        "Of the oldest generation, a second: each looks at everything and holds up the loop.",
        Query(f'sum by (instance) (rate(python_gc_collections_total{{{_OURS}, generation="2"}}{_WINDOW}))', "{{instance}}"),
        unit="ops",
    ),
    table(
        "Processes",
        "Since when each runs. A short time that nobody deployed in is a crash.",
        Query(f"time() - max by (instance, job) (process_start_time_seconds{{{_OURS}}})"),
        columns={"job": "Job", "instance": "Instance", "Value": "Runs since"},
        unit="s",
    ),
)


_USED: Final = f"max by (name) (container_memory_working_set_bytes{{{_CONTAINERS}}})"
_MOST: Final = f"max by (name) (container_spec_memory_limit_bytes{{{_CONTAINERS}}} > 0)"

_CONTAINER_PANELS: Final = (
    number("Containers", "Seen in the last minute.", Query(f"count(time() - container_last_seen{{{_CONTAINERS}}} < 60)", "containers")),
    number(
        "Killed for memory",
        "Containers that the kernel ended because their memory was at its limit, in the time that is shown.",
        Query(f"sum(increase(container_oom_events_total{{{_CONTAINERS}}}[$__range]))", "killed"),
        limits=Limits(1, 2),
        decimals=0,
        runbook="processes-die",
    ),
    number(
        "Restarts",
        "Containers that started anew, in the time that is shown.",
        Query(f"sum(changes(container_start_time_seconds{{{_CONTAINERS}}}[$__range]))", "restarts"),
        limits=Limits(1, 5),
        decimals=0,
    ),
    series(
        "CPU, by container",
        "1 is one core.",
        Query(f"sum by (name) (rate(container_cpu_usage_seconds_total{{{_CONTAINERS}}}{_WINDOW}))", "{{name}}"),
        stacked=True,
    ),
    series(
        "CPU held back",
        "The share of periods in which a container wanted more than its limit.",
        Query(
            f"sum by (name) (rate(container_cpu_cfs_throttled_periods_total{{{_CONTAINERS}}}{_WINDOW}))"
            f" / sum by (name) (rate(container_cpu_cfs_periods_total{{{_CONTAINERS}}}{_WINDOW}))",
            "{{name}}",
        ),
        unit="percentunit",
        limits=Limits(0.1, 0.5),
        most=1,
    ),
    series("Memory, by container", "The working set: what the kernel looks at when it ends one.", Query(_USED, "{{name}}"), unit="bytes"),
    series(
        "Memory, of the limit",
        "For containers that have one.",
        Query(f"{_USED} / {_MOST}", "{{name}}"),
        unit="percentunit",
        limits=Limits(0.8, 0.95),
    ),
    series(
        "Network",
        "Received, and sent below.",
        Query(f"sum by (name) (rate(container_network_receive_bytes_total{{{_CONTAINERS}}}{_WINDOW}))", "{{name}} in"),
        Query(f"sum by (name) (rate(container_network_transmit_bytes_total{{{_CONTAINERS}}}{_WINDOW}))", "{{name}} out"),
        unit="Bps",
    ),
    series(
        "Disk",
        "Bytes written a second.",
        Query(f"sum by (name) (rate(container_fs_writes_bytes_total{{{_CONTAINERS}}}{_WINDOW}))", "{{name}}"),
        unit="Bps",
    ),
)


BOARD: Final = Board(
    uid="milepost-host",
    title="Milepost · Host and containers",
    description="Has each process the CPU, memory, files and time on its event loop that it needs?",
    rows=(Row("Servers and workers", _PROCESSES), Row("Containers (cAdvisor)", _CONTAINER_PANELS)),
)

"""What deploy/proxy and deploy/pgbouncer decide, and which of Milepost's settings they must agree with; `tests/scale/` runs both."""

import configparser
import re
from typing import Final

from app.settings import ROOT, variables
from tests.scale.programs import POOLER_FILE, PROXY_FILE

_DEFAULTS: Final = {name: default for name, default, _ in variables()}
_PROXY: Final = re.sub(r"^ *#.*\n", "", PROXY_FILE.read_text(), flags=re.MULTILINE)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


def _pooler() -> configparser.ConfigParser:
    config = configparser.ConfigParser(interpolation=None)
    config.read(POOLER_FILE)
    return config


def _seconds(pattern: str) -> int:
    [(number, unit)] = re.findall(rf"(?<!set-){pattern} (\d+)([smh])\b", _PROXY)
    return int(number) * _SECONDS[unit]


def test_the_pooler_lends_by_transaction_to_this_machine_and_to_nobody_without_a_password() -> None:
    told = _pooler()["pgbouncer"]
    assert (told["pool_mode"], told["listen_addr"], told["auth_type"]) == ("transaction", "127.0.0.1", "scram-sha-256")


def test_the_pooler_keeps_the_bounds_that_we_would_set_ourselves() -> None:
    config = _pooler()
    [(milliseconds, zone)] = re.findall(r"statement_timeout = (\d+); SET timezone = ''(\w+)''", config["databases"]["milepost"])
    assert (int(milliseconds), zone) == (int(_DEFAULTS["DATABASE_STATEMENT_SECONDS"]) * 1000, "UTC")
    assert config["pgbouncer"]["query_wait_timeout"] == _DEFAULTS["DATABASE_CONNECT_SECONDS"]


def test_the_proxy_waits_for_as_long_as_an_answer_may_take_and_a_stream_be_silent() -> None:
    longest = int(_DEFAULTS["RUN_TIMEOUT_SECONDS"])
    assert min(_seconds("timeout client"), _seconds("timeout server")) > longest
    assert _seconds("set-timeout server") > 2 * int(_DEFAULTS["HEARTBEAT_SECONDS"])


def test_the_proxy_asks_for_readiness_and_another_server_where_one_is_gone() -> None:
    lines = {line.strip() for line in _PROXY.splitlines()}
    assert {"option httpchk GET /health/ready", "http-check expect status 200", "option redispatch 1", "balance leastconn"} <= lines
    # Or a server that was killed would be given requests for as long as its next check takes.
    [each] = [line for line in lines if line.startswith("default-server")]
    assert each.endswith("observe layer4 error-limit 1 on-error mark-down")


def test_who_may_command_the_proxy_is_on_this_machine_and_in_its_group() -> None:
    assert re.findall(r"^ *stats (.*)$", _PROXY, re.MULTILINE) == ["socket /run/haproxy/admin.sock mode 660 level admin"]


def test_a_proxy_of_the_documents_tells_what_servers_ask_of_it_and_holds_no_stream_back() -> None:
    [nginx] = re.findall(r"^```nginx\n(.*?)^```$", (ROOT / "docs" / "deployment.md").read_text(), re.DOTALL | re.MULTILINE)
    lines = {line.strip() for line in nginx.splitlines()}
    assert {
        "proxy_set_header X-Forwarded-Proto $scheme;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_buffering off;",
    } <= lines
    assert "location = /metrics { return 404; }" in lines
    [body] = re.findall(r"client_max_body_size (\d+)m;", nginx)
    assert int(body) * 1_000_000 > int(_DEFAULTS["ATTACHMENT_MAX_BYTES"])

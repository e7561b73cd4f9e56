"""docker-compose.yml as Docker Compose itself understands it; no engine is asked."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from app.settings import ROOT

PROFILES: Final = ("langfuse", "monitoring", "redis")
PASSWORDS: Final = {
    name: f"a-password-{number}"
    for number, name in enumerate(
        (
            "POSTGRES_PASSWORD",
            "JWT_SECRET_KEY",
            "METRICS_TOKEN",
            "VALKEY_PASSWORD",
            "GRAFANA_PASSWORD",
            "LANGFUSE_AUTH_SECRET",
            "LANGFUSE_ENCRYPTION_KEY",
            "LANGFUSE_SALT",
            "LANGFUSE_STORES_PASSWORD",
        )
    )
}
DESK: Final = ("docker-compose.yml", "docker-compose.dev.yml")
_COMPOSE: Final = Path(sys.executable).with_name("docker-compose")


def compose(
    *arguments: str, environment: Mapping[str, str] = PASSWORDS, files: Sequence[str] = DESK[:1], env_file: Path = Path("/dev/null")
) -> subprocess.CompletedProcess[str]:
    """With these variables, those of `env_file`, and nothing of this machine's own."""
    named = [option for file in files for option in ("--file", str(ROOT / file))]
    return subprocess.run(  # noqa: S603  # a program of the development lock
        [str(_COMPOSE), "--project-directory", str(ROOT), "--env-file", str(env_file), *named, *arguments],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )


def config(*profiles: str, environment: Mapping[str, str] | None = None, files: Sequence[str] = DESK[:1]) -> dict[str, Any]:
    """What `up` with these profiles would start, without the settings of a file that is on this machine."""
    chosen = [option for profile in profiles for option in ("--profile", profile)]
    done = compose(
        *chosen, "config", "--no-env-resolution", "--format", "json", environment={**PASSWORDS, **(environment or {})}, files=files
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found

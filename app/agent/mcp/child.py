"""Become another program, which ends when the process that wanted it ends, be that by kill -9.

Run as a script, by `python -I -S child.py PARENT COMMAND ARGS…`, so that it imports little: it stands between us and every MCP server that
is a program. That the server's input ends with us is news to one that listens; the kernel's signal reaches one that does not.
"""

import os
import sys


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415
        import signal  # noqa: PLC0415

        # PR_SET_PDEATHSIG. SIGTERM, which starters such as uvx and npx pass on to what they have started.
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel knew
        sys.exit(1)


if __name__ == "__main__":
    _die_with(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  # the operator's own command

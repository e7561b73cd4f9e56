"""`python -m handbook`: make the documentation's site, or write anew what of it is drawn from the code."""

import argparse
import sys
from pathlib import Path

from app.errors import AppError
from app.settings import ROOT
from handbook.drawn import write
from handbook.site import build, serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m handbook", description=__doc__)
    parser.add_argument("command", choices=["build", "serve", "write"])
    parser.add_argument("--output", type=Path, default=ROOT / "site", help="where `build` puts the site (site)")
    chosen = parser.parse_args()
    folder = ROOT / ".handbook"
    try:
        match chosen.command:
            case "build":
                build(folder, chosen.output)
            case "serve":
                serve(folder)
            case _:
                write()
    except AppError as error:
        sys.exit(error.detail)


if __name__ == "__main__":
    main()

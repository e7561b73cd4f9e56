"""`python -m grafana.pictures URL`: draw the dashboards from what a Prometheus has now, a PNG for each."""

import argparse
import json
import time
from pathlib import Path
from typing import Final

from grafana.boards.listing import FOLDER
from grafana.pictures.asking import Span
from grafana.pictures.page import Page
from grafana.pictures.prometheus import Prometheus

_MINUTE: Final = 60


def main() -> None:
    chosen = _arguments()
    end = time.time()
    draw_all(chosen.url, Span(begin=end - chosen.minutes * _MINUTE, end=end, scrape_seconds=chosen.scrape_seconds), chosen.output)


def draw_all(url: str, span: Span, folder: Path) -> None:
    """Write a PNG for each dashboard, and say which panels had nothing to show."""
    folder.mkdir(parents=True, exist_ok=True)
    with Prometheus(url) as prometheus:
        for file in sorted(FOLDER.glob("*.json")):
            page = Page(json.loads(file.read_text()), span)
            empty = page.draw(prometheus)
            picture = folder / f"{file.stem.replace('milepost-', 'dashboard-')}.png"
            picture.write_bytes(page.png())
            print(f"{picture}: {picture.stat().st_size // 1000} kB{', nothing in ' if empty else ''}{', '.join(empty)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m grafana.pictures", description=__doc__)
    parser.add_argument("url", help="where Prometheus is: http://localhost:9090")
    parser.add_argument("--minutes", type=float, default=180, help="how far back they go (180)")
    parser.add_argument("--scrape-seconds", type=float, default=15, help="how often that Prometheus scrapes (15)")
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder that they are written to (pictures)")
    return parser.parse_args()


if __name__ == "__main__":
    main()

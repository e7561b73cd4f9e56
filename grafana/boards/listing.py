"""Every dashboard there is, and where its JSON lies."""

from pathlib import Path
from typing import Final

from grafana.boards import database, host, models, overview, runs, security

BOARDS: Final = (overview.BOARD, runs.BOARD, models.BOARD, database.BOARD, security.BOARD, host.BOARD)
FOLDER: Final = Path(__file__).parents[1] / "dashboards"

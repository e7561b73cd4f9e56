"""`python -m tests.handbook`: write the answers of docs/api.md anew, as a server gives them."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from app.persistence import migrate
from app.persistence.embedded import embedded_postgres
from app.settings import load_settings
from tests.conftest import serving
from tests.handbook.guide import GUIDE, rewritten, run, steps
from tests.handbook.test_guide import VARIABLES


def main() -> None:
    with TemporaryDirectory() as name, embedded_postgres(Path(name) / "postgres", durable=False) as database:
        folder = Path(name)
        migrate.up(database)
        os.environ.update({"APP_ENV": "test", "DATABASE_URL": database, "DATA_DIR": str(folder / "data"), **VARIABLES})
        text = GUIDE.read_text()
        with serving(load_settings(folder)) as server:
            GUIDE.write_text(rewritten(text, run([step.command for step in steps(text)], server, folder)))


if __name__ == "__main__":
    main()

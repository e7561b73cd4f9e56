"""`python -m grafana.boards`: write each dashboard's JSON to grafana/dashboards/."""

from grafana.boards.listing import BOARDS, FOLDER
from grafana.boards.writing import as_text


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for board in BOARDS:
        (FOLDER / f"{board.uid}.json").write_text(as_text(board))


if __name__ == "__main__":
    main()

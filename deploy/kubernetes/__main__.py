"""`python -m deploy.kubernetes`: write what repeats Prometheus' rules."""

from deploy.kubernetes.rules import WRITTEN, as_text


def main() -> None:
    WRITTEN.write_text(as_text())


if __name__ == "__main__":
    main()

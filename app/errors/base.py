"""What all errors are."""

from typing import ClassVar


class AppError(Exception):
    """Say what went wrong in words that are safe to show; `extra` becomes members of the problem document."""

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong on our side"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str | None = None, **extra: str | int | float) -> None:
        self.detail = detail or f"{self.title}."
        self.extra = extra
        super().__init__(self.detail)


def error_of(code: str, detail: str, **extra: str | float) -> AppError:
    """The error that has this code, as an event or a row tells of it."""
    kinds = [AppError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return next((kind for kind in kinds if kind.code == code), AppError)(detail, **extra)

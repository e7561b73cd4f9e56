"""How a metric hears: at once, and never to the harm of what it hears."""

from collections.abc import Callable
from contextlib import ExitStack

from app.crashes import log_crash
from app.signals.signal import Signal


def hear[**P](ears: ExitStack, signal: Signal[P], hearer: Callable[P, None]) -> None:
    """Until `ears` are closed."""
    ears.enter_context(signal.heard_by(_contained(signal.name, hearer)))


def _contained[**P](name: str, hearer: Callable[P, None]) -> Callable[P, None]:
    """A bug in what watches is told of once, and what is watched goes on."""
    is_told = False

    def hearing(*args: P.args, **kwargs: P.kwargs) -> None:
        nonlocal is_told
        try:
            hearer(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  # the boundary between work and those who watch it
            if not is_told:
                is_told = True
                log_crash("metric_not_moved", error, signal=name)

    return hearing

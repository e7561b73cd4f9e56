"""A thing that happens, and who hears of it."""

from collections.abc import Callable, Generator
from contextlib import contextmanager


class Signal[**P]:
    """Call it to tell, with the arguments of the function that it decorates; without a hearer that costs a call and no more."""

    def __init__(self, declared: Callable[P, None]) -> None:
        self.__doc__ = declared.__doc__
        self.name = declared.__name__
        self._hearers: tuple[Callable[P, None], ...] = ()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        for hear in self._hearers:
            hear(*args, **kwargs)

    @contextmanager
    def heard_by(self, hearer: Callable[P, None]) -> Generator[None]:
        """Have it told to the hearer as long as this is open."""
        self._hearers = (*self._hearers, hearer)
        try:
            yield
        finally:
            self._hearers = tuple(one for one in self._hearers if one is not hearer)

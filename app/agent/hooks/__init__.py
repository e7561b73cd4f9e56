"""The content hooks of this server, as its settings choose them."""

from collections.abc import Sequence

from app.agent.hooks.blocklist import open_blocklist
from app.agent.hooks.masking import Masking
from app.llm.hooks import Hook, Hooks
from app.settings import HookSettings


def hooks_of(settings: HookSettings) -> Hooks:
    """None are on unless somebody asked for them; raise SettingsInvalid for a file that is no blocklist."""
    hooks: Sequence[Hook] = [
        *([Masking()] if settings.masks else []),
        *([open_blocklist(settings.blocklist)] if settings.blocklist else []),
    ]
    return Hooks(hooks, seconds=settings.seconds, fail_open=settings.failure == "open", holds_answers=settings.holds_answers)

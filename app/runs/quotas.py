"""Tiers as runs have to do with them: which model, how much is set aside, what is refused, and what is told when a quota runs short."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Literal, Protocol
from uuid import UUID

from app import signals
from app.errors import AppError, ModelNotAllowed, QuotaExceeded, TooManyRuns
from app.llm.models import Model, Models
from app.llm.reservation import Reservation
from app.persistence.accounts import User
from app.persistence.quota_values import Held, OverLimit, QuotaLimits, QuotaState, Wish
from app.persistence.values import Attachment, TakenRun
from app.runs.events import QuotaPassed, Used
from app.settings import UNLIMITED, Tier, Tiers

# What instructions, tools and memories come to, and how many characters make a token, on the safe side.
_FRAME_TOKENS: Final = 1_500
_CHARACTERS_PER_TOKEN: Final = 3
_IMAGE_TOKENS: Final = 1_500
_RETRY_SECONDS: Final = 1
_MARKS: Final = (100, 80)
_DEFAULT_ANSWER: Final = 4_096


class QuotaStore(Protocol):
    async def read(self, user_id: UUID, *, counts: bool) -> QuotaState: ...
    async def extend(self, user_id: UUID, run_id: UUID, attempt: int, wish: Wish) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one quota stands; `limit` is None where the tier has none."""

    name: str
    limit: float | None
    used: float
    reserved: float
    resets_at: datetime | None

    @property
    def left(self) -> float | None:
        return None if self.limit is None else max(self.limit - self.used - self.reserved, 0)


class Quotas:
    """Without a store nobody has any."""

    def __init__(self, tiers: Tiers, store: QuotaStore | None, *, answer_tokens: int = _DEFAULT_ANSWER) -> None:
        self._tiers = tiers
        self._store = store
        self._answer_tokens = answer_tokens

    def tier(self, user: User) -> Tier:
        return self._tiers.of(user.tier) if self._store else UNLIMITED

    def wish(self, user: User, model: Model, text: str = "", attachments: Sequence[Attachment] = ()) -> Wish | None:
        """What to set aside for a run; None where the user's tier counts nothing."""
        tier = self.tier(user)
        if not tier.counts:
            return None
        tokens = _FRAME_TOKENS + len(text) // _CHARACTERS_PER_TOKEN + sum(map(_tokens_of, attachments))
        answer = self._answer(model)
        price_usd = partial(_cost_usd, model)
        return Wish(
            limits=_limits(tier),
            tokens=tokens + answer,
            usd=price_usd(tokens, answer),
            usd_per_token=price_usd(1, 0),
        )

    @contextmanager
    def refusing(self, user: User) -> Iterator[None]:
        """Raise QuotaExceeded or TooManyRuns for OverLimit."""
        try:
            yield
        except OverLimit as over:
            signals.quota_moved("refused")
            raise self._refusal(user, over) from over

    def _refusal(self, user: User, over: OverLimit) -> AppError:
        tier = self.tier(user)
        limit = getattr(tier, over.limit_name)
        known = {"limit": limit, "limit_name": over.limit_name, "tier": tier.name}
        if over.limit_name == "concurrent_runs":
            return TooManyRuns(f"The tier {tier.name} may have {limit} answers made at once.", **known, retry_after=_RETRY_SECONDS)
        resets_at = _next_month() if "month" in over.limit_name else _tomorrow()
        seconds = math.ceil((resets_at - datetime.now(UTC)).total_seconds())
        what = f"${limit:g}" if "cost" in over.limit_name else f"{limit:,} tokens"
        period = "month" if "month" in over.limit_name else "day"
        words = f"The quota of the tier {tier.name} for a {period}, {what}, is used up, or set aside for what is being answered."
        return QuotaExceeded(words, **known, retry_after=max(seconds, 1), resets_at=_iso(resets_at))

    def reservation(self, taken: TakenRun, model: Model) -> Reservation | None:
        """What the run's calls are made from; None where there is no end to it."""
        tier, held = self.tier(taken.user), taken.held
        if held is None or not _is_bounded(tier):
            return None
        answer = self._answer(model)
        more = partial(self._more, taken, tier)
        return Reservation(tokens=held.tokens, usd=held.usd, answer_tokens=answer, answer_usd=_cost_usd(model, 0, answer), more=more)

    def watch(self, taken: TakenRun) -> "Watch | None":
        """Who tells of it when the run brings a quota to its end, or near."""
        tier = self.tier(taken.user)
        return Watch(tier=tier, held=taken.held) if taken.held and _is_bounded(tier) else None

    async def standings(self, user: User) -> Sequence[Standing]:
        """How all quotas stand, in the order in which they are told."""
        assert self._store  # noqa: S101  # the server's own
        tier = self.tier(user)
        state = await self._store.read(user.id, counts=tier.counts)
        runs = Standing(name="concurrent_runs", limit=tier.concurrent_runs, used=state.runs, reserved=0, resets_at=None)
        return [runs, *standings(tier, state)]

    async def _more(self, taken: TakenRun, tier: Tier, tokens: int, usd: float) -> None:
        assert self._store  # noqa: S101  # who has something set aside has it there
        limits = _limits(tier, runs=False)
        with self.refusing(taken.user):
            await self._store.extend(taken.user.id, taken.id, taken.attempt, Wish(limits=limits, tokens=tokens, usd=usd))
        signals.quota_moved("extended")

    def _answer(self, model: Model) -> int:
        return model.spec.max_tokens or self._answer_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a run knows of its user's quotas: how they stood when it was claimed."""

    tier: Tier
    held: Held

    def passed(self, used: Used) -> Sequence[QuotaPassed]:
        """The marks that were passed with this run and that nobody has told of, one for the day and one for the month at most."""
        state = self.held.state
        grown = [
            Standing(name=one.name, limit=one.limit, used=one.used + self._own(one, used), reserved=0, resets_at=one.resets_at)
            for one in standings(self.tier, state)
        ]
        day = _passed(self.tier, "day", state.day_told, [one for one in grown if "day" in one.name])
        month = _passed(self.tier, "month", state.month_told, [one for one in grown if "month" in one.name])
        return [one for one in (day, month) if one]

    def left(self) -> Sequence[Standing]:
        """How the quotas stand with what is set aside for this run."""
        state = self.held.state
        return standings(self.tier, state, more_tokens=self.held.tokens, more_usd=self.held.usd)

    @staticmethod
    def _own(one: Standing, used: Used) -> float:
        return (used.cost_usd or 0.0) if "cost" in one.name else used.total_tokens


def model_for(models: Models, tier: Tier, asked: str | None, otherwise: str | None) -> Model:
    """The model that was asked for, else the other, else the first that the tier may use; raise UnknownModel or ModelNotAllowed."""
    if asked:
        model = models.get(asked)
        if not tier.may_ask(model.spec.name):
            raise ModelNotAllowed(f"The tier {tier.name} may use {_named(models, tier)}.", tier=tier.name)
        return model
    model = models.get(otherwise)
    if tier.may_ask(model.spec.name):
        return model
    first = next((spec.name for spec in models if tier.may_ask(spec.name)), None)
    if first is None:
        raise ModelNotAllowed(f"The tier {tier.name} may use none of the models of this server.", tier=tier.name)
    return models.get(first)


def standings(tier: Tier, state: QuotaState, *, more_tokens: int = 0, more_usd: float = 0) -> Sequence[Standing]:
    tokens, usd = state.held_tokens + more_tokens, state.held_usd + more_usd
    day, month = _tomorrow(), _next_month()
    return [
        Standing(name="tokens_per_day", limit=tier.tokens_per_day, used=state.day_tokens, reserved=tokens, resets_at=day),
        Standing(name="tokens_per_month", limit=tier.tokens_per_month, used=state.month_tokens, reserved=tokens, resets_at=month),
        Standing(name="cost_per_day_usd", limit=tier.cost_per_day_usd, used=state.day_usd, reserved=usd, resets_at=day),
        Standing(name="cost_per_month_usd", limit=tier.cost_per_month_usd, used=state.month_usd, reserved=usd, resets_at=month),
    ]


def told_percent(passed: Sequence[QuotaPassed]) -> Sequence[int]:
    """For the day and the month."""
    return [max((one.percent for one in passed if one.period == period), default=0) for period in ("day", "month")]


def _passed(tier: Tier, period: Literal["day", "month"], told: int, grown: Sequence[Standing]) -> QuotaPassed | None:
    shares = [(one.used / one.limit * 100, one) for one in grown if one.limit]
    if not shares:
        return None
    share, one = max(shares, key=lambda found: found[0])
    mark = next((mark for mark in _MARKS if share >= mark), 0)
    if mark <= told or one.limit is None or one.resets_at is None:
        return None
    return QuotaPassed(
        tier=tier.name, name=one.name, period=period, percent=mark, limit=one.limit, used=round(one.used, 12), resets_at=one.resets_at
    )


def _limits(tier: Tier, *, runs: bool = True) -> QuotaLimits:
    return QuotaLimits(
        concurrent_runs=tier.concurrent_runs if runs else None,
        tokens_per_day=tier.tokens_per_day,
        tokens_per_month=tier.tokens_per_month,
        cost_per_day_usd=tier.cost_per_day_usd,
        cost_per_month_usd=tier.cost_per_month_usd,
    )


def _is_bounded(tier: Tier) -> bool:
    return any((tier.tokens_per_day, tier.tokens_per_month, tier.cost_per_day_usd, tier.cost_per_month_usd))


def _tokens_of(attachment: Attachment) -> int:
    return _IMAGE_TOKENS if attachment.media_type.startswith("image/") else attachment.bytes // _CHARACTERS_PER_TOKEN


def _cost_usd(model: Model, input_tokens: int, output_tokens: int) -> float:
    """A model whose price nobody knows costs nothing here, as in the ledger."""
    price = model.price
    return (price.cost_usd(input_tokens=input_tokens, cached_tokens=0, output_tokens=output_tokens) if price else None) or 0.0


def _named(models: Models, tier: Tier) -> str:
    return ", ".join(spec.name for spec in models if tier.may_ask(spec.name)) or "none of the models of this server"


def _tomorrow() -> datetime:
    return _midnight() + timedelta(days=1)


def _next_month() -> datetime:
    return (_midnight().replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")

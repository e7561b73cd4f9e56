"""Which of a dataset's cases are tried."""

from collections.abc import Sequence

from evals.cases import Dataset
from evals.errors import Misused


def chosen_cases(dataset: Dataset, tags: Sequence[str], limit: int | None, *, unreviewed: bool) -> Dataset:
    """Those with one of the tags, or all, up to so many; raise Misused where there are none, or some that nobody has reviewed."""
    cases = [case for case in dataset.cases if not tags or case.tags & {*tags}][:limit]
    if not cases:
        raise Misused(f"No case of {dataset.name} has the tag {' or '.join(tags)}.")
    unread = [case.id for case in cases if not case.reviewed]
    if unread and not unreviewed:
        named = ", ".join(unread[:3]) + (" and others" if len(unread) > 3 else "")  # noqa: PLR2004  # enough to find them
        raise Misused(
            f"Nobody has reviewed {named}: read what was harvested, mend it, and set `reviewed: true`. --unreviewed takes them as they are."
        )
    return dataset.model_copy(update={"cases": tuple(cases)})

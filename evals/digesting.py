"""What a set of cases is known by, so that two experiments can tell whether they are of the same."""

import json
from hashlib import sha256

from evals.cases import Dataset


def digest_of(dataset: Dataset) -> str:
    """SHA-256 of the cases, in hex; the same whatever their order, and that of their tags."""
    cases = [case.model_dump(mode="json") | {"tags": sorted(case.tags)} for case in dataset.cases]
    written = json.dumps(sorted(cases, key=lambda case: str(case["id"])), sort_keys=True, ensure_ascii=False)
    return sha256(written.encode()).hexdigest()

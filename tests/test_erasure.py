"""In which order the stores forget a user, and what happens when one of them cannot."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from app.accounts.erasure import Elsewhere, Erasure
from app.errors import Unavailable
from app.persistence.lifecycle import Receipt


class Stores:
    """The database, and one store beside it that answers so many times and then no more."""

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self.breaks = False
        self.told: list[str] = []

    async def erase(self, user_id: UUID, elsewhere: Mapping[str, int]) -> Receipt:
        self.told.append("database")
        if self.breaks:
            raise Unavailable
        return Receipt(id=user_id, erased_at=datetime.now(UTC), counts=elsewhere, sha256="")

    async def count(self, _user_id: UUID) -> int:
        self.told.append("count")
        return 2

    async def forget(self, _user_id: UUID) -> int:
        self.told.append("files")
        if self.told.count("files") > self.answers:
            raise Unavailable
        return 2


async def test_a_store_that_cannot_forget_leaves_the_user_in_the_database() -> None:
    stores = Stores(answers=0)
    with pytest.raises(Unavailable):
        await Erasure(stores, {"files": Elsewhere(stores.forget, stores.forget)}).erase(uuid4())
    assert stores.told == ["files"]


async def test_a_store_that_fails_once_the_user_is_gone_does_not_hide_the_receipt() -> None:
    stores = Stores(answers=1)
    with capture_logs() as logs:
        receipt = await Erasure(stores, {"files": Elsewhere(stores.forget, stores.forget)}).erase(uuid4())
    assert (stores.told, receipt.counts) == (["files", "database", "files"], {"files": 2})
    assert [(line["event"], line.get("store")) for line in logs] == [("erasure_not_looked_over", "files"), ("user_erased", None)]


async def test_files_stay_as_long_as_there_are_rows_that_tell_of_them() -> None:
    stores = Stores(answers=1)
    erasure = Erasure(stores, {"files": Elsewhere(stores.count, stores.forget)})
    stores.breaks = True
    with pytest.raises(Unavailable):
        await erasure.erase(uuid4())
    assert stores.told == ["count", "database"]
    stores.breaks = False
    assert (await erasure.erase(uuid4())).counts == {"files": 2}
    assert stores.told[2:] == ["count", "database", "files"]

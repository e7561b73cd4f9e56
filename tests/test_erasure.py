"""In which order the stores forget a user, and what happens when one of them cannot."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from app.accounts.erasure import Elsewhere, Erasure, delete_old_audit, delete_old_sessions
from app.errors import Unavailable, UserNotFound
from app.persistence.erasing import receipt_of
from app.persistence.lifecycle import Receipt
from tests.fakes import ADA


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


class Database:
    """Erases Ada, once; and old things by the hundred."""

    def __init__(self, done: list[str]) -> None:
        self.done = done
        self.batches: list[tuple[timedelta, int]] = []

    async def erase(self, user_id: UUID, elsewhere: Mapping[str, int]) -> Receipt | None:
        if user_id != ADA.id or "database" in self.done:
            return None
        self.done.append("database")
        return receipt_of(user_id, {"user": 1, **elsewhere})

    async def delete_old_sessions(self, silent_for: timedelta, limit: int) -> int:
        self.batches.append((silent_for, limit))
        return limit if len(self.batches) == 1 else 0

    delete_old_audit = delete_old_sessions


async def test_other_stores_are_counted_before_the_database_and_erased_after_it() -> None:
    done: list[str] = []

    async def count(_: UUID) -> int:
        done.append("counted")
        return 7

    async def forget(_: UUID) -> int:
        done.append("files")
        return 7

    erasure = Erasure(Database(done), {"files": Elsewhere(count, forget)})
    assert (await erasure.erase(ADA.id)).counts == {"user": 1, "files": 7}
    assert done == ["counted", "database", "files"]
    with pytest.raises(UserNotFound):
        await erasure.erase(ADA.id)


async def test_what_is_old_goes_batch_by_batch_and_with_no_days_nothing_does() -> None:
    for delete in (delete_old_sessions, delete_old_audit):
        database = Database([])
        await delete(database, 0)
        assert database.batches == []
        await delete(database, 30)
        assert [age for age, _ in database.batches] == [timedelta(days=30)] * 2

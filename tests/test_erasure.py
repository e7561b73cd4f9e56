"""What an erasure does beside the database, and what is kept for ever."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from app.accounts.erasure import Erasure, delete_old_audit, delete_old_sessions
from app.errors import Unavailable, UserNotFound
from app.persistence.erasing import receipt_of
from app.persistence.lifecycle import Receipt
from tests.fakes import ADA


class Stores:
    """The database, and one store beside it that answers so many times and then no more."""

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self.told: list[str] = []

    async def erase(self, user_id: UUID, elsewhere: Mapping[str, int]) -> Receipt:
        self.told.append("database")
        return Receipt(id=user_id, erased_at=datetime.now(UTC), counts=elsewhere, sha256="")

    async def forget(self, _user_id: UUID) -> int:
        self.told.append("files")
        if self.told.count("files") > self.answers:
            raise Unavailable
        return 2


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


async def test_other_stores_come_before_the_database_and_once_more_after_it() -> None:
    done: list[str] = []

    async def forget(_: UUID) -> int:
        done.append("files")
        return 7 if done == ["files"] else 1

    erasure = Erasure(Database(done), {"files": forget})
    assert (await erasure.erase(ADA.id)).counts == {"user": 1, "files": 7}
    assert done == ["files", "database", "files"]
    with pytest.raises(UserNotFound):
        await erasure.erase(ADA.id)


async def test_nothing_is_erased_from_the_database_while_another_store_is_away() -> None:
    done: list[str] = []

    async def forget(_: UUID) -> int:
        raise Unavailable

    with pytest.raises(Unavailable):
        await Erasure(Database(done), {"files": forget}).erase(ADA.id)
    assert done == []


async def test_what_is_old_goes_batch_by_batch_and_with_no_days_nothing_does() -> None:
    for delete in (delete_old_sessions, delete_old_audit):
        database = Database([])
        await delete(database, 0)
        assert database.batches == []
        await delete(database, 30)
        assert [age for age, _ in database.batches] == [timedelta(days=30)] * 2


async def test_a_store_that_fails_once_the_user_is_gone_does_not_hide_the_receipt() -> None:
    stores = Stores(answers=1)
    with capture_logs() as logs:
        receipt = await Erasure(stores, {"files": stores.forget}).erase(uuid4())
    assert (stores.told, receipt.counts) == (["files", "database", "files"], {"files": 2})
    assert [(line["event"], line.get("store")) for line in logs] == [("erasure_not_looked_over", "files"), ("user_erased", None)]

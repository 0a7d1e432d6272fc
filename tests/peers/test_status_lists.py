"""An unrelated implementation of Token Status List reads what we publish as we meant it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from keys.jws import jwks
from keys.model import KeyPurpose
from tests.support import node
from tests.verification.test_service import keys as keys  # noqa: PLC0414 - a fixture
from verification.status.publisher import StatusPublisher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.clock import FixedClock
    from foundation.database import Database
    from keys.assembly import Keys

FOLDER = Path(__file__).parent / "status_node"
SIZE = 1 << 18


class Entry:
    def __init__(self, index: int, value: int) -> None:
        self.index, self.value = index, value


class Values:
    """Status values of one list, as the vault would give them."""

    def __init__(self, values: dict[int, int]) -> None:
        self.values = values

    async def lists(self, connection: AsyncConnection) -> Mapping[int, int]:
        del connection
        return {7: SIZE}

    async def touched(self, connection: AsyncConnection, since: datetime) -> frozenset[int]:
        del connection, since
        return frozenset()

    async def not_valid(self, connection: AsyncConnection, status_list: int) -> AsyncIterator[Entry]:
        del connection, status_list
        for index, value in self.values.items():
            yield Entry(index, value)


async def test_every_value_is_read_as_it_was_meant(database: Database, clock: FixedClock, keys: Keys) -> None:
    await node.install(FOLDER)
    chance = random.Random(20261122)  # noqa: S311 - places, not secrets
    values = {place: chance.randint(1, 3) for place in chance.sample(range(SIZE), SIZE // 40)}
    publisher = StatusPublisher(database, clock, keys.service, Values(values), base_url="https://hufu.example")
    await publisher.publish_changes()
    token = (await publisher.published(7, as_cwt=False)).body.decode()
    places = [0, SIZE - 1, *list(values)[:2000], *chance.sample(range(SIZE), 2000)]
    key = jwks(keys.service, KeyPurpose.STATUS_LIST)["keys"][0]
    read = await node.play(FOLDER, "read.mjs", {"token": token, "key": key, "places": places})
    assert read.pop("values") == [values.get(place, 0) for place in places]
    assert read == {
        "genuine": True,
        "typ": "statuslist+jwt",
        "bits": 2,
        "ttl": 30,
        "subject": "https://hufu.example/status-lists/7",
        "same": True,
    }

"""Answers questions by identifier until it is killed, and prints the audit row each receipt names.

`python -m tests.verification.answering MOMENT`, with HUFU_* in its environment.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from datetime import UTC, datetime

from foundation.audit import Audit
from foundation.cache import Cache
from foundation.clock import FixedClock
from foundation.database import Database
from foundation.encryption import FieldCipher
from foundation.principal import ANONYMOUS
from foundation.settings import load_settings
from keys.assembly import assemble
from tests.verification.records import IDENTIFIER, Record, Records
from verification.assembly import assemble_verification

ASKERS = 16


async def main(at: datetime) -> None:
    """Answer for ever."""
    settings, clock = load_settings(), FixedClock(at)
    database = Database(settings.database_url)
    keys = assemble(settings, database, clock, FieldCipher(settings.field_key_map(), settings.index_key_bytes() or b""))
    await keys.service.load()
    service = assemble_verification(
        settings,
        database,
        clock=clock,
        audit=Audit(clock),
        cache=Cache(settings.redis_url),
        keys=keys,
        licences=Records(Record()),
    ).service

    async def ask() -> None:
        while True:
            payload = (await service.by_identifier(ANONYMOUS, IDENTIFIER)).receipt.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            sys.stdout.write(f"{claims['audit']['number']} {claims['audit']['commitment']}\n")
            sys.stdout.flush()

    await asyncio.gather(*(ask() for _ in range(ASKERS)))


if __name__ == "__main__":
    asyncio.run(main(datetime.fromisoformat(sys.argv[1]).astimezone(UTC)))

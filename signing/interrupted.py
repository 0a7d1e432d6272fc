"""Sealings that a crash or an outage cut short, and previews nobody confirmed."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from foundation.errors import ServiceUnavailable, TrustServiceError
from foundation.jobs import PeriodicJob
from signing.batches import requester_of
from signing.intention_repository import IntentionRepository

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.blobs import BlobStore
    from foundation.clock import Clock
    from foundation.database import Database
    from signing.intention import Intention
    from signing.loaded import LoadedSeals
    from signing.sealing import SealingService
    from signing.seals import SealService

logger = logging.getLogger("hufu.signing")

PATIENCE = timedelta(minutes=2)
"""A sealing takes milliseconds; after so long whoever worked on it is gone."""
AT_ONCE = 200


class Interrupted:
    """Carries on what was confirmed and not finished; clears what was never confirmed."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        blobs: BlobStore,
        seals: SealService,
        loaded: LoadedSeals,
        sealing: SealingService,
    ) -> None:
        """Take the collaborators."""
        self._database = database
        self._clock = clock
        self._blobs = blobs
        self._seals = seals
        self._loaded = loaded
        self._sealing = sealing

    def periodic(self) -> Mapping[str, PeriodicJob]:
        """Return the work that recurs."""
        return {"signing.interrupted": PeriodicJob(self.look, timedelta(minutes=1))}

    async def look(self) -> None:
        """Finish or close every sealing that was left open, and withdraw previews whose time is over."""
        now = self._clock.now()
        async with self._database.read() as connection:
            repository = IntentionRepository(connection)
            left = await repository.left_open(now - PATIENCE, AT_ONCE)
            unconfirmed = await repository.expired(now, AT_ONCE)
        for intention in left:
            await self._carry_on(intention)
        for intention in unconfirmed:
            await self._withdraw(intention)

    async def _carry_on(self, intention: Intention) -> None:
        if intention.prepared_blob is None:
            # Its caller got an error or nothing at all, and no document left: there is nothing to finish.
            async with self._database.transaction() as connection:
                await IntentionRepository(connection).fail(intention.intention_id, "interrupted", self._clock.now())
            return
        principal = requester_of(intention.requested_by, intention.organisation_code, intention.channel)
        try:
            seal = await self._loaded.of_intention(await self._seals.get(intention.seal_id), intention)
            await self._sealing.carry_on(principal, intention, seal)
        except ServiceUnavailable:
            logger.warning("sealing still interrupted", extra={"object_id": intention.intention_id})
        except TrustServiceError as error:
            # Closed with its reason, or finished by somebody else.
            logger.warning("interrupted sealing not finished", extra={"error": type(error).__name__})

    async def _withdraw(self, intention: Intention) -> None:
        async with self._database.transaction() as connection:
            withdrawn = await IntentionRepository(connection).withdraw(intention.intention_id, self._clock.now())
        if withdrawn and intention.prepared_blob is not None:
            await self._blobs.delete(intention.prepared_blob)

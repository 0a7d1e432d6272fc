"""Builds the log, its witnesses, and the witness that this service is for other logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.settings import BadSettings
from verification.log.notes import BadNote, NoteKey
from verification.log.past_seals import PastSeals
from verification.log.places import ReceiptPlaces
from verification.log.service import TransparencyLog
from verification.log.witness import Witness
from verification.log.witnesses import WitnessAddress, Witnesses

if TYPE_CHECKING:
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.outbound import OutboundClient
    from foundation.settings import Settings
    from keys.assembly import Keys


@dataclass(frozen=True, slots=True)
class LogParts:
    """The log and who watches whom."""

    log: TransparencyLog
    witnesses: Witnesses
    witness: Witness
    places: ReceiptPlaces
    past: PastSeals


def assemble_log(
    settings: Settings, database: Database, clock: Clock, keys: Keys, outbound: OutboundClient
) -> LogParts:
    """Join the parts; opens nothing. Raises: BadSettings when a verifier key cannot be read."""
    try:
        addresses = tuple(WitnessAddress.parse(text) for text in settings.log_witnesses)
        watched = tuple(NoteKey.parse(text) for text in settings.witnessed_logs)
    except BadNote as error:
        message = f"HUFU_LOG_WITNESSES or HUFU_WITNESSED_LOGS: {error}"
        raise BadSettings(message) from error
    name = settings.issuer.partition("://")[2]
    log = TransparencyLog(database, clock, keys.service, origin=f"{name}/log")
    trusted = tuple(address.key for address in addresses)
    return LogParts(
        log,
        Witnesses(database, log, outbound, addresses),
        Witness(database, clock, keys.service, name=f"{name}/witness", logs=watched),
        ReceiptPlaces(log, keys.service, trusted),
        PastSeals(database, log, trusted),
    )

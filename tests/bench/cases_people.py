"""People: signing in, the same work for strangers, sessions, mandates and taking accounts over."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import count
from statistics import median
from typing import TYPE_CHECKING

from argon2 import PasswordHasher

from foundation.audit import Audit
from foundation.cache import Cache
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.directory import Directory
from foundation.encryption import FieldCipher
from foundation.notices import Notices
from foundation.principal import SYSTEM, Channel, Principal
from foundation.settings import Settings
from hufu.adapters import VaultMandates
from idp.people.account import DocumentType
from idp.people.account_repository import Accounts, Persons
from idp.people.assembly import People, assemble
from idp.people.errors import MandateRefused, SignInRefused
from idp.people.mandate import Act, Terms
from idp.people.parties import Named
from idp.people.proof import Method, Outcome
from idp.people.proof_repository import Proofs
from idp.people.throttle import ThrottlePolicy
from licence_vault.model import Mandated
from tests.bench.case import Bench, Case
from tests.support.real_name_authority import CITIZENS, Citizen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncConnection

    from tests.bench.case import Operation

PASSWORD = "violet-harbour-27"
MANY = 10**9
OPEN = ThrottlePolicy(
    per_device=MANY, per_stranger=MANY, strangers_per_account=MANY, per_source=MANY, registrations_per_source=MANY
)
ROWS = 10_000


@asynccontextmanager
async def _people(bench: Bench) -> AsyncIterator[tuple[People, Database, SystemClock, FieldCipher]]:
    database, cache, clock = Database(bench.database_url()), Cache(bench.redis_url()), SystemClock()
    cipher = FieldCipher({1: bytes(32)}, bytes(32))
    people = assemble(
        Settings(),
        database=database,
        cache=cache,
        clock=clock,
        audit=Audit(clock),
        cipher=cipher,
        notices=Notices(cipher, clock),
        directory=Directory(database),
        throttle_policy=OPEN,
    )
    try:
        yield people, database, clock, cipher
    finally:
        await people.close()
        await cache.close()
        await database.close()


@asynccontextmanager
async def argon2_alone(bench: Bench) -> AsyncIterator[Operation]:
    """Verify a password with the library alone, in as many threads as the service has: the floor of a sign-in."""
    assert bench is not None
    hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
    stored, loop = hasher.hash(PASSWORD), asyncio.get_running_loop()
    with ThreadPoolExecutor(Settings().password_hash_workers) as threads:

        async def operation() -> int:
            await loop.run_in_executor(threads, hasher.verify, stored, PASSWORD)
            return 1

        yield operation


@asynccontextmanager
async def sign_in(bench: Bench) -> AsyncIterator[Operation]:
    """Sign in with a right password from a known device."""
    async with _people(bench) as (people, *_):
        await people.accounts.register("chenwei", PASSWORD, source="192.0.2.1", channel=Channel.WEB)
        first = await people.sessions.sign_in("chenwei", PASSWORD, source="192.0.2.1", channel=Channel.WEB)

        async def operation() -> int:
            await people.sessions.sign_in(
                "chenwei", PASSWORD, source="192.0.2.1", channel=Channel.WEB, device_secret=first.device_secret
            )
            return 1

        yield operation


@asynccontextmanager
async def same_work(bench: Bench) -> AsyncIterator[Operation]:
    """Refuse a known and an unknown name in turn; their median times may differ by a tenth at most."""
    taken: dict[str, list[float]] = {"chenwei": [], "nobody.at.all": []}
    async with _people(bench) as (people, *_):
        await people.accounts.register("chenwei", PASSWORD, source="192.0.2.1", channel=Channel.WEB)

        async def refuse(name: str) -> None:
            began = time.perf_counter()
            try:
                await people.sessions.sign_in(name, "wrong-password", source="192.0.2.1", channel=Channel.WEB)
            except SignInRefused:
                taken[name].append(time.perf_counter() - began)
                return
            raise AssertionError("a wrong password signed in")

        async def operation() -> int:
            # Whoever goes first in a round may meet a colder cache, so the order alternates.
            for name in sorted(taken, reverse=len(taken["chenwei"]) % 2 == 1):
                await refuse(name)
            return len(taken)

        yield operation
    known, unknown = (median(times) for times in taken.values())
    assert abs(known - unknown) <= 0.1 * max(known, unknown), f"{known:.4f} s known, {unknown:.4f} s unknown"


@asynccontextmanager
async def resolve(bench: Bench) -> AsyncIterator[Operation]:
    """Resolve a session cookie, as every page does."""
    async with _people(bench) as (people, *_):
        await people.accounts.register("chenwei", PASSWORD, source="192.0.2.1", channel=Channel.WEB)
        session = await people.sessions.sign_in("chenwei", PASSWORD, source="192.0.2.1", channel=Channel.WEB)

        async def operation() -> int:
            assert await people.sessions.resolve(session.secret or "") is not None
            return 1

        yield operation


async def _proven(
    people: People, database: Database, clock: SystemClock, cipher: FieldCipher, citizen: Citizen, username: str
) -> Principal:
    """Return a signed-in person at L2; the evidence is written directly, no authority is measured here."""
    account = await people.accounts.register(username, PASSWORD, source="192.0.2.1", channel=Channel.WEB)
    now = clock.now()
    async with database.transaction() as connection:
        persons, proofs = Persons(connection, cipher), Proofs(connection, cipher)
        person_id = await persons.add(DocumentType.ID_CARD, citizen.citizen_id_number, citizen.name, now)
        evidence = await proofs.begin(account.account_id, Method.BANK_CARD, {}, Channel.WEB, now)
        values = {"person_id": person_id, "authority": "bench", "transaction_id": "bench", "verified_at": now}
        await proofs.finish(evidence, Outcome.MATCH, {**values, "expires_at": now.replace(year=now.year + 1)})
        await Accounts(connection, cipher).link(account.account_id, person_id, now)
        await persons.set_level(person_id, "L2", None)
    session = await people.sessions.sign_in(username, PASSWORD, source="192.0.2.1", channel=Channel.WEB)
    return session.principal()


@asynccontextmanager
async def mandate_use(bench: Bench) -> AsyncIterator[Operation]:
    """Use a mandate: counted, recorded, audited and told to the giver."""
    async with _people(bench) as (people, database, clock, cipher):
        giver = await _proven(people, database, clock, cipher, CITIZENS[0], "chenwei")
        agent = await _proven(people, database, clock, cipher, CITIZENS[1], "liming")
        now = clock.now()
        terms = Terms(("*",), ("*",), ("*",), now, now.replace(year=now.year + 1))
        mandate = await people.mandates.propose(giver, Named("liming", CITIZENS[1].name), terms)
        await people.mandates.accept(agent, mandate.mandate_id)

        async def operation() -> int:
            async with database.transaction() as connection:
                await people.mandates.use(connection, agent, mandate.mandate_id, Act("FOOD-1", "food_business"))
            return 1

        yield operation


@asynccontextmanager
async def revoked_mandate(bench: Bench) -> AsyncIterator[Operation]:
    """Revoke a mandate and have its next use refused: one round is the time a revocation takes to hold."""
    async with _people(bench) as (people, database, clock, cipher):
        giver = await _proven(people, database, clock, cipher, CITIZENS[0], "chenwei")
        agent = await _proven(people, database, clock, cipher, CITIZENS[1], "liming")
        now = clock.now()
        terms = Terms(("*",), ("*",), ("*",), now, now.replace(year=now.year + 1))

        async def operation() -> int:
            offered = await people.mandates.propose(giver, Named("liming", CITIZENS[1].name), terms)
            await people.mandates.accept(agent, offered.mandate_id)
            began = time.perf_counter()
            await people.mandates.revoke(giver, offered.mandate_id)
            try:
                async with database.transaction() as connection:
                    await people.mandates.use(connection, agent, offered.mandate_id, Act("FOOD-1"))
            except MandateRefused:
                assert time.perf_counter() - began < 1
                return 1
            raise AssertionError("a revoked mandate was used")

        yield operation


@asynccontextmanager
async def revoked_at_the_vault(bench: Bench) -> AsyncIterator[Operation]:
    """Revoke a mandate and have every question of the vault refused: read, offer, release and collect of a show."""
    async with _people(bench) as (people, database, clock, cipher):
        giver = await _proven(people, database, clock, cipher, CITIZENS[0], "chenwei")
        agent = await _proven(people, database, clock, cipher, CITIZENS[1], "liming")
        now, vault = clock.now(), VaultMandates(people)
        terms = Terms(("*",), ("*",), ("*",), now, now.replace(year=now.year + 1))
        asked, agent_id = Mandated("FOOD-1", "food_business"), agent.person_id or ""

        async def questions(connection: AsyncConnection, mandate_id: str) -> None:
            refused = 0
            for ask in (
                vault.use(connection, agent, mandate_id=mandate_id, agent_id=None, asked=asked),
                vault.check(connection, mandate_id=mandate_id, agent_id=agent_id, asked=None),
                vault.check(connection, mandate_id=mandate_id, agent_id=agent_id, asked=asked),
                vault.use(connection, SYSTEM, mandate_id=mandate_id, agent_id=agent_id, asked=asked),
            ):
                try:
                    await ask
                except MandateRefused:
                    refused += 1
            assert refused == 4, "a revoked mandate opened the vault"

        async def operation() -> int:
            offered = await people.mandates.propose(giver, Named("liming", CITIZENS[1].name), terms)
            await people.mandates.accept(agent, offered.mandate_id)
            began = time.perf_counter()
            await people.mandates.revoke(giver, offered.mandate_id)
            async with database.transaction() as connection:
                await questions(connection, offered.mandate_id)
            assert time.perf_counter() - began < 1
            return 1

        yield operation


@asynccontextmanager
async def account_import(bench: Bench) -> AsyncIterator[Operation]:
    """Take accounts over from a file, mobile encrypted, foreign hash checked."""
    numbers = count()
    async with _people(bench) as (people, *_):

        async def operation() -> int:
            run = next(numbers)
            path = bench.directory / f"accounts-{run}.csv"
            stored = "pbkdf2_sha256$1000$saltsalt$cPDNFKuszNrv5aEAA7E53NnES4/EBUL/LkBIAtJAOnM="
            lines = (f"{n},user{n:09d},{stored},139{n % 10**8:08d}\n" for n in range(run * ROWS, (run + 1) * ROWS))
            path.write_text("source_id,username,password_hash,mobile\n" + "".join(lines))
            done = await people.importing.run(SYSTEM, path, system="bench", rejects=path.with_suffix(".rejected"))
            assert done.inserted == ROWS
            return ROWS

        yield operation


CASES = (
    # More people than threads that hash, as in a rush: alone, a sign-in also waits for its round trips.
    Case("people.argon2_alone", argon2_alone, concurrency=6),
    Case("people.sign_in", sign_in, against="people.argon2_alone", concurrency=6),
    Case("people.argon2_alone, one at a time", argon2_alone),
    Case("people.sign_in, one at a time", sign_in, against="people.argon2_alone, one at a time"),
    Case("people.same_work_for_unknown_names", same_work, against="people.argon2_alone, one at a time", seconds=10),
    Case("people.resolve_session", resolve, concurrency=8),
    Case("people.mandate_use", mandate_use),
    Case("people.mandate_revoked", revoked_mandate),
    Case("people.mandate_revoked_at_the_vault", revoked_at_the_vault),
    Case("people.account_import", account_import, warm_up=1),
)

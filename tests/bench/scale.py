"""A city of many licences, loaded in bulk through the real schema with valid identifiers.

`python -m tests.bench.scale ROWS` loads one on the servers of HUFU_TEST_SERVERS and prints its address;
with that as HUFU_BENCH_SCALE_URL, `make bench ARGS=scale` measures it as often as wanted.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from foundation.settings import Profile, Settings
from hufu.demo_city import MARKET_BUREAU
from hufu.wiring import field_cipher
from licence_vault.identifier import ROOT, LicenceIdentifier
from licence_vault.model import Holder
from licence_vault.repository import REASON_CONTEXT, LicenceRepository
from licence_vault.status_allocation import CAPACITY
from tests.licence_vault.samples import FACES, FOOD, citizen
from tests.support.servers import clone, test_servers
from tests.verification.city import small_city

if TYPE_CHECKING:
    from tests.bench.case import Bench
    from tests.support.servers import TestServers

ROWS = int(os.environ.get("HUFU_BENCH_LICENCES", "1000000"))
URL = os.environ.get("HUFU_BENCH_SCALE_URL", "")
ISSUER, FIRST_YEAR, A_YEAR, HEADS, TAILS = MARKET_BUREAU.credit_code, 2010, 10_000_000, 1000, 10_000
WITHDRAWN_IN_10_000 = 250
CHUNK = 250_000
TABLES = ("licences", "licence_holders", "licence_states")

# Serial numbers are cut in the middle: what a check character owes to each half is looked up, not computed.
LICENCES = """
INSERT INTO licences (licence_id, identifier, type_code, type_version, issuer_code, issuer_name, serial, version,
    licence_number, licence_number_index, face, issued_on, valid_from, valid_to, status_list, status_index,
    state, state_sequence, source, idempotency_key, request_digest, case_number, registered_at)
SELECT 'lic_' || lpad(n::text, 26, '0'),
    $1 || '.' || $2 || '.' || $3 || '.' || head.year || lpad((n % 10000000)::text, 7, '0') || '.001.' || tail.mark,
    $2, 1, $3, $4, head.year || lpad((n % 10000000)::text, 7, '0'), 1,
    $5, sha256(int8send(n)), $6, date '2025-01-01', date '2025-01-01', date '2035-01-01' + (n / $9)::integer % 5,
    $7 + (n / $9)::integer, (n % $9)::integer,
    CASE WHEN withdrawn THEN 'revoked' ELSE 'valid' END, CASE WHEN withdrawn THEN 2 ELSE 1 END,
    'import', 'scale-' || n, sha256(int8send(-n)), '', timestamptz '2025-01-01' + n * interval '1 second'
FROM (SELECT n, abs(hashint8(n)::bigint) % 10000 < $8 AS withdrawn
    FROM generate_series($10::bigint, $11::bigint) n) AS one
JOIN scale_heads head ON head.number = n / 10000
JOIN scale_tails tail ON tail.state = head.state AND tail.number = n % 10000
ORDER BY n
"""
HOLDERS = """
INSERT INTO licence_holders (licence_id, position, name, code_type, code, holder_index)
SELECT 'lic_' || lpad(n::text, 26, '0'), 0, $1, '111', $2, sha256(int8send(n / 5))
FROM generate_series($3::bigint, $4::bigint) n
"""
STATES = """
INSERT INTO licence_states (licence_id, sequence, state, effective_at, recorded_at, reason_code, reason_text,
    legal_basis, recorded_by)
SELECT licence_id, sequence, CASE sequence WHEN 1 THEN 'valid' ELSE 'revoked' END,
    registered_at + (sequence - 1) * interval '1 hour', registered_at + (sequence - 1) * interval '1 hour',
    CASE sequence WHEN 1 THEN 'issued' ELSE 'illegal_act' END, $1, '', 'system:scale'
FROM licences CROSS JOIN generate_series(1, 2) sequence
WHERE licence_id BETWEEN 'lic_' || lpad($2::bigint::text, 26, '0') AND 'lic_' || lpad($3::bigint::text, 26, '0')
    AND sequence <= state_sequence
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A loaded city."""

    settings: Settings
    rows: int

    def identifier(self, number: int) -> str:
        """Return the identifier of the licence with a number."""
        serial = f"{FIRST_YEAR + number // A_YEAR}{number % A_YEAR:07d}"
        return str(LicenceIdentifier(FOOD, ISSUER, serial, 1))


def settings_over(database_url: str, redis_url: str, directory: Path) -> Settings:
    """Return the settings of a loaded city; its keys open with what stands here."""
    return Settings(
        profile=Profile.TEST,
        database_url=database_url,
        redis_url=redis_url,
        data_directory=directory,
        keystore_passphrase="passphrase of the bench",
        field_keys="1:" + "A" * 43 + "=",
        index_key="A" * 43 + "=",
    )


async def loaded(bench: Bench) -> Loaded:
    """Return the city to measure, loading it the first time a run asks."""
    url = URL or bench.servers.database_url(_name(bench.servers, ROWS))
    settings = settings_over(url, bench.redis_url(), bench.directory)
    try:
        connection = await asyncpg.connect(url, timeout=10)
    except asyncpg.InvalidCatalogNameError:
        await asyncio.to_thread(clone, bench.servers, f"scale{ROWS}")
        await load(settings, ROWS)
        return Loaded(settings, ROWS)
    rows = await connection.fetchval("SELECT count(*) FROM licence_holders WHERE position = 0")
    await connection.close()
    return Loaded(settings, int(rows))


def _name(servers: TestServers, rows: int) -> str:
    return servers.template.removesuffix("_template") + f"_scale{rows}"


async def load(settings: Settings, rows: int) -> None:
    """Make a city in an empty migrated database and fill it."""
    async with small_city(settings):
        pass
    connection = await asyncpg.connect(settings.database_url, timeout=10, command_timeout=None)
    try:
        # The keys between these tables hold by construction; checking them row by row takes longer than the rows.
        await connection.execute("SET session_replication_role = replica; SET maintenance_work_mem = '1GB'")
        indexes = await connection.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY($1) AND indexname NOT IN"
            " (SELECT conname FROM pg_constraint)",
            list(TABLES),
        )
        for index in indexes:
            await connection.execute(f'DROP INDEX "{index["indexname"]}"')
        await _fill(connection, settings, rows)
        for index in indexes:
            await connection.execute(index["indexdef"])
        for table in TABLES:
            await connection.execute(f"VACUUM (ANALYZE) {table}")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _fill(connection: asyncpg.Connection[asyncpg.Record], settings: Settings, rows: int) -> None:
    cipher = field_cipher(settings)
    vault = LicenceRepository(None, cipher)  # type: ignore[arg-type] # used for what it encrypts
    fixed = vault.encrypted("JY25001010012345", {"legal_representative": FACES[FOOD]["legal_representative"]})
    holder = vault.holder_rows("", [Holder(FACES[FOOD]["legal_representative"], "111", citizen())])[0]
    first_list = await _lists(connection, rows)
    await _check_tables(connection, rows)
    for start in range(0, rows, CHUNK):
        end = min(start + CHUNK, rows) - 1
        await connection.execute(
            LICENCES,
            *(ROOT, FOOD, ISSUER, MARKET_BUREAU.name, fixed["licence_number"], fixed["face"]),
            *(first_list, WITHDRAWN_IN_10_000, CAPACITY, start, end),
        )
        await connection.execute(HOLDERS, holder["name"], holder["code"], start, end)
        await connection.execute(STATES, cipher.encrypt("", REASON_CONTEXT), start, end)
        print(f"{end + 1:,} licences", file=sys.stderr, flush=True)


async def _lists(connection: asyncpg.Connection[asyncpg.Record], rows: int) -> int:
    """Open full status lists for so many licences and return the first of them."""
    statement = """
    INSERT INTO licence_status_lists (issuer_code, epoch, capacity, allocated, seed, created_at)
    SELECT $1, 'long', $2, $2, sha256(int4send(n)), now() FROM generate_series(1, $3) n RETURNING status_list
    """
    made = await connection.fetch(statement, ISSUER, CAPACITY, -(-rows // CAPACITY))
    return min(int(row["status_list"]) for row in made)


async def _check_tables(connection: asyncpg.Connection[asyncpg.Record], rows: int) -> None:
    """Write what the halves of a serial number do to a check character."""
    heads = []
    for number in range(-(-rows // TAILS)):
        serial = f"{FIRST_YEAR + number // HEADS}{number % HEADS:03d}"
        heads.append((number, serial[:4], state_after(36, FOOD + ISSUER + serial)))
    tails = [
        (state, number, mark(state_after(state, f"{number:04d}001")))
        for state in range(1, 37)
        for number in range(TAILS)
    ]
    await connection.execute("CREATE TEMP TABLE scale_heads (number bigint PRIMARY KEY, year text, state integer)")
    await connection.execute(
        "CREATE TEMP TABLE scale_tails (state integer, number bigint, mark text, PRIMARY KEY (state, number))"
    )
    await connection.copy_records_to_table("scale_heads", records=heads)
    await connection.copy_records_to_table("scale_tails", records=tails)
    await connection.execute("ANALYZE scale_heads; ANALYZE scale_tails")


def state_after(state: int, payload: str) -> int:
    """Return the running product of ISO/IEC 7064 MOD 37,36 after some more characters."""
    for character in payload:
        total = (state + int(character, 36)) % 36 or 36
        state = total * 2 % 37
    return state


def mark(state: int) -> str:
    """Return the check character that ends such a product."""
    return "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(37 - state) % 36]


async def _create(servers: TestServers, name: str) -> None:
    connection = await asyncpg.connect(servers.admin_url, timeout=10)
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{servers.template}"')
    finally:
        await connection.close()


def main(rows: int) -> None:
    """Load on the kept servers, in a database that outlives this run."""
    began, name = time.monotonic(), f"hufu_scale_{rows}"
    with test_servers() as servers, tempfile.TemporaryDirectory() as directory:
        asyncio.run(_create(servers, name))
        settings = settings_over(servers.database_url(name), servers.redis_url, Path(directory))
        asyncio.run(load(settings, rows))
    print(settings.database_url, f"{time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""The services of people over real servers and the sandbox authority."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from foundation.directory import Directory, District, Matter, Organisation
from foundation.identity_numbers import complete_credit_code
from foundation.notices import Notices
from foundation.principal import ANONYMOUS, SYSTEM, Channel
from idp.people import totp
from idp.people.assembly import People, assemble
from idp.people.passwords import Passwords
from idp.people.throttle import ThrottlePolicy
from tests.support.real_name_authority import CITIZENS, Citizen, SandboxAuthority, population
from tests.support.sms_gateway import SandboxSmsGateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from foundation.audit import Audit
    from foundation.cache import Cache
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from foundation.settings import Settings
    from idp.people.officer import Officer
    from idp.people.session import Session

GATEWAY_KEY = bytes(range(64, 96))
PASSWORD = "violet-harbour-27"
BUREAU = complete_credit_code("1150010100000001")
OTHER_BUREAU = complete_credit_code("1150010200000002")
DISTRICT, OTHER_DISTRICT = "500101", "500102"
MATTER, OTHER_MATTER = "500101-FOOD", "500102-RESIDENCE"
CHEN_WEI: Citizen = CITIZENS[0]


@dataclass
class RecordingObserver:
    """Keeps which sessions it was told of."""

    ended: list[str]

    async def sessions_ended(self, connection: object, session_ids: tuple[str, ...]) -> None:
        assert connection is not None
        self.ended.extend(session_ids)

    async def subject_ended(self, connection: object, subject_id: str) -> None:
        assert connection is not None
        self.ended.append(subject_id)


@pytest.fixture
def authority(clock: FixedClock) -> Iterator[SandboxAuthority]:
    server = SandboxAuthority(GATEWAY_KEY, clock, people=(*CITIZENS, *population(40))).start()
    yield server
    server.stop()


@pytest.fixture
def sms() -> Iterator[SandboxSmsGateway]:
    server = SandboxSmsGateway(GATEWAY_KEY).start()
    yield server
    server.stop()


@pytest.fixture
def gateway_settings(settings: Settings, authority: SandboxAuthority, sms: SandboxSmsGateway) -> Settings:
    return settings.model_copy(
        update={
            "real_name_gateway_url": authority.url,
            "real_name_gateway_key": type(settings.index_key)(base64.b64encode(GATEWAY_KEY).decode()),
            "sms_gateway_url": sms.url,
            "sms_gateway_key": type(settings.index_key)(base64.b64encode(GATEWAY_KEY).decode()),
        }
    )


@pytest.fixture
def observer() -> RecordingObserver:
    return RecordingObserver([])


@pytest.fixture
def directory(database: Database) -> Directory:
    return Directory(database)


@pytest.fixture
def notices(cipher: FieldCipher, clock: FixedClock) -> Notices:
    return Notices(cipher, clock)


@pytest.fixture
async def people(
    gateway_settings: Settings,
    database: Database,
    cache: Cache,
    clock: FixedClock,
    audit: Audit,
    cipher: FieldCipher,
    notices: Notices,
    directory: Directory,
    observer: RecordingObserver,
) -> AsyncIterator[People]:
    async with database.transaction() as connection:
        for code in (DISTRICT, OTHER_DISTRICT):
            await directory.add_district(connection, District(code, f"演示{code}区"))
        await directory.add_organisation(connection, Organisation(BUREAU, "演示市市场监督管理局", DISTRICT, "city"))
        await directory.add_organisation(connection, Organisation(OTHER_BUREAU, "演示市公安局", OTHER_DISTRICT, "city"))
        await directory.add_matter(connection, Matter(MATTER, "食品经营许可（新办）", BUREAU))
        await directory.add_matter(connection, Matter(OTHER_MATTER, "居住证办理", OTHER_BUREAU))
    services = assemble(
        gateway_settings,
        database=database,
        cache=cache,
        clock=clock,
        audit=audit,
        cipher=cipher,
        notices=notices,
        directory=directory,
        observers=(observer,),
        throttle_policy=ThrottlePolicy(
            per_device=5, per_stranger=5, strangers_per_account=5, per_source=60, registrations_per_source=60
        ),
        answer_seconds=0.5,
        passwords=Passwords(workers=2, time_cost=1, memory_kib=1024),
    )
    yield services
    await services.close()


@pytest.fixture
def join(people: People, sms: SandboxSmsGateway) -> Join:
    return Join(people, sms)


@dataclass
class Join:
    """Short ways to get people signed in."""

    people: People
    sms: SandboxSmsGateway
    serial: int = 0
    channel: Channel = Channel.WEB

    async def code(self, purpose: str, mobile: str, *, principal: Principal = ANONYMOUS) -> tuple[str, str]:
        """Ask for a code, let the worker's handler deliver it, and read it at the gateway."""
        services = self.people.mobile_codes
        code_id = await services.send(purpose, mobile, source="192.0.2.1", principal=principal)
        await services.deliver({"code_id": code_id})
        return code_id, self.sms.code_for(mobile) if any(m["mobile"] == mobile for m in self.sms.messages) else ""

    async def citizen(self, username: str = "chenwei") -> Session:
        """Register and sign in."""
        await self.people.accounts.register(username, PASSWORD, source="192.0.2.1", channel=self.channel)
        return await self.sign_in(username)

    async def sign_in(self, username: str, password: str = PASSWORD, *, device: str | None = None) -> Session:
        return await self.people.sessions.sign_in(
            username, password, source="192.0.2.1", channel=self.channel, device_secret=device
        )

    async def proven(self, citizen: Citizen = CHEN_WEI, username: str = "chenwei") -> Session:
        """Register, sign in and prove by bank card; return the session as it is afterwards."""
        session = await self.citizen(username)
        await self.people.real_name.prove(session.principal(), "bank_card", citizen.elements("bank_card"))
        return await self.again(session)

    async def again(self, session: Session) -> Session:
        """Return the session as its cookie resolves now."""
        assert session.secret is not None
        resolved = await self.people.sessions.resolve(session.secret)
        assert resolved is not None
        return replace(resolved, secret=session.secret, device_secret=session.device_secret)

    async def officer(self, username: str = "officer.li", *, organisation: str = BUREAU) -> tuple[Officer, bytes]:
        """Appoint an officer; return it and its TOTP secret."""
        self.serial += 1
        secret = bytes([self.serial]) * totp.SECRET_BYTES
        added = await self.people.officers.add(
            SYSTEM,
            username=username,
            password=PASSWORD,
            name="李科员",
            organisation_code=organisation,
            district_code=DISTRICT,
            post="窗口",
            totp_secret_base32=totp.secret_base32(secret),
        )
        return added.officer, secret

    async def officer_principal(self, username: str, secret: bytes, clock: FixedClock) -> Principal:
        """Sign an officer in with both factors."""
        pending = await self.sign_in(username)
        code = totp.code_at(secret, totp.step_of(clock.now()))
        return (await self.people.sessions.second_factor(pending, code)).principal()

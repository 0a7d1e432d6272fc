"""Building the services of people from their collaborators."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from foundation.jobs import PeriodicJob
from idp.people.accounts import AccountService, PersonService
from idp.people.assisted import AssistedMandates
from idp.people.certificate_anchors import CertificateAnchors
from idp.people.certificates import CertificateService
from idp.people.conflicts import ConflictService
from idp.people.counter import CounterService
from idp.people.duplicates import DuplicateService
from idp.people.gateway import ANSWER_SECONDS, RealNameGateway
from idp.people.importing import AccountImport
from idp.people.legal_persons import LegalPersonService
from idp.people.level_policy import level_policy, with_vouching
from idp.people.mandates import MandateService
from idp.people.mobile_codes import MobileCodeService
from idp.people.officers import OfficerService
from idp.people.own_data import OwnData
from idp.people.passkeys import PasskeyService
from idp.people.passwords import Passwords
from idp.people.qr_sign_in import QrSignIn
from idp.people.real_name import RealNameService
from idp.people.recovery import RecoveryService
from idp.people.second_factors import SecondFactorService
from idp.people.sessions import SessionService
from idp.people.sms import SmsGateway
from idp.people.throttle import Throttle, ThrottlePolicy
from idp.people.tools import Tools
from idp.people.upkeep import Upkeep
from idp.people.vouching import VouchedEvidence
from idp.people.workstations import WorkstationService

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

    from foundation.audit import Audit
    from foundation.cache import Cache
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.directory import Directory
    from foundation.encryption import FieldCipher
    from foundation.jobs import JobHandler
    from foundation.notices import Notices
    from foundation.settings import Settings
    from idp.people.proof import LevelPolicy
    from idp.ports import SessionObserver


@dataclass(frozen=True, slots=True)
class People:
    """Every service of people; `close` ends its threads and connections."""

    accounts: AccountService
    persons: PersonService
    sessions: SessionService
    second_factors: SecondFactorService
    real_name: RealNameService
    officers: OfficerService
    counter: CounterService
    workstations: WorkstationService
    upkeep: Upkeep
    mandates: MandateService
    assisted: AssistedMandates
    legal_persons: LegalPersonService
    mobile_codes: MobileCodeService
    recovery: RecoveryService
    passkeys: PasskeyService
    qr_sign_in: QrSignIn
    certificates: CertificateService
    own_data: OwnData
    importing: AccountImport
    conflicts: ConflictService
    duplicates: DuplicateService
    sms: SmsGateway
    gateway: RealNameGateway
    passwords: Passwords
    vouching: VouchedEvidence
    policy: LevelPolicy

    async def close(self) -> None:
        """Close the gateway's connections and the hashing threads."""
        await self.gateway.close()
        await self.sms.close()
        self.passwords.close()

    def job_handlers(self) -> Mapping[str, JobHandler]:
        """Return what a worker runs when it is queued."""
        return self.mobile_codes.job_handlers()

    def periodic_jobs(self) -> Mapping[str, PeriodicJob]:
        """Return what a worker repeats."""

        async def recheck() -> None:
            await self.certificates.recheck(self.upkeep)

        async def end_posts() -> None:
            await self.officers.end_run_out()

        again = {
            "people.recheck_certificates": PeriodicJob(recheck, timedelta(minutes=10)),
            "people.end_posts": PeriodicJob(end_posts, timedelta(seconds=30)),
        }
        return {**self.upkeep.periodic_jobs(), **again}


def assemble(
    settings: Settings,
    *,
    database: Database,
    cache: Cache,
    clock: Clock,
    audit: Audit,
    cipher: FieldCipher,
    notices: Notices,
    directory: Directory,
    observers: tuple[SessionObserver, ...] = (),
    policy: LevelPolicy | None = None,
    throttle_policy: ThrottlePolicy | None = None,
    answer_seconds: float = ANSWER_SECONDS,
    passwords: Passwords | None = None,
) -> People:
    """Build the services; nothing is opened before first use.

    `policy` is read from the settings unless it is given. `observers` are told of ended sessions,
    in the ending transaction; the settings give the gateway's address and key, the number of
    hashing threads and the name authenticator apps show. Raises: BadSettings.
    """
    policy = policy or with_vouching(level_policy(settings.level_policy), settings.upstream_providers)
    passwords = passwords or Passwords(workers=settings.password_hash_workers)
    tools = Tools(
        database=database,
        clock=clock,
        audit=audit,
        cipher=cipher,
        notices=notices,
        passwords=passwords,
        throttle=Throttle(cache, cipher, throttle_policy),
        policy=policy,
        observers=observers,
    )
    key = _key(settings.real_name_gateway_key)
    gateway = RealNameGateway(settings.real_name_gateway_url, key, clock, answer_seconds=answer_seconds)
    name = f"虎符 {settings.city_name}"
    second_factors = SecondFactorService(tools, name)
    officers = OfficerService(tools, directory, second_factors)
    real_name = RealNameService(tools, gateway)
    sessions = SessionService(tools, second_factors)
    legal_persons = LegalPersonService(tools, gateway)
    sms = SmsGateway(settings.sms_gateway_url, _key(settings.sms_gateway_key), clock)
    mobile_codes = MobileCodeService(tools, sessions, sms)
    return People(
        accounts=AccountService(tools),
        persons=PersonService(tools),
        sessions=sessions,
        second_factors=second_factors,
        real_name=real_name,
        officers=officers,
        counter=CounterService(tools, directory, officers),
        workstations=WorkstationService(tools, directory),
        upkeep=Upkeep(tools, real_name),
        mandates=MandateService(tools, legal_persons),
        assisted=AssistedMandates(tools, officers),
        legal_persons=legal_persons,
        mobile_codes=mobile_codes,
        recovery=RecoveryService(tools, gateway, mobile_codes),
        passkeys=PasskeyService(tools, sessions, cache, issuer=settings.issuer, name=name),
        qr_sign_in=QrSignIn(tools, sessions, cache),
        certificates=CertificateService(
            tools, sessions, cache, CertificateAnchors(settings.person_anchors), issuer=settings.issuer
        ),
        own_data=OwnData(tools, mobile_codes),
        importing=AccountImport(tools),
        conflicts=ConflictService(tools, officers),
        duplicates=DuplicateService(tools),
        sms=sms,
        gateway=gateway,
        passwords=passwords,
        vouching=VouchedEvidence(tools),
        policy=policy,
    )


def _key(setting: SecretStr) -> bytes:
    return base64.b64decode(setting.get_secret_value())

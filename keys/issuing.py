"""The CA's work: certificates and revocation lists, made where the CA keys are."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from foundation.audit import AuditEvent
from foundation.errors import InvalidInput
from keys.certificate_repository import CertificateRecord, CertificateRepository
from keys.certificates import (
    PRESENTATION_NAME,
    PROFILES,
    TSA_NAME,
    Issuer,
    IssuerFacts,
    build_certificate,
    common_name,
    der_of,
    ocsp_name,
    organisation_subject,
    person_subject,
    serial_text,
)
from keys.dual_control import Act, DualControl
from keys.errors import CertificateNotFound, IntentionMissing, KeyNotUsable, WrongPurpose
from keys.model import LISTING_STATES, KeyPurpose, KeyState
from keys.repository import KeyRepository
from keys.revocation import ListTimes, Revocation, build_crl
from keys.signer.port import SubjectFacts

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from keys.certificates import Addresses, CertificateProfile
    from keys.keyring import KeyRing
    from keys.lifecycle import Lifecycle
    from keys.model import KeyInfo
    from keys.ports import SealIntentions
    from keys.register import Register

ISSUER_OF = {
    "seal": Issuer.SEALS,
    "person": Issuer.PERSONS,
    "officer": Issuer.PERSONS,
    "tsa": Issuer.INFRASTRUCTURE,
    "receipt": Issuer.INFRASTRUCTURE,
    "presentation": Issuer.INFRASTRUCTURE,
    "tls_client": Issuer.INFRASTRUCTURE,
}
PURPOSE_OF = {
    "seal": KeyPurpose.SEAL,
    "person": KeyPurpose.PERSON,
    "officer": KeyPurpose.PERSON,
    "tsa": KeyPurpose.TSA,
    "ocsp": KeyPurpose.OCSP,
    "receipt": KeyPurpose.RECEIPT,
    "presentation": KeyPurpose.PRESENTATION,
}
SIGNING_STATES = LISTING_STATES | {KeyState.PENDING}
LIST_LIFETIME = timedelta(hours=24)
DELTA_LIFETIME, DELTA_RENEWAL = timedelta(hours=6), timedelta(hours=1)
FULL_LIST_AT_ONCE = 20_000
"""Up to so many entries a revocation makes a new full list; beyond, a delta, and a full list at the next turn."""
COMMIT_SKEW = timedelta(minutes=2)
"""Transactions commit in another order than their dates; a delta reaches back this far before its base."""
LIST_RENEWAL = timedelta(hours=6)
"""A list is made anew once it is this old, so that a holder of the last one always has most of a day."""


def subject_name(subject: SubjectFacts, city: str) -> x509.Name:
    """Return the distinguished name of a profile's subject; raises InvalidInput."""
    match subject.profile:
        case "seal" | "tls_client":
            return organisation_subject(subject.organisation_name, subject.credit_code, subject.name)
        case "person":
            return person_subject(subject.name, subject.subject_id)
        case "officer":
            return person_subject(
                subject.name,
                subject.subject_id,
                organisation_name=subject.organisation_name,
                credit_code=subject.credit_code,
            )
        case "tsa" | "ocsp" | "receipt" | "presentation":
            return common_name("CN", city, subject.name)
        case _:
            raise InvalidInput("There is no such certificate profile.", field="profile")


class CertificateIssuer:
    """Signs certificates and lists with the CA keys of this process."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        ring: KeyRing,
        register: Register,
        lifecycle: Lifecycle,
        addresses: Addresses,
        city: str,
        intentions: SealIntentions | None,
    ) -> None:
        """Join the parts."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._cipher = cipher
        self._ring = ring
        self._register = register
        self._lifecycle = lifecycle
        self._addresses = addresses
        self._city = city
        self._intentions = intentions
        self._control = DualControl(clock, audit)
        self._turns: dict[Issuer, asyncio.Lock] = {}
        self._waiting: dict[Issuer, asyncio.Task[bytes]] = {}

    def certificates(self, connection: AsyncConnection) -> CertificateRepository:
        """Return the repository on a connection."""
        return CertificateRepository(connection, self._cipher)

    def facts(self, issuer: Issuer) -> IssuerFacts:
        """Return a CA ready to sign; raises KeyNotFound, KeyNotUsable (the root is offline).

        One that waits for its start makes its first list and its responder's certificate; one that
        was replaced goes on with its lists and its responder.
        """
        key = self._register.authority(issuer)
        if key.info.state not in SIGNING_STATES or not key.info.certificate_chain_der:
            raise KeyNotUsable(f"The CA {issuer} is {key.info.state}.")
        certificate = x509.load_der_x509_certificate(key.info.certificate_chain_der[0])
        return IssuerFacts(issuer, certificate, self._ring.open(key).certificate_signer())

    def _lists(self, issuer: Issuer) -> bool:
        """Tell whether this process makes a CA's lists: not the root's, and none of a CA that has ended."""
        key = self._register.authority(issuer)
        return issuer != Issuer.ROOT and key.info.state in SIGNING_STATES and bool(key.info.certificate_chain_der)

    async def certify(self, principal: Principal, key_id: str, subject: SubjectFacts) -> KeyInfo:
        """Issue for a pending key and activate it, or renew an active key's certificate."""
        profile = PROFILES.get(subject.profile)
        if profile is None or subject.profile not in PURPOSE_OF:
            raise InvalidInput("Keys of ours get no such certificate.", field="profile")
        name = subject_name(subject, self._city)
        facts = await self._facts_for(subject)
        async with self._database.transaction() as connection:
            repository = KeyRepository(connection)
            info = (await repository.get(key_id)).info
            if info.purpose is not PURPOSE_OF.get(subject.profile):
                raise WrongPurpose(f"A {info.purpose} key gets no {subject.profile} certificate.")
            if info.state not in (KeyState.PENDING, KeyState.ACTIVE):
                raise KeyNotUsable(f"Key {key_id} is {info.state}.")
            if info.purpose is KeyPurpose.SEAL:
                await self._require_approval(connection, info.owner, subject)
            certificate = self._build(profile, facts, name, info.public_key_der)
            await self._store(connection, principal, facts.issuer, certificate, subject, key_id)
            chain = (der_of(certificate), *self._upper(facts))
            # A person's certificate carries a name, so only the encrypted column of `certificates` has it.
            await repository.set_chain(info, chain[1:] if info.purpose is KeyPurpose.PERSON else chain)
            if info.state is KeyState.PENDING:
                info = await self._lifecycle.activate_within(connection, principal, key_id)
        await self._register.refresh(force=True)
        return with_chain(info, chain)

    async def _require_approval(self, connection: AsyncConnection, seal_id: str, subject: SubjectFacts) -> None:
        """Look at the stored approval: whoever asks for the certificate of a seal nobody approved gets none."""
        approved = self._intentions is not None and await self._intentions.approves_certificate(
            connection,
            seal_id=seal_id,
            credit_code=subject.credit_code,
            organisation_name=subject.organisation_name,
            seal_name=subject.name,
        )
        if not approved:
            raise IntentionMissing("No approved seal has this name and organisation.")

    async def certify_request(self, principal: Principal, csr_der: bytes, subject: SubjectFacts) -> bytes:
        """Issue for the public key of a PKCS #10 request whose signature proves possession.

        The key is a stranger's to us, so another operator has asked for it (`Act.CERTIFY_CLIENT`).
        """
        if subject.profile != "tls_client":
            raise InvalidInput("Only TLS clients bring keys of their own.", field="profile")
        try:
            request = x509.load_der_x509_csr(csr_der)
            proven = request.is_signature_valid
            public_key = request.public_key()
        except ValueError as error:
            raise InvalidInput("This is not a certificate request.", field="csr") from error
        if not proven:
            raise InvalidInput("The request is not signed by its own key.", field="csr")
        public_key_der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        profile, name = PROFILES[subject.profile], subject_name(subject, self._city)
        facts = await self._facts_for(subject)
        certificate = self._build(profile, facts, name, public_key_der)
        async with self._database.transaction() as connection:
            await self._control.spend(connection, principal, Act.CERTIFY_CLIENT, subject.subject_id)
            await self._store(connection, principal, facts.issuer, certificate, subject, None)
        return der_of(certificate)

    async def _facts_for(self, subject: SubjectFacts) -> IssuerFacts:
        """Return who certifies: the CA itself for its responder, else the newest of the profile's role."""
        # A CA may have followed another a moment ago.
        await self._register.refresh(force=True)
        if subject.profile == "ocsp":
            return self.facts(Issuer(subject.subject_id))
        return self.facts(self._register.current(ISSUER_OF[subject.profile]))

    def _build(
        self, profile: CertificateProfile, facts: IssuerFacts, name: x509.Name, public_key_der: bytes
    ) -> x509.Certificate:
        return build_certificate(
            profile,
            facts,
            subject=name,
            public_key_der=public_key_der,
            now=self._clock.now(),
            addresses=self._addresses,
        )

    @staticmethod
    def _upper(facts: IssuerFacts) -> tuple[bytes, ...]:
        return () if facts.issuer == Issuer.ROOT or facts.certificate is None else (der_of(facts.certificate),)

    async def _store(
        self,
        connection: AsyncConnection,
        principal: Principal,
        issuer: Issuer,
        certificate: x509.Certificate,
        subject: SubjectFacts,
        key_id: str | None,
    ) -> None:
        await self.certificates(connection).add(
            issuer,
            certificate,
            profile=subject.profile,
            key_id=key_id,
            subject_id=subject.subject_id,
            issued_at=self._clock.now(),
        )
        detail = {"issuer": issuer, "profile": subject.profile, "subject_id": subject.subject_id, "key_id": key_id}
        event = AuditEvent("keys.certify", "certificate", serial_text(certificate), detail)
        await self._audit.record(connection, principal, event)

    async def revoke(self, principal: Principal, revocation: Revocation) -> CertificateRecord:
        """Revoke one certificate; the list follows in a transaction of its own."""
        async with self._database.transaction() as connection:
            certificates = self.certificates(connection)
            issuer = await certificates.issuer_of(revocation.serial)
            record = await certificates.revoke(issuer, revocation)
            await self._record_revocation(connection, principal, record)
        await self.publish_revocation(issuer)
        return record

    async def revoke_all_of(self, principal: Principal, key_id: str, revocation: Revocation) -> None:
        """Revoke every certificate of a key; `revocation` gives date and reason."""
        issuers = set()
        async with self._database.transaction() as connection:
            certificates = self.certificates(connection)
            for record in await certificates.search(key_id=key_id):
                if record.revocation is None:
                    one = Revocation(record.serial, revocation.revoked_at, revocation.reason, revocation.invalid_from)
                    await self._record_revocation(connection, principal, await certificates.revoke(record.issuer, one))
                    issuers.add(record.issuer)
        for issuer in sorted(issuers):
            await self.publish_revocation(issuer)

    async def _record_revocation(
        self, connection: AsyncConnection, principal: Principal, record: CertificateRecord
    ) -> None:
        detail = {"issuer": record.issuer, "key_id": record.key_id}
        if record.revocation is not None:
            detail["reason"] = record.revocation.reason
        event = AuditEvent("keys.revoke", "certificate", f"{record.serial:x}", detail)
        await self._audit.record(connection, principal, event)

    async def publish(self, issuer: Issuer) -> bytes:
        """Sign and store a new full list that has every revocation committed before this call.

        Calls that come while one list is being made share the next one, so that a
        thousand revocations at once make a few lists and not a thousand.
        """
        waiting = self._waiting.get(issuer)
        if waiting is None:
            waiting = asyncio.get_running_loop().create_task(self._publish_in_turn(issuer))
            self._waiting[issuer] = waiting
        return await asyncio.shield(waiting)

    async def _publish_in_turn(self, issuer: Issuer) -> bytes:
        async with self._turns.setdefault(issuer, asyncio.Lock()):
            self._waiting.pop(issuer, None)
            return await self._publish(issuer, delta=False)

    async def _publish(self, issuer: Issuer, *, delta: bool) -> bytes:
        await self._register.refresh()
        facts = self.facts(issuer)
        async with self._database.transaction() as connection:
            certificates = self.certificates(connection)
            await certificates.hold_list_lock(issuer)
            number, now, base = await certificates.next_list_number(issuer), self._clock.now(), None
            if delta and (newest := await certificates.newest_list(issuer)) is not None:
                base = newest[0]
            since = None if base is None else base.this_update - COMMIT_SKEW
            revoked = await certificates.revoked(issuer, unexpired_at=now, since=since)
            lifetime = LIST_LIFETIME if base is None else DELTA_LIFETIME
            times = ListTimes(number, now, now + lifetime, None if base is None else base.number)
            # Long lists take a while to encode, and a device a while to sign.
            crl_der = await asyncio.to_thread(build_crl, facts, revoked, times)
            await certificates.add_list(issuer, times, crl_der)
        return crl_der

    async def crl(self, issuer: Issuer) -> bytes:
        """Return the newest list, making a new one when it has aged; the root's comes from a ceremony."""
        await self._register.refresh()
        lists = self._lists(issuer)
        async with self._database.read() as connection:
            newest = await self.certificates(connection).newest_list(issuer)
        if newest is not None and (not lists or self._clock.now() < newest[0].this_update + LIST_RENEWAL):
            return newest[1]
        return await self.publish(issuer)

    async def keep(self, issuer: Issuer) -> None:
        """Make the lists that are due, also a full one for what so far stands in a delta only."""
        async with self._database.read() as connection:
            certificates = self.certificates(connection)
            full, latest = await certificates.newest_list(issuer), await certificates.latest_revocation(issuer)
        if full is not None and latest is not None and latest > full[0].this_update:
            await self.publish(issuer)
        await self.crl(issuer)
        await self.delta_crl(issuer)

    async def delta_crl(self, issuer: Issuer) -> bytes:
        """Return a delta to the newest full list, made anew when it has aged or has another base.

        Raises: CertificateNotFound for a CA that makes no lists.
        """
        await self._register.refresh()
        if not self._lists(issuer):
            raise CertificateNotFound("This CA publishes no delta lists.")
        async with self._database.read() as connection:
            certificates = self.certificates(connection)
            full, newest = await certificates.newest_list(issuer), await certificates.newest_list(issuer, delta=True)
        fits = full is not None and newest is not None and newest[0].base_number == full[0].number
        if newest is not None and fits and self._clock.now() < newest[0].this_update + DELTA_RENEWAL:
            return newest[1]
        if full is None:
            await self.publish(issuer)
        async with self._turns.setdefault(issuer, asyncio.Lock()):
            return await self._publish(issuer, delta=True)

    async def publish_revocation(self, issuer: Issuer) -> None:
        """Make a revocation known at once: by a full list, or by a delta where full lists are long.

        The root's list is signed where its key is, with `hufu keys root-list`.
        """
        await self._register.refresh()
        if not self._lists(issuer):
            return
        async with self._database.read() as connection:
            count = await self.certificates(connection).count_revoked(issuer)
        if count <= FULL_LIST_AT_ONCE:
            await self.publish(issuer)
        else:
            async with self._turns.setdefault(issuer, asyncio.Lock()):
                await self._publish(issuer, delta=True)

    async def spent(self, issuer: Issuer) -> bool:
        """Tell whether nothing a CA certified is still in its time, its own responder apart."""
        async with self._database.read() as connection:
            last = await self.certificates(connection).last_end(issuer)
        return last is None or last < self._clock.now()


def service_subject(info: KeyInfo) -> SubjectFacts:
    """Return whom the certificate of a TSA, OCSP or presentation key names."""
    if info.purpose is KeyPurpose.TSA:
        return SubjectFacts("tsa", "tsa", TSA_NAME)
    if info.purpose is KeyPurpose.PRESENTATION:
        return SubjectFacts("presentation", "presentation", PRESENTATION_NAME)
    return SubjectFacts("ocsp", info.owner, ocsp_name(Issuer(info.owner)))


def with_chain(info: KeyInfo, chain: tuple[bytes, ...]) -> KeyInfo:
    """Return the facts of a key with another chain."""
    return replace(info, certificate_chain_der=chain)

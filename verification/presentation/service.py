"""Use cases of presentations: ask a wallet, take its answer once, tell whoever asked, forget.

A transaction belongs to the system or the officer that started it. Two secrets keep it: the wallet's (handle,
nonce, state, a key of its own) and the asker's token, with a response code besides when the wallet leads
its owner back to the asker's page. An answer is taken by one UPDATE, before it is judged.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from foundation.audit import AuditEvent
from foundation.errors import Conflict, InvalidInput, NotFound, NotPermitted, ServiceUnavailable, TooManyRequests
from foundation.ids import new_id, new_secret
from foundation.jobs import PeriodicJob
from foundation.principal import Channel, Principal, PrincipalKind
from keys.errors import KeyNotFound
from keys.jws import sign_jws
from keys.model import KeyPurpose
from verification.presentation.credential import Expectation
from verification.presentation.dcql import read_query, require_permitted
from verification.presentation.judge import Trusted, judge_answer
from verification.presentation.register import permitted
from verification.presentation.repository import State, Transaction, Transactions
from verification.presentation.request_object import (
    ENCRYPTED,
    PLAIN,
    TYPE,
    Secrets,
    check_wallet,
    client_id,
    open_response,
    request_claims,
    wallet_link,
)
from verification.presentation.sd_jwt import MalformedSdJwt
from verification.presentation.statuses import CredentialStatuses
from verification.revocation import RevocationLists

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.directory import Directory
    from foundation.encryption import FieldCipher
    from foundation.outbound import OutboundClient
    from keys.service import KeyService
    from verification.presentation.dcql import Query
    from verification.presentation.register import Permission, PresentationRegister
    from verification.presentation.repository import Claimed
    from verification.service import VerificationService
    from verification.trust import TrustSource

LIFETIME = timedelta(minutes=5)
KEPT = timedelta(minutes=10)
PURGE_EVERY = timedelta(minutes=1)
FETCHES = 5
"""A wallet may ask again when its connection broke."""
OPEN_TRANSACTIONS = 200
MAXIMUM_PURPOSE = 200
GONE = "This request is not known, is over, or was answered."


@dataclass(frozen=True, slots=True)
class PresentationRequest:
    """What somebody asks a wallet for.

    `query` is a DCQL query. `return_uri` is set when the wallet is on the same device and leads its owner back.
    """

    query: object
    purpose: str
    response_mode: str = ENCRYPTED
    return_uri: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """A transaction that waits for a wallet; `wallet_link` is the text of the QR code."""

    transaction: Transaction
    request_uri: str
    wallet_link: str


@dataclass(frozen=True, slots=True)
class Collected:
    """The verdict, its receipt, and what was asked for when it is VALID; handed out once."""

    report: Mapping[str, Any]
    receipt: str
    receipt_id: str
    credentials: tuple[Mapping[str, Any], ...] = field(repr=False)


class PresentationService:
    """OpenID4VP 1.0 as a verifier."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        directory: Directory,
        keys: KeyService,
        trust: TrustSource,
        outbound: OutboundClient,
        verification: VerificationService,
        register: PresentationRegister,
        issuer: str,
    ) -> None:
        """Take the collaborators; nothing is opened."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._cipher = cipher
        self._directory = directory
        self._keys = keys
        self._trust = trust
        self._lists = RevocationLists(outbound)
        self._statuses = CredentialStatuses(outbound, self._lists)
        self._verification = verification
        self._register = register
        self._issuer = issuer

    def periodic_jobs(self) -> Mapping[str, PeriodicJob]:
        """Return what a worker repeats."""
        return {"verification.presentations": PeriodicJob(self.purge, PURGE_EVERY)}

    async def start(self, principal: Principal, request: PresentationRequest) -> Started:
        """Start a transaction.

        Raises: NotPermitted for what the asker is not registered to ask, InvalidInput, TooManyRequests,
        ServiceUnavailable where no presentation key is active.
        """
        query = read_query(request.query)
        await self._check(principal, request)
        permissions = await self._permissions(principal, query)
        asked_types = {vct for item in query.credentials for vct in item.vct_values}
        returns = {uri for item in permissions if item.vct in asked_types for uri in item.return_uris}
        if request.return_uri and request.return_uri not in returns:
            raise InvalidInput("This address to return to is not registered.", field="return_uri")
        now, handle = self._clock.now(), new_secret(192)
        one = Transaction(
            transaction_id=new_id("prs"),
            owner=owner_of(principal),
            asked_by=principal.audit_name,
            organisation_code=principal.organisation_code or "",
            channel=str(principal.channel),
            purpose=request.purpose,
            client_id=await self._client_id(),
            response_mode=request.response_mode,
            return_uri=request.return_uri,
            query=query.document,
            state=State.WAITING,
            verdict=None,
            created_at=now,
            expires_at=now + LIFETIME,
        )
        async with self._database.transaction() as connection:
            transactions = Transactions(connection, self._cipher)
            if await transactions.open_of(one.owner, now) >= OPEN_TRANSACTIONS:
                raise TooManyRequests("Too many requests of yours wait for a wallet.")
            await transactions.add(one, handle, Secrets.new())
            event = AuditEvent(
                "verification.ask_presentation",
                "presentation",
                one.transaction_id,
                {"types": sorted(asked_types), "claims": _names(query.document)},
            )
            await self._audit.record(connection, principal, event)
        request_uri = f"{self._issuer}/openid4vp/requests/{handle}"
        return Started(one, request_uri, wallet_link(one.client_id, request_uri))

    async def _permissions(self, principal: Principal, query: Query) -> Sequence[Permission]:
        """Return what the asker may ask for; raises NotPermitted where the query goes beyond."""
        permissions = await self._register.permissions(principal)
        require_permitted(query, permitted(permissions))
        return permissions

    async def _check(self, principal: Principal, request: PresentationRequest) -> None:
        if not principal.organisation_code:
            raise NotPermitted("Only an organisation asks wallets.")
        if request.response_mode not in {ENCRYPTED, PLAIN}:
            raise InvalidInput(f"It is {ENCRYPTED} or {PLAIN}.", field="response_mode")
        purpose = request.purpose.strip()
        if not 0 < len(purpose) <= MAXIMUM_PURPOSE or not purpose.isprintable():
            raise InvalidInput(f"A purpose has 1 to {MAXIMUM_PURPOSE} characters.", field="purpose")

    async def _client_id(self) -> str:
        try:
            return client_id((await self._keys.active(KeyPurpose.PRESENTATION)).certificate_chain_der[0])
        except KeyNotFound as error:
            raise ServiceUnavailable("No key for requests to wallets is active.") from error

    async def request_object(
        self, handle: str, *, wallet_nonce: str | None = None, wallet_metadata: str | None = None
    ) -> str:
        """Return the signed request of a handle; raises NotFound, InvalidInput."""
        check_wallet(wallet_metadata, wallet_nonce)
        now = self._clock.now()
        async with self._database.transaction() as connection:
            claimed = await Transactions(connection, self._cipher).fetch(handle, now, FETCHES)
        # A certificate renewed meanwhile has another digest, and the wallet was told the old one.
        if claimed is None or await self._client_id() != claimed.transaction.client_id:
            raise NotFound(GONE)
        one = claimed.transaction
        claims = request_claims(
            client=one.client_id,
            response_uri=f"{self._issuer}/openid4vp/responses/{handle}",
            response_mode=one.response_mode,
            query=one.query,
            secrets=claimed.secrets,
            info=await self._info(one),
            now=now,
            expires_at=one.expires_at,
            wallet_nonce=wallet_nonce,
        )
        return await sign_jws(self._keys, KeyPurpose.PRESENTATION, claims, typ=TYPE, with_chain=True)

    async def _info(self, one: Transaction) -> dict[str, Any]:
        """Say for whom and what for, signed with the request."""
        organisation = await self._directory.organisation(one.organisation_code)
        data = {
            "organisation_name": organisation.name,
            "organisation_code": one.organisation_code,
            "purpose": one.purpose,
        }
        return {"format": f"{self._issuer}/openid4vp/purpose", "data": data}

    async def receive(self, handle: str, form: Mapping[str, str]) -> dict[str, str]:
        """Take a wallet's answer, once; returns what the wallet is told.

        Raises: NotFound for a handle that is unknown or finished, InvalidInput for an answer that is not of
        this transaction's wallet: both leave the transaction as it is.
        """
        now = self._clock.now()
        async with self._database.read() as connection:
            claimed = await Transactions(connection, self._cipher).waiting(handle, now)
        if claimed is None:
            raise NotFound(GONE)
        members = self._members(claimed, form)
        declined = "error" in members
        async with self._database.transaction() as connection:
            onward = State.DECLINED if declined else State.JUDGING
            if not await Transactions(connection, self._cipher).take(claimed.transaction.transaction_id, onward, now):
                raise NotFound(GONE)
        if declined:
            return {}
        return await self._judge(claimed, members.get("vp_token"))

    @staticmethod
    def _members(claimed: Claimed, form: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the answer's members once its `state` proves that its sender has seen the request."""
        members: Mapping[str, Any] = form
        if claimed.transaction.response_mode == ENCRYPTED and "error" not in form:
            try:
                members = open_response(form.get("response", ""), claimed.secrets)
            except MalformedSdJwt as error:
                raise InvalidInput(str(error), field="response") from error
        state = members.get("state")
        known = isinstance(state, str) and hmac.compare_digest(
            state.encode("utf-8", "surrogatepass"), claimed.secrets.state.encode()
        )
        if not known or not {"vp_token", "error"} & members.keys():
            raise InvalidInput("The answer is not of this request.", field="state")
        return members

    async def _judge(self, claimed: Claimed, vp_token: object) -> dict[str, str]:
        one, now = claimed.transaction, self._clock.now()
        material = await self._trust.material()
        issuers = [item.under(material) for item in await self._register.issuers()]
        trusted = Trusted(issuers, self._statuses, self._lists)
        expectation = Expectation(one.client_id, claimed.secrets.nonce, one.created_at, now)
        judged = await judge_answer(vp_token, read_query(one.query), expectation, trusted)
        verified = await self._verification.conclude(_asker(one), judged.report)
        result = {
            "report": verified.report.to_json(),
            "receipt": verified.receipt,
            "receipt_id": verified.receipt_id,
            "credentials": [item.to_json() for item in judged.credentials],
        }
        code = new_secret(192) if one.return_uri else None
        async with self._database.transaction() as connection:
            await Transactions(connection, self._cipher).settle(
                one.transaction_id, judged.report.verdict.value, result, code, now + KEPT
            )
        return {} if code is None else {"redirect_uri": _returning(one.return_uri, code)}

    async def status(self, principal: Principal, transaction_id: str) -> Transaction:
        """Return how far a transaction of the caller is; raises NotFound."""
        async with self._database.read() as connection:
            found = await Transactions(connection, self._cipher).find(transaction_id, owner_of(principal))
        if found is None:
            raise NotFound("There is no such request.")
        over = found.expires_at <= self._clock.now() and found.state in {
            State.WAITING,
            State.JUDGING,
            State.ANSWERED,
        }
        return replace(found, state=State.EXPIRED) if over else found

    async def collect(self, principal: Principal, transaction_id: str, response_code: str | None = None) -> Collected:
        """Hand the result out, once; where the wallet led its owner back, to whoever brings the code it was given.

        Raises: NotFound, Conflict when there is nothing to collect (yet, any more, or with this code),
        NotPermitted when the permission to ask was withdrawn meanwhile.
        """
        asked = await self.status(principal, transaction_id)
        await self._permissions(principal, read_query(asked.query))
        async with self._database.transaction() as connection:
            found = await Transactions(connection, self._cipher).collect(
                transaction_id, owner_of(principal), response_code, self._clock.now()
            )
            if found is None:
                raise Conflict("There is nothing to collect: not yet, not any more, or not with this code.")
            detail = {"credentials": len(found["credentials"]), "receipt_id": found["receipt_id"]}
            event = AuditEvent("verification.collect_presentation", "presentation", transaction_id, detail)
            await self._audit.record(connection, principal, event)
        return Collected(found["report"], found["receipt"], found["receipt_id"], tuple(found["credentials"]))

    async def cancel(self, principal: Principal, transaction_id: str) -> None:
        """End a transaction nobody answered; raises NotFound, Conflict."""
        await self.status(principal, transaction_id)
        async with self._database.transaction() as connection:
            now = self._clock.now()
            if not await Transactions(connection, self._cipher).take(transaction_id, State.CANCELLED, now):
                raise Conflict("The request was answered, or is over.")
            event = AuditEvent("verification.cancel_presentation", "presentation", transaction_id)
            await self._audit.record(connection, principal, event)

    async def purge(self) -> None:
        """Delete what is over, collected or not."""
        async with self._database.transaction() as connection:
            await Transactions(connection, self._cipher).purge(self._clock.now())


def owner_of(principal: Principal) -> str:
    """Return whose a transaction is: the client's, or the officer's, that asked; not their colleagues'."""
    asker = principal.client_id if principal.kind is PrincipalKind.CLIENT else principal.audit_name
    return f"{principal.organisation_code}/{asker}"


def _asker(one: Transaction) -> Principal:
    kind, _, subject = one.asked_by.partition(":")
    return Principal(
        PrincipalKind(kind), subject, organisation_code=one.organisation_code, channel=Channel(one.channel)
    )


def _names(document: Mapping[str, Any]) -> list[str]:
    """Return the names of claims that are asked for, for the audit row; never their values."""
    pointers = [claim["path"] for item in document["credentials"] for claim in item.get("claims", ())]
    return sorted({".".join("*" if part is None else str(part) for part in pointer) for pointer in pointers})


def _returning(return_uri: str, code: str) -> str:
    parts = urlsplit(return_uri)
    query = "&".join(part for part in (parts.query, urlencode({"response_code": code})) if part)
    return urlunsplit(parts._replace(query=query))

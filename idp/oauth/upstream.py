"""Sign-in by another OpenID Provider, such as the province's: added by settings, linked by proof.

Who comes back is known by the other provider's issuer and `sub` alone, kept as a keyed index; a name
or number it states links nothing. The first time, the person signs in here with a credential of the
own account, and that is the proof that links the two. What a provider that may vouch for people then
verified about this one becomes evidence like any other.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from foundation.audit import AuditEvent
from foundation.errors import Conflict, NotFound, NotPermitted
from foundation.ids import new_secret
from foundation.principal import PrincipalKind
from idp.oauth.errors import InteractionExpired, UpstreamRefused
from idp.oauth.grant import digest
from idp.oauth.tables import oauth_upstream_links as links
from idp.oauth.upstream_client import UpstreamClient, browser_digest
from idp.ports import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Row

    from foundation.outbound import OutboundClient
    from foundation.principal import Principal
    from foundation.settings import UpstreamProvider
    from idp.oauth.model import Parameters
    from idp.oauth.parts import Parts
    from idp.ports import Vouchers

ATTEMPT_SECONDS = 600
LINK_SECONDS = 900
SUBJECT_CONTEXT = "oauth_upstream_links.subject"
STATEMENT_CONTEXT = "oauth_upstream_links.statement"
MAX_PARAMETERS = 12


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and the secret it keeps in a cookie until it comes back."""

    address: str
    browser_secret: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """Who came back: the linked account, or what a link needs; `level` is theirs in our terms."""

    source: str
    level: str
    following: str
    account_id: str | None = None
    link_secret: str | None = None


class Upstreams:
    """The other providers of the settings."""

    def __init__(
        self,
        parts: Parts,
        outbound: OutboundClient,
        providers: tuple[UpstreamProvider, ...],
        vouchers: Vouchers,
    ) -> None:
        """Take the shared collaborators, the providers, and who keeps what they vouch for."""
        self._parts = parts
        self._vouchers = vouchers
        self._clients = {
            one.source: UpstreamClient(
                one, outbound, f"{parts.issuer}/sign-in/with/{one.source}/back", parts.signer, parts.clock
            )
            for one in providers
        }

    def names(self) -> tuple[tuple[str, str], ...]:
        """Return source and display name of each, in the order of the settings."""
        return tuple((source, client.provider.name) for source, client in self._clients.items())

    def name_of(self, source: str) -> str:
        """Return a provider's display name; raises NotFound."""
        return str(self._client(source).provider.name)

    async def begin(self, source: str, following: str) -> Begun:
        """Start an attempt; raises NotFound, UpstreamUnavailable."""
        client = self._client(source)
        about = await client.about()
        state, nonce, verifier, browser = (new_secret() for _ in range(4))
        kept = {
            "source": source,
            "nonce": nonce,
            "verifier": verifier,
            "following": following,
            "browser": browser_digest(browser),
        }
        await self._parts.cache.put(_key("attempt", state), json.dumps(kept).encode(), ttl_seconds=ATTEMPT_SECONDS)
        address, _ = client.create_authorization_url(
            about.metadata["authorization_endpoint"],
            state=state,
            code_verifier=verifier,
            nonce=nonce,
            acr_values=" ".join(client.provider.levels) or None,
        )
        return Begun(str(address), browser)

    async def finish(self, source: str, parameters: Parameters, browser_secret: str | None) -> Arrived:
        """Take what the browser brought back, once.

        Raises: InteractionExpired, UpstreamRefused, UpstreamUnavailable, RealNameConflict.
        """
        # 1 this browser began this attempt, with this provider; 2 the provider names itself; 3 only then its code
        client, data = self._client(source), dict(parameters)
        if len(data) != len(parameters) or len(parameters) > MAX_PARAMETERS:
            raise UpstreamRefused("A parameter is repeated, or there are too many.")
        kept = await self._attempt(data.get("state", ""), source, browser_secret)
        about = await client.about()
        wanted = client.provider.issuer
        names_itself = about.metadata.get("authorization_response_iss_parameter_supported") is True
        if data.get("iss", None if names_itself else wanted) != wanted:
            raise UpstreamRefused("The answer is from another provider than was asked.")
        if "error" in data or "code" not in data:
            raise UpstreamRefused("The other provider did not sign the person in.")
        token = await client.redeem(data["code"], kept["verifier"])
        claims = await client.id_token_claims(token, kept["nonce"], self._parts.clock.now())
        level = level_of(claims, client.provider)
        if level is None:
            raise UpstreamRefused("The other provider's level is not one this service accepts.")
        index = self._parts.cipher.blind_index(f"{wanted}\0{claims['sub']}", SUBJECT_CONTEXT)
        statement = statement_of(claims, client.provider)
        linked = await self._account(source, index)
        if linked is not None:
            if statement is not None:
                await self._vouchers.keep(linked.account_id, statement, linked.linked_at)
            return Arrived(source, level, kept["following"], linked.account_id)
        pending = {"source": source, "index": index.hex(), "following": kept["following"]}
        if statement is not None:
            told = json.dumps(asdict(statement), ensure_ascii=False)
            pending["statement"] = self._parts.cipher.encrypt(told, STATEMENT_CONTEXT).hex()
        secret = new_secret()
        await self._parts.cache.put(_key("link", secret), json.dumps(pending).encode(), ttl_seconds=LINK_SECONDS)
        return Arrived(source, level, kept["following"], link_secret=secret)

    async def link(self, principal: Principal, source: str, link_secret: str | None) -> str:
        """Link who came back to the account signed in here; returns where to go on.

        Raises: InteractionExpired, NotPermitted for others than citizens, Conflict when linked to another
        account, RealNameConflict when the provider vouches for another person; the link stands then.
        """
        if principal.kind is not PrincipalKind.PERSON:
            raise NotPermitted("Only a natural person's own account is linked.")
        stored = await self._parts.cache.take(_key("link", link_secret or ""))
        pending: dict[str, Any] = json.loads(stored) if stored else {}
        if pending.get("source") != source:
            raise InteractionExpired("This sign-in by another provider took too long.")
        index = bytes.fromhex(pending["index"])
        values = {"source": source, "subject_index": index, "account_id": principal.subject_id}
        now = self._parts.clock.now()
        async with self._parts.database.transaction() as connection:
            await connection.execute(insert(links).values(**values, linked_at=now).on_conflict_do_nothing())
            query = select(links.c.account_id).where(links.c.source == source, links.c.subject_index == index)
            if (await connection.execute(query)).scalar_one() != principal.subject_id:
                raise Conflict("This account of the other provider is linked to another account here.")
            event = AuditEvent("idp.upstream_link", "account", principal.subject_id, {"source": source})
            await self._parts.audit.record(connection, principal, event)
        if "statement" in pending:
            told = self._parts.cipher.decrypt(bytes.fromhex(pending["statement"]), STATEMENT_CONTEXT)
            await self._vouchers.keep(principal.subject_id, Statement(**json.loads(told)), now)
        return str(pending["following"])

    async def linked(self, principal: Principal) -> tuple[str, ...]:
        """Return the sources the principal's account is linked to."""
        query = select(links.c.source).where(links.c.account_id == principal.subject_id).order_by(links.c.source)
        async with self._parts.database.read() as connection:
            return tuple((await connection.execute(query)).scalars())

    async def unlink(self, principal: Principal, source: str) -> None:
        """Take a link away; raises NotFound."""
        statement = delete(links).where(links.c.account_id == principal.subject_id, links.c.source == source)
        async with self._parts.database.transaction() as connection:
            if not (await connection.execute(statement)).rowcount:
                raise NotFound("There is no such link.")
            event = AuditEvent("idp.upstream_unlink", "account", principal.subject_id, {"source": source})
            await self._parts.audit.record(connection, principal, event)

    async def _attempt(self, state: str, source: str, browser_secret: str | None) -> dict[str, str]:
        stored = await self._parts.cache.take(_key("attempt", state))
        kept: dict[str, str] = json.loads(stored) if stored else {}
        shown = browser_digest(browser_secret or "")
        if kept.get("source") != source or not hmac.compare_digest(kept["browser"], shown):
            raise InteractionExpired("This sign-in was begun elsewhere, or took too long.")
        return kept

    async def _account(self, source: str, index: bytes) -> Row[Any, Any] | None:
        query = select(links.c.account_id, links.c.linked_at).where(
            links.c.source == source, links.c.subject_index == index
        )
        async with self._parts.database.read() as connection:
            return (await connection.execute(query)).one_or_none()

    def _client(self, source: str) -> UpstreamClient:
        if source not in self._clients:
            raise NotFound("There is no such provider.")
        return self._clients[source]


def level_of(claims: Mapping[str, Any], provider: UpstreamProvider) -> str | None:
    """Return the best level that `acr`, or the trust framework of `verified_claims`, stands for in the settings."""
    stated = [claims.get("acr"), *(one for each in _verified(claims) for one in _stated(each))]
    known = [provider.levels[one] for one in stated if isinstance(one, str) and one in provider.levels]
    return max(known, default=None)


def statement_of(claims: Mapping[str, Any], provider: UpstreamProvider) -> Statement | None:
    """Return the best of what a provider that may vouch for people verified about this one; `acr` vouches for nobody.

    A level belongs to the verification it stands in, and that to the name and number beside it.
    """
    found: list[tuple[str, Statement]] = []
    for each in _verified(claims) if provider.vouches else ():
        about = each.get("claims")
        name, number = (about.get(key) if isinstance(about, dict) else None for key in ("name", "citizen_id_number"))
        if isinstance(name, str) and isinstance(number, str):
            found += [
                (provider.levels[one], Statement(provider.issuer, one, name, number))
                for one in _stated(each)
                if isinstance(one, str) and one in provider.levels
            ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _verified(claims: Mapping[str, Any]) -> list[dict[str, Any]]:
    verified = claims.get("verified_claims")
    return [each for each in (verified if isinstance(verified, list) else [verified]) if isinstance(each, dict)]


def _stated(verified: Mapping[str, Any]) -> tuple[object, ...]:
    verification = verified.get("verification")
    if not isinstance(verification, dict):
        return ()
    return verification.get("trust_framework"), verification.get("assurance_level")


def _key(use: str, secret: str) -> str:
    return f"oauth:upstream:{use}:{digest(secret).hex()}"

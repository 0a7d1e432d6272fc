"""Revocation lists of foreign issuers: fetched from a server, once the chain holds; fresh, or nothing is VALID."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from foundation.outbound import OutboundClient
from tests.support.loopback import LoopbackServer
from tests.verification.pki import Pki, issue
from tests.verification.presentation.support import CLIENT, NONCE, NOW, SECONDS, Party, asking
from tests.verification.presentation.test_trust import certified, registered
from verification.model import Verdict
from verification.presentation.credential import Expectation
from verification.presentation.judge import Trusted, judge_answer
from verification.presentation.statuses import CredentialStatuses
from verification.revocation import RevocationLists
from verification.trust import TrustMaterial
from verification.words import Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.verification.pki import Identity
    from verification.presentation.judge import Judged


@dataclass
class Publisher:
    """A foreign issuer's server: what it serves by path, and what it was asked for."""

    served: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked.append(self.path)
                body = publisher.served.get(self.path)
                self.send_response(404 if body is None else 200)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self.server = LoopbackServer(Handler)


@pytest.fixture(scope="module")
def server() -> Iterator[Publisher]:
    found = Publisher()
    with found.server:
        yield found


@pytest_asyncio.fixture
async def outbound() -> AsyncIterator[OutboundClient]:
    client = OutboundClient(("127.0.0.0/8",))
    yield client
    await client.close()


class Foreign:
    """An authority abroad, an issuer under it, a wallet with its credential, and us, who know the root alone."""

    def __init__(self, server: Publisher, outbound: OutboundClient) -> None:
        server.served.clear()
        server.asked.clear()
        self.server = server
        self.pki = Pki()
        url = server.server.url
        self.between = issue("外地签发CA", self.pki.root, authority=True, crl_url=f"{url}/root.crl")
        self.leaf = issue("外地发证机关", self.between, crl_url=f"{url}/issuing.crl")
        self.party = certified(self.pki, self.leaf, above=[self.between])
        self.material = TrustMaterial((self.pki.root.der,))
        self.outbound = outbound
        self.forget()
        server.served["/status"] = self.party.issuer.status_list(f"{url}/status", {}, iat=SECONDS).encode()
        self.publish(self.pki.root, "/root.crl")
        self.publish(self.between, "/issuing.crl")

    def forget(self) -> None:
        self.lists = RevocationLists(self.outbound)
        self.statuses = CredentialStatuses(self.outbound, self.lists)

    def publish(self, authority: Identity, path: str, **more: Any) -> None:  # noqa: ANN401 - fields of a list
        self.server.served[path] = self.pki.crl(authority, **{"at": NOW - timedelta(hours=2), **more})

    async def present(self, party: Party | None = None, **more: Any) -> Judged:  # noqa: ANN401 - claims
        one = party or self.party
        uri = f"{self.server.server.url}/status"
        credential = one.credential(status={"status_list": {"idx": 5, "uri": uri}}, **more)
        trusted = Trusted([registered(self.material)], self.statuses, self.lists)
        expectation = Expectation(CLIENT, NONCE, NOW, NOW)
        return await judge_answer({"licence": [one.present(credential)]}, asking(), expectation, trusted)


@pytest.fixture
def foreign(server: Publisher, outbound: OutboundClient) -> Foreign:
    return Foreign(server, outbound)


async def test_lists_are_fetched_where_certificates_name_them_and_kept(foreign: Foreign) -> None:
    judged = await foreign.present()
    assert (judged.report.verdict, judged.report.data_as_of) == (Verdict.VALID, NOW - timedelta(hours=2))
    assert sorted(foreign.server.asked) == ["/issuing.crl", "/root.crl", "/status"]
    foreign.server.served = {}
    assert (await foreign.present()).report.verdict is Verdict.VALID
    assert len(foreign.server.asked) == 3


async def test_an_issuer_its_authority_revoked_is_found_out(foreign: Foreign) -> None:
    foreign.pki.revoked.append((foreign.leaf.certificate, NOW - timedelta(days=1)))
    foreign.publish(foreign.between, "/issuing.crl")
    judged = await foreign.present()
    assert (judged.report.verdict, judged.report.reason) == (Verdict.INVALID, Reason.CERTIFICATE_REVOKED)
    assert judged.credentials == ()


async def test_without_a_fresh_genuine_list_nothing_is_valid(foreign: Foreign) -> None:
    other = Pki()
    broken: tuple[bytes | None, ...] = (
        None,
        b"",
        b"<html>",
        foreign.server.served["/root.crl"],
        foreign.pki.crl(foreign.between, at=NOW - timedelta(days=9)),
        other.crl(issue("外地签发CA", other.root, authority=True)),
        zlib.compress(foreign.server.served["/issuing.crl"]),
    )
    for body in broken:
        foreign.server.served.pop("/issuing.crl", None)
        if body is not None:
            foreign.server.served["/issuing.crl"] = body
        foreign.forget()
        judged = await foreign.present()
        assert (judged.report.verdict, judged.report.reason) == (Verdict.UNDETERMINED, Reason.REVOCATION_DATA_MISSING)
        assert judged.credentials == ()


async def test_a_list_that_was_kept_serves_until_its_own_end(foreign: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verification.revocation.KEPT_SECONDS", 0.0)
    assert (await foreign.present()).report.verdict is Verdict.VALID
    for path in ("/root.crl", "/issuing.crl"):
        del foreign.server.served[path]
    assert (await foreign.present()).report.verdict is Verdict.VALID
    # What is published anew counts at once.
    foreign.pki.revoked.append((foreign.leaf.certificate, NOW - timedelta(days=1)))
    foreign.publish(foreign.between, "/issuing.crl")
    assert (await foreign.present()).report.reason is Reason.CERTIFICATE_REVOKED


async def test_a_strangers_certificate_makes_us_call_nobody(foreign: Foreign) -> None:
    """Neither one that ends at another root, nor one that only says it was issued under ours."""
    url = f"{foreign.server.server.url}/trap.crl"
    stranger = Pki()
    forger = issue("外地签发CA", stranger.root, authority=True)
    for leaf, above in (
        (issue("别处", stranger.issuing, crl_url=url), [stranger.issuing]),
        (issue("冒名", forger, crl_url=url), [foreign.between]),
    ):
        party = certified(stranger, leaf, above=above)
        judged = await foreign.present(party)
        assert judged.report.reason is Reason.CREDENTIAL_ISSUER_UNKNOWN
    assert foreign.server.asked == []


async def test_lists_of_inner_networks_are_not_called(foreign: Foreign) -> None:
    foreign.leaf = issue("外地发证机关", foreign.between, crl_url="http://169.254.169.254/issuing.crl")
    party = certified(foreign.pki, foreign.leaf, above=[foreign.between])
    assert (await foreign.present(party)).report.reason is Reason.REVOCATION_DATA_MISSING


async def test_who_signs_a_status_list_is_looked_up_too(foreign: Foreign) -> None:
    """The credential's own issuer is sound; another certificate, since revoked, signed the list."""
    url = foreign.server.server.url
    above = issue("外地状态CA", foreign.pki.root, authority=True, crl_url=f"{url}/root.crl")
    signer = issue("外地发证机关", above, crl_url=f"{url}/signer.crl")
    lister = certified(foreign.pki, signer, above=[above]).issuer
    foreign.server.served["/status"] = lister.status_list(f"{url}/status", {}, iat=SECONDS).encode()
    foreign.publish(above, "/signer.crl")
    assert (await foreign.present()).report.verdict is Verdict.VALID
    assert "/signer.crl" in foreign.server.asked
    foreign.pki.revoked.append((signer.certificate, NOW - timedelta(days=1)))
    foreign.publish(above, "/signer.crl")
    foreign.forget()
    assert (await foreign.present()).report.reason is Reason.DATA_MISSING

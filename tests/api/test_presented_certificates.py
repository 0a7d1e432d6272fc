"""A certificate that a proxy of ours passes on: it proves and signs in; from anybody else it is nothing."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx2
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from foundation.clock import SystemClock
from foundation.principal import Channel
from idp.people.certificate_anchors import CertificateAnchors
from tests.api.test_access import form_token
from tests.support.person_ca import Authority, Card
from tests.support.real_name_authority import CITIZENS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

HEADER, LOOPBACK, ELSEWHERE = "X-Person-Certificate", "127.0.0.0/8", "10.9.0.0/16"
CALLERS = count(1)
PASSWORD = "violet-harbour-27"
OWNER, OTHER = CITIZENS[5], CITIZENS[4]


@pytest.fixture
def ca(tmp_path: Path, city: City, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    directory = tmp_path / "anchors"
    directory.mkdir()
    made = Authority(directory, SystemClock().now())
    monkeypatch.setattr(city.application.people.certificates, "_anchors", CertificateAnchors(directory))
    services = city.app.state.services
    behind(city)
    yield made
    city.app.state.services = services


def behind(city: City, *, proxies: str = LOOPBACK, header: str = HEADER) -> None:
    """Let the service believe the header of these proxies."""
    services = city.app.state.services
    told = {"trusted_proxies": (proxies,), "client_certificate_header": header}
    city.app.state.services = replace(services, settings=services.settings.model_copy(update=told))


@asynccontextmanager
async def browser(city: City, **cookies: str) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"origin": city.url, "x-forwarded-for": f"198.18.{next(CALLERS)}.1"}
    async with httpx2.AsyncClient(base_url=city.url, cookies=cookies, headers=headers) as opened:
        yield opened


async def proven(city: City, card: Card) -> None:
    """Register somebody and prove the name by a certificate in the header."""
    services, name = city.application.services, f"holder{uuid.uuid4().hex[:10]}"
    await city.application.people.accounts.register(name, PASSWORD, source="192.0.2.77", channel=Channel.WEB)
    session = await services.sessions.sign_in(name, PASSWORD, source="192.0.2.77", channel=Channel.WEB)
    async with browser(city, **{"hufu-session": session.secret or ""}) as own:
        page = "/real-name/certificate"
        form = {"by": "browser", "form_token": await form_token(own, page)}
        answer = await own.post(page, data=form, headers={HEADER: card.header})
        assert (answer.status_code, answer.headers.get("location")) == (303, "/me"), answer.text


async def sign_in(city: City, headers: list[tuple[str, str]]) -> bool:
    """Tell whether somebody without a session gets one by these headers."""
    page = "/sign-in/certificate"
    async with browser(city) as visitor:
        form = {"by": "browser", "form_token": await form_token(visitor, page)}
        answer = await visitor.post(page, data=form, headers=headers)
        opened = (await visitor.get("/me")).status_code == 200
        assert opened is (answer.status_code == 303), answer.text
    return opened


async def test_a_certificate_the_proxy_passes_on_proves_and_signs_in(city: City, ca: Authority) -> None:
    card = ca.issue(OWNER, purposes=[ExtendedKeyUsageOID.CLIENT_AUTH])
    async with browser(city) as visitor:
        assert "用这张证书登录" not in (await visitor.get("/sign-in/certificate")).text
        assert "用这张证书登录" in (await visitor.get("/sign-in/certificate", headers={HEADER: card.header})).text
    assert not await sign_in(city, [(HEADER, card.header)])
    await proven(city, card)
    assert await sign_in(city, [(HEADER, card.header)])
    assert await sign_in(city, [(HEADER, quote(card.pem))])


@pytest.mark.parametrize(
    "presented",
    ["foreign", "expired", "revoked", "no list", "another key", "another purpose", "does not sign", "nonsense", "two"],
)
async def test_what_is_not_the_persons_own_good_certificate_opens_nothing(
    city: City, ca: Authority, tmp_path: Path, presented: str
) -> None:
    card, now = ca.issue(OWNER), SystemClock().now()
    await proven(city, card)
    assert await sign_in(city, [(HEADER, card.header)])
    headers = [(HEADER, card.header)]
    if presented == "foreign":
        stranger = tmp_path / "stranger"
        stranger.mkdir()
        headers = [(HEADER, Authority(stranger, now).issue(OWNER).header)]
    elif presented == "expired":
        headers = [(HEADER, ca.issue(OWNER, ends=now - timedelta(seconds=1)).header)]
    elif presented == "revoked":
        ca.publish(card.certificate.serial_number)
    elif presented == "no list":
        (ca.directory / "ca.crl").unlink()
    elif presented == "another key":
        headers = [(HEADER, ca.issue(OWNER).header)]
    elif presented == "another purpose":
        headers = [(HEADER, ca.issue(OWNER, purposes=[ExtendedKeyUsageOID.SERVER_AUTH]).header)]
    elif presented == "does not sign":
        headers = [(HEADER, ca.issue(OWNER, signs=False).header)]
    elif presented == "nonsense":
        headers = [(HEADER, ":bm90IGEgY2VydGlmaWNhdGU=:")]
    else:
        headers = [(HEADER, card.header), (HEADER, ca.issue(OTHER).header)]
    assert not await sign_in(city, headers)


@pytest.mark.parametrize("who", ["client", "other header", "no header named"])
async def test_nobody_but_a_trusted_proxy_says_what_was_presented(city: City, ca: Authority, who: str) -> None:
    card = ca.issue(OWNER)
    await proven(city, card)
    headers = [(HEADER, card.header)]
    if who == "client":
        behind(city, proxies=ELSEWHERE)
    elif who == "other header":
        headers = [("Client-Cert", card.header), ("X-SSL-Client-Cert", quote(card.pem))]
    else:
        behind(city, header="")
        headers = [("Client-Cert", card.header)]
    assert not await sign_in(city, headers)


async def test_another_persons_certificate_is_no_proof_for_this_one(city: City, ca: Authority) -> None:
    """An account proven as one person takes no certificate of another, nor a purpose that is not a client's."""
    services, name = city.application.services, f"holder{uuid.uuid4().hex[:10]}"
    await city.application.people.accounts.register(name, PASSWORD, source="192.0.2.78", channel=Channel.WEB)
    session = await services.sessions.sign_in(name, PASSWORD, source="192.0.2.78", channel=Channel.WEB)
    page = "/real-name/certificate"
    wrong = ca.issue(OWNER, purposes=[ExtendedKeyUsageOID.OCSP_SIGNING]), ca.issue(OWNER), ca.issue(OTHER)
    async with browser(city, **{"hufu-session": session.secret or ""}) as own:
        answers = []
        for card in wrong:
            form = {"by": "browser", "form_token": await form_token(own, page)}
            answers.append((await own.post(page, data=form, headers={HEADER: card.header})).status_code)
    assert answers[1] == 303
    assert 303 not in (answers[0], answers[2])

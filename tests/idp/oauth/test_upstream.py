"""Sign-in by another provider: linked by the person's own proof, refused for anything that is not what it must be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import select

from foundation.clock import SystemClock
from foundation.principal import Channel
from foundation.settings import Settings, UpstreamProvider
from idp.oauth.tables import oauth_upstream_links
from tests.idp.oauth.serving import hold_ceremony, served
from tests.idp.oauth.support import ISSUER
from tests.idp.oauth.test_http import PASSWORD
from tests.support.upstream_provider import CLIENT_ID, CLIENT_SECRET, UpstreamOp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fastapi import FastAPI

    from foundation.database import Database

PATH = "/sign-in/with/province"
BACK = f"{PATH}/back"


@pytest.fixture
def province() -> Iterator[UpstreamOp]:
    with UpstreamOp() as op:
        yield op


def upstream(province: UpstreamOp, source: str = "province") -> UpstreamProvider:
    return UpstreamProvider(
        source=source,
        name="省统一身份认证",
        issuer=province.url,
        client_id=CLIENT_ID,
        client_secret=SecretStr(CLIENT_SECRET),
        levels={"province-high": "L2", "cn_province": "L1"},
    )


@pytest.fixture
async def app(settings: Settings, database: Database, province: UpstreamOp) -> AsyncIterator[FastAPI]:
    clock = SystemClock()
    await hold_ceremony(settings, database, clock)
    changed = {
        "upstream_providers": (upstream(province), upstream(province, "other")),
        "outbound_networks": ("127.0.0.0/8",),
    }
    async with served(settings.model_copy(update=changed), clock) as app:
        yield app


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=ISSUER, headers={"accept": "text/html"}) as browser:
        yield browser


async def visit(browser: httpx2.AsyncClient, province: UpstreamOp, following: str = "/home") -> str:
    """Leave for the province, sign in there, and return the address it sends the browser back to."""
    left = await browser.get(PATH, params={"next": following})
    assert left.status_code == 303, left.text
    address = urlsplit(left.headers["location"])
    assert f"{address.scheme}://{address.netloc}" == province.url
    back = urlsplit(province.authorize(dict(parse_qsl(address.query))))
    return f"{back.path}?{back.query}"


async def account(app: FastAPI, browser: httpx2.AsyncClient, username: str = "chenwei") -> str:
    """Register and sign in here, by the own password."""
    services = app.state.services
    made = await services.accounts.register(username, PASSWORD, source="192.0.2.1", channel=Channel.WEB)
    session = await services.sessions.sign_in(username, PASSWORD, source="192.0.2.1", channel=Channel.WEB)
    browser.cookies.set("hufu-session", session.secret)
    return str(made.account_id)


async def link(browser: httpx2.AsyncClient, province: UpstreamOp, following: str = "/home") -> httpx2.Response:
    back = await browser.get(await visit(browser, province, following))
    assert back.headers["location"] == f"{PATH}/link", back.text
    asked = await browser.get(f"{PATH}/link")
    token = asked.text.split('name="form_token" value="')[1].split('"')[0]
    return await browser.post(f"{PATH}/link", data={"form_token": token}, headers={"origin": ISSUER})


def forget_session(browser: httpx2.AsyncClient) -> None:
    browser.cookies.delete("hufu-session")


async def test_the_first_time_asks_for_the_own_sign_in_and_the_next_signs_in(
    app: FastAPI, browser: httpx2.AsyncClient, province: UpstreamOp, database: Database
) -> None:
    account_id = await account(app, browser)
    linked = await link(browser, province, "/licences")
    assert "/licences" in linked.text
    forget_session(browser)
    back = await browser.get(await visit(browser, province, "/me"))
    assert back.headers["location"] == "/me"
    session = await app.state.services.sessions.resolve(browser.cookies["hufu-session"])
    assert (session.account_id, session.amr) == (account_id, ("fed",))
    async with database.read() as connection:
        row = (await connection.execute(select(oauth_upstream_links))).one()
    assert province.subject.encode() not in row.subject_index
    asked = province.asked[-1]
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == ISSUER + BACK
    assert {"nonce", "state", "code_challenge"} <= asked.keys()


async def test_nobody_signed_in_here_links_nothing(
    app: FastAPI, browser: httpx2.AsyncClient, province: UpstreamOp
) -> None:
    await app.state.services.accounts.register("陈伟陈伟", PASSWORD, source="192.0.2.1", channel=Channel.WEB)
    back = await browser.get(await visit(browser, province))
    assert back.headers["location"] == f"{PATH}/link"
    assert "hufu-session" not in browser.cookies
    asked = await browser.get(f"{PATH}/link")
    assert asked.headers["location"].startswith("/sign-in?next=")


async def test_one_account_there_is_one_account_here(
    app: FastAPI, browser: httpx2.AsyncClient, province: UpstreamOp
) -> None:
    await account(app, browser)
    back = await visit(browser, province)
    await browser.get(back)
    waiting = browser.cookies["hufu-link"]
    await link(browser, province)
    await account(app, browser, "zhaomin")
    browser.cookies.set("hufu-link", waiting)
    asked = await browser.get(f"{PATH}/link")
    token = asked.text.split('name="form_token" value="')[1].split('"')[0]
    answer = await browser.post(f"{PATH}/link", data={"form_token": token}, headers={"origin": ISSUER})
    assert answer.status_code == 409


async def test_a_link_is_taken_away(app: FastAPI, browser: httpx2.AsyncClient, province: UpstreamOp) -> None:
    await account(app, browser)
    await link(browser, province)
    session = await app.state.services.sessions.resolve(browser.cookies["hufu-session"])
    upstreams = app.state.services.provider.upstreams
    assert await upstreams.linked(session.principal()) == ("province",)
    await upstreams.unlink(session.principal(), "province")
    forget_session(browser)
    back = await browser.get(await visit(browser, province))
    assert back.headers["location"] == f"{PATH}/link"


WRONG_CLAIMS: list[tuple[str, dict[str, Any]]] = [
    ("issuer", {"iss": "https://evil.example"}),
    ("audience", {"aud": "another-client"}),
    ("audiences", {"aud": [CLIENT_ID, "another-client"]}),
    ("azp", {"azp": "another-client"}),
    ("nonce", {"nonce": "another"}),
    ("no-nonce", {"nonce": None}),
    ("expired", {"exp": 1}),
    ("no-exp", {"exp": None}),
    ("future", {"iat": 4_000_000_000}),
    ("subject", {"sub": ""}),
    ("no-subject", {"sub": None}),
    ("at-hash", {"at_hash": "AAAA"}),
    ("level", {"acr": "province-low"}),
    ("no-level", {"acr": None}),
]


@pytest.mark.parametrize("claims", [claims for _, claims in WRONG_CLAIMS], ids=[name for name, _ in WRONG_CLAIMS])
async def test_an_id_token_that_is_not_what_it_must_be_is_refused(
    browser: httpx2.AsyncClient, province: UpstreamOp, claims: dict[str, Any]
) -> None:
    province.claims = claims
    back = await browser.get(await visit(browser, province))
    assert back.status_code == 403
    assert "hufu-link" not in browser.cookies


@pytest.mark.parametrize(
    "answer",
    [{"iss": "https://evil.example"}, {"iss": None}, {"code": None, "error": "access_denied"}, {"code": "stolen"}],
    ids=["mix-up", "no-iss", "declined", "foreign-code"],
)
async def test_an_answer_of_another_provider_or_code_is_refused(
    browser: httpx2.AsyncClient, province: UpstreamOp, answer: dict[str, str | None]
) -> None:
    province.answer = answer
    assert (await browser.get(await visit(browser, province))).status_code == 403


async def test_state_is_bound_to_browser_and_provider_and_used_once(
    app: FastAPI, browser: httpx2.AsyncClient, province: UpstreamOp
) -> None:
    back = await visit(browser, province)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as stranger:
        assert (await stranger.get(back)).status_code == 410
    again = await visit(browser, province)
    assert (await browser.get(again.replace("/province/", "/other/"))).status_code == 410
    third = await visit(browser, province)
    assert (await browser.get(third)).status_code == 303
    assert (await browser.get(third)).status_code == 410
    assert (await browser.get(f"{BACK}?code=x&state=invented")).status_code == 410
    assert (await browser.get("/sign-in/with/nobody")).status_code == 404


async def test_an_unsigned_or_foreign_token_is_refused_and_a_new_key_is_found(
    browser: httpx2.AsyncClient, province: UpstreamOp
) -> None:
    province.alg = "none"
    assert (await browser.get(await visit(browser, province))).status_code == 403
    province.alg = "ES256"
    assert (await browser.get(await visit(browser, province))).status_code == 303
    province.rotate()
    assert (await browser.get(await visit(browser, province))).status_code == 303


async def test_metadata_of_another_issuer_is_not_used(browser: httpx2.AsyncClient, province: UpstreamOp) -> None:
    province.metadata = {"issuer": "https://evil.example"}
    assert (await browser.get(PATH)).status_code == 503


async def test_a_trust_framework_stands_for_a_level_too(browser: httpx2.AsyncClient, province: UpstreamOp) -> None:
    verified = {"verification": {"trust_framework": "cn_province"}, "claims": {"name": "陈伟"}}
    province.claims = {"acr": None, "verified_claims": verified}
    assert (await browser.get(await visit(browser, province))).status_code == 303


async def test_following_stays_with_us(browser: httpx2.AsyncClient, province: UpstreamOp, app: FastAPI) -> None:
    await account(app, browser)
    linked = await link(browser, province, "https://evil.example/")
    assert "evil.example" not in linked.text


@pytest.mark.parametrize(
    "changes",
    [{"source": "../x"}, {"issuer": "ftp://x"}, {"issuer": "https://x/"}, {"levels": {"a": "L9"}}, {"levels": {}}],
)
def test_bad_settings_are_named(province: UpstreamOp, changes: dict[str, Any]) -> None:
    sound = upstream(province).model_dump() | changes
    with pytest.raises(ValidationError):
        UpstreamProvider(**sound)

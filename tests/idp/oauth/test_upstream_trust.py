"""Another provider is not trusted blindly: how we prove ourselves to it, how it lies, what its word is worth."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from pydantic import SecretStr, ValidationError

from foundation.clock import SystemClock
from foundation.outbound import OutboundClient
from foundation.settings import UpstreamProvider
from tests.idp.oauth.serving import hold_ceremony, served
from tests.idp.oauth.support import ISSUER
from tests.idp.oauth.test_upstream import PATH, account, forget_session, link, upstream, visit
from tests.support.real_name_authority import CITIZENS
from tests.support.upstream_provider import CLIENT_SECRET, UpstreamOp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fastapi import FastAPI

    from foundation.database import Database
    from foundation.settings import Settings


@pytest.fixture
def province() -> Iterator[UpstreamOp]:
    op = UpstreamOp().start()
    yield op
    op.stop()


@pytest.fixture
async def ready(settings: Settings, database: Database) -> Settings:
    await hold_ceremony(settings, database, SystemClock())
    return settings.model_copy(update={"outbound_networks": ("127.0.0.0/8",)})


@asynccontextmanager
async def browsing(
    settings: Settings,
    province: UpstreamOp,
    **changes: Any,  # noqa: ANN401 - any setting
) -> AsyncIterator[tuple[FastAPI, httpx2.AsyncClient]]:
    """Yield the service with the province's settings changed, and a browser."""
    one = UpstreamProvider(**{**upstream(province).model_dump(), **changes})
    async with served(settings.model_copy(update={"upstream_providers": (one,)}), SystemClock()) as app:
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        headers = {"accept": "text/html"}
        async with httpx2.AsyncClient(transport=transport, base_url=ISSUER, headers=headers) as browser:
            province.client_keys = app.state.services.provider.jwks()
            yield app, browser


JWT = {"authentication": "private_key_jwt", "client_secret": None}
METHODS: list[tuple[str, dict[str, Any]]] = [
    ("client_secret_basic", {}),
    ("client_secret_post", {"authentication": "client_secret_post"}),
    ("private_key_jwt", JWT),
    ("private_key_jwt", {**JWT, "assertion_audience": "token_endpoint"}),
]


@pytest.mark.parametrize(("method", "changes"), METHODS, ids=["basic", "post", "jwt", "jwt-endpoint"])
async def test_we_prove_ourselves_as_the_other_side_wants_it(
    ready: Settings, province: UpstreamOp, method: str, changes: dict[str, Any]
) -> None:
    province.accepts = method
    province.audience_is_endpoint = "assertion_audience" in changes
    async with browsing(ready, province, **changes) as (_, browser):
        for _time in range(2):
            back = await browser.get(await visit(browser, province))
            assert back.headers.get("location") == f"{PATH}/link", back.text
        if method == "private_key_jwt":
            province.audience_is_endpoint = not province.audience_is_endpoint
        else:
            province.accepts = "private_key_jwt"
        assert (await browser.get(await visit(browser, province))).status_code == 403


@pytest.mark.parametrize(
    "changes",
    [{"client_secret": None}, {"authentication": "private_key_jwt"}, {**JWT, "authentication": "none"}],
    ids=["no-secret", "secret-and-key", "none"],
)
def test_settings_that_prove_nothing_are_named(province: UpstreamOp, changes: dict[str, Any]) -> None:
    sound = {**upstream(province).model_dump(), "client_secret": SecretStr(CLIENT_SECRET)}
    with pytest.raises(ValidationError):
        UpstreamProvider(**{**sound, **changes})


async def test_forged_and_replayed_tokens_are_refused_and_silence_is_told_as_such(
    ready: Settings, province: UpstreamOp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with browsing(ready, province) as (_, browser):
        assert (await browser.get(await visit(browser, province))).status_code == 303
        for lie in ("forged", "replayed"):
            setattr(province, lie, True)
            assert (await browser.get(await visit(browser, province))).status_code == 403, lie
            setattr(province, lie, False)
        province.down = True
        assert (await browser.get(await visit(browser, province))).status_code == 403
        province.down = False
        defaults = OutboundClient.request.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, "timeout_seconds", 0.2)
        province.delay_seconds = 0.4
        assert (await browser.get(await visit(browser, province))).status_code == 503
        province.delay_seconds = 0.0
        assert (await browser.get(await visit(browser, province))).status_code == 303
        back = await visit(browser, province)
        province.stop()
        assert (await browser.get(back)).status_code == 503


def verified(index: int, framework: str = "cn_province") -> dict[str, Any]:
    who = CITIZENS[index]
    claims = {"name": who.name, "citizen_id_number": who.citizen_id_number}
    return {"verified_claims": {"verification": {"trust_framework": framework}, "claims": claims}}


async def level_here(app: FastAPI, browser: httpx2.AsyncClient) -> str:
    session = await app.state.services.sessions.resolve(browser.cookies["hufu-session"])
    return str(session.acr)


@pytest.mark.parametrize(("vouches", "reached"), [(True, "L1"), (False, "L0")], ids=["vouching", "signing-in-only"])
async def test_the_level_rises_by_what_is_verified_there_if_the_settings_say_so(
    ready: Settings, province: UpstreamOp, *, vouches: bool, reached: str
) -> None:
    async with browsing(ready, province, vouches=vouches) as (app, browser):
        document = app.state.services.provider.discovery()
        assert ("vouch" in document["evidence_supported"]) is vouches
        assert document.get("attestations_supported", []) == ["digital_attestation"] * vouches
        await account(app, browser)
        province.claims = verified(0)
        assert (await link(browser, province)).status_code == 200
        assert await level_here(app, browser) == reached
        forget_session(browser)
        back = await browser.get(await visit(browser, province, "/me"))
        assert back.headers["location"] == "/me"
        assert await level_here(app, browser) == reached


async def test_a_level_without_a_name_raises_nothing_and_another_persons_name_opens_nothing(
    ready: Settings, province: UpstreamOp
) -> None:
    async with browsing(ready, province, vouches=True) as (app, browser):
        await account(app, browser)
        assert (await link(browser, province)).status_code == 200
        assert await level_here(app, browser) == "L0"  # acr alone tells how somebody signed in, not who it is
        forget_session(browser)
        province.claims = verified(0)
        assert (await browser.get(await visit(browser, province))).status_code == 303
        assert await level_here(app, browser) == "L1"
        forget_session(browser)
        province.claims = verified(1)
        assert (await browser.get(await visit(browser, province))).status_code == 409
        assert "hufu-session" not in browser.cookies

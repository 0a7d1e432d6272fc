"""Relying parties written by others sign a person in, refresh, revoke and sign out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from authlib.integrations.requests_client import OAuth2Session
from idpyoidc.client.rp_handler import RPHandler  # type: ignore[import-untyped] # ships no types

from idp.oauth.clients import AuthenticationMethod
from tests.idp.oauth.fapi_support import CLIENT_KEY
from tests.idp.oauth.support import Pkce
from tests.peers.oidc_support import CALLBACK, SCOPE, Running, install_node_peers, play

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="session")
AFTER = "http://127.0.0.1:9/bye"


async def browse(running: Running, address: str) -> str:
    """Follow the provider's redirects as the signed-in person's browser, up to the client's address."""
    async with httpx2.AsyncClient(headers={"cookie": running.cookie}) as browser:
        response = await browser.get(address)
    assert response.status_code == 303, response.text
    return response.headers["location"]


@pytest.mark.parametrize("library", ["openid-client", "oauth4webapi"])
async def test_node_client_signs_in_refreshes_revokes_and_signs_out(running: Running, library: str) -> None:
    await install_node_peers()
    client = await running.client(metadata={"post_logout_redirect_uris": (AFTER,)})
    learned = await play(
        {
            "library": library,
            "issuer": running.issuer,
            "cookie": running.cookie,
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "redirect_uri": CALLBACK,
            "scope": SCOPE,
            "after": AFTER,
        }
    )
    assert learned["userinfo"]["preferred_username"] == "chenwei"
    assert learned["userinfo"]["sub"] == learned["claims"]["sub"] == learned["refreshed"]
    assert learned["claims"]["acr"] == "L0"
    assert (learned["before"], learned["after"], learned["left"]) == (True, False, True)


@pytest.mark.parametrize("library", ["openid-client", "oauth4webapi"])
async def test_node_client_meets_fapi_2_with_par_dpop_and_private_key_jwt(running: Running, library: str) -> None:
    await install_node_peers()
    client = await running.client(
        authentication=AuthenticationMethod.PRIVATE_KEY_JWT,
        jwks={"keys": [CLIENT_KEY.as_dict(private=False)]},
        metadata={"fapi": True, "dpop_bound_access_tokens": True},
    )
    task = {
        "library": library,
        "issuer": running.issuer,
        "cookie": running.cookie,
        "client_id": client.client_id,
        "private_jwk": CLIENT_KEY.as_dict(private=True),
        "redirect_uri": CALLBACK,
        "scope": SCOPE,
    }
    learned = await play(task, "fapi.mjs")
    assert learned["userinfo"]["sub"] == learned["claims"]["sub"]
    assert (learned["token_type"].lower(), learned["refreshed"].lower()) == ("dpop", "dpop")


async def test_authlib_client_signs_in_refreshes_and_signs_out(running: Running) -> None:
    client = await running.client(metadata={"post_logout_redirect_uris": (AFTER,)})
    learned = await asyncio.to_thread(_authlib, running, client.client_id, client.client_secret)
    assert learned["userinfo"]["preferred_username"] == "chenwei"
    assert learned["refreshed"]["access_token"] != learned["token"]["access_token"]
    secret = running.cookie.partition("=")[2]
    assert await running.services.sessions.resolve(secret) is not None
    leaving = {"id_token_hint": learned["token"]["id_token"], "post_logout_redirect_uri": AFTER}
    async with httpx2.AsyncClient(headers={"cookie": running.cookie}) as browser:
        page = await browser.get(f"{running.issuer}/oauth/logout", params=leaving)
    assert AFTER in page.text
    assert await running.services.sessions.resolve(secret) is None


def _authlib(running: Running, client_id: str, client_secret: str | None) -> dict[str, Any]:
    pkce = Pkce.new()
    with OAuth2Session(
        client_id,
        client_secret,
        scope=SCOPE,
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        token_endpoint=f"{running.issuer}/oauth/token",
    ) as session:
        address, _ = session.create_authorization_url(f"{running.issuer}/oauth/authorize", code_verifier=pkce.verifier)
        answer = asyncio.run(browse(running, address))
        token = session.fetch_token(authorization_response=answer, code_verifier=pkce.verifier)
        userinfo = session.get(f"{running.issuer}/oauth/userinfo").json()
        refreshed = session.refresh_token(session.metadata["token_endpoint"], refresh_token=token["refresh_token"])
        return {"token": dict(token), "userinfo": userinfo, "refreshed": dict(refreshed)}


async def test_idpyoidc_signs_in(running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # it writes its keys where it stands
    client = await running.client()
    learned = await asyncio.to_thread(_idpyoidc, running, client.client_id, client.client_secret)
    assert learned["userinfo"]["preferred_username"] == "chenwei"
    assert learned["id_token"]["iss"] == running.issuer
    assert learned["id_token"]["aud"] == [client.client_id]


def _idpyoidc(running: Running, client_id: str, client_secret: str | None) -> dict[str, Any]:
    handler = RPHandler(
        "http://127.0.0.1:9",
        client_configs={
            running.issuer: {
                "issuer": running.issuer,
                "client_id": client_id,
                "client_secret": client_secret,
                "client_type": "oidc",
                "redirect_uris": [CALLBACK],
                "preference": {"response_types": ["code"], "scope": ["openid", "profile"]},
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "add_ons": {
                    "pkce": {
                        "function": "idpyoidc.client.oauth2.add_on.pkce.add_support",
                        "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
                    }
                },
            }
        },
    )
    address = handler.begin(running.issuer, req_args={"scope": ["openid", "profile"]})
    answer = asyncio.run(browse(running, address))
    parameters = dict(parse_qsl(urlsplit(answer).query))
    result = handler.finalize(running.issuer, parameters)
    return {"userinfo": dict(result["userinfo"]), "id_token": dict(result["id_token"])}

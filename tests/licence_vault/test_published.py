"""The catalogue as a signed document: whose it is, what it says, and when it is made anew."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey

from foundation.principal import SYSTEM
from keys.model import KeyPurpose
from tests.licence_vault.samples import FOOD

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from keys.assembly import Keys
    from licence_vault.assembly import Vault


async def read(body: str, keys: Keys, purpose: KeyPurpose = KeyPurpose.TRUST_LIST) -> dict[str, Any]:
    """Return the claims as an unrelated library reads them; raises BadSignatureError."""
    der = (await keys.service.active(purpose)).public_key_der
    public = serialization.load_der_public_key(der).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    found = jws.deserialize_compact(body, ECKey.import_key(public), algorithms=["ES256"])
    assert found.headers()["typ"] == "hufu-catalogue+jwt"
    claims: dict[str, Any] = json.loads(found.payload or b"")
    return claims


async def test_the_document_says_what_the_catalogue_says(vault: Vault, keys: Keys, clock: FixedClock) -> None:
    signed = await vault.published.published()
    claims = await read(signed.body, keys)
    types = await vault.catalogue.types()
    assert claims["types"] == json.loads(json.dumps([one.published() for one in types]))
    assert {one["code"]: one["version"] for one in claims["types"]} == {one.code: 1 for one in types}
    assert claims["iat"] <= clock.now().timestamp() < claims["exp"] - 86_400
    food = next(one for one in claims["types"] if one["code"] == FOOD)
    assert food["sharing"]
    assert not {"template", "seal"} & set(food)
    with pytest.raises(BadSignatureError):
        await read(signed.body, keys, KeyPurpose.STATUS_LIST)
    with pytest.raises(BadSignatureError):
        await read(signed.body[:200] + ("A" if signed.body[200] != "A" else "B") + signed.body[201:], keys)


async def test_it_is_the_same_until_a_type_or_the_hour_changes(vault: Vault, clock: FixedClock, keys: Keys) -> None:
    clock.advance(timedelta(minutes=65 - clock.now().minute))
    first = await vault.published.published()
    clock.advance(timedelta(minutes=50))
    assert await vault.published.published() is first
    food = await vault.catalogue.get(FOOD)
    await vault.catalogue.publish(SYSTEM, replace(food, name="食品经营许可证（新）"))
    changed = await vault.published.published()
    assert changed.etag != first.etag
    assert {"食品经营许可证（新）": 2}.items() <= {
        one["name"]: one["version"] for one in (await read(changed.body, keys))["types"]
    }.items()
    clock.advance(timedelta(minutes=5))
    later = await vault.published.published()
    assert later.etag not in (first.etag, changed.etag)

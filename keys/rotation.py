"""Replacing a service key, or a whole issuing CA, by a new one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput
from keys.algorithms import for_jws
from keys.certificates import DELEGATED, Issuer
from keys.errors import KeyNotUsable
from keys.model import ONLINE_PURPOSES, KeyInfo, KeyPurpose, KeyState
from keys.service import WATCH_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from foundation.principal import Principal
    from keys.assembly import Keys

    Certify = Callable[[str], Awaitable[KeyInfo]]
    """Has the offline root certify a pending key, by its id: `offline_root.certify_authority` with its file."""

_BY_CEREMONY = (KeyPurpose.ROOT_CA, KeyPurpose.ISSUING_CA)
SETTLE_SECONDS = 4 * WATCH_SECONDS
"""Every web process looks for new keys each half second; nobody may meet a signature by a key he has not seen."""


async def rotate(
    keys: Keys, principal: Principal, purpose: KeyPurpose, *, algorithm: str = "ES256", issuer: Issuer | None = None
) -> KeyInfo:
    """Make a key, certify it where its purpose wants that, and use it; the one before it becomes retiring.

    A key of the web processes is published first and used SETTLE_SECONDS later, when all of them know it. Relying
    parties that keep a copy of the key set should see a token key before it is used: `create` it, wait for as long
    as they may keep a copy, then `activate` it.

    Raises: InvalidInput for CA keys, which only a ceremony makes, and for an OCSP key without `issuer`.
    """
    if purpose in _BY_CEREMONY or purpose in (KeyPurpose.SEAL, KeyPurpose.PERSON):
        raise InvalidInput(f"A {purpose} key is not rotated this way.", field="purpose")
    if purpose is KeyPurpose.OCSP and (issuer is None or issuer not in await keys.service.authorities()):
        raise InvalidInput("An OCSP key needs the name of its issuing CA.", field="issuer")
    owner = str(issuer) if purpose is KeyPurpose.OCSP else ""
    if purpose is KeyPurpose.CHECKPOINT:
        algorithm = "EdDSA"
    key = await keys.service.create(principal, purpose, owner, algorithm)
    if purpose is KeyPurpose.TSA:
        return await keys.ca.issue_tsa(principal, key.key_id)
    if purpose is KeyPurpose.PRESENTATION:
        return await keys.ca.issue_presentation(principal, key.key_id)
    if purpose is KeyPurpose.OCSP and issuer is not None:
        return await keys.ca.issue_ocsp(principal, key.key_id, issuer)
    if purpose in ONLINE_PURPOSES:
        await asyncio.sleep(SETTLE_SECONDS)
    return await keys.service.activate(principal, key.key_id)


async def rotate_authority(
    keys: Keys, principal: Principal, role: Issuer, certify: Certify, *, algorithm: str = "ES256"
) -> KeyInfo:
    """Put a new CA in the place of the one that certifies for a role; return its active key.

    The new one is ready, with its responder and its first list, before it certifies anybody.
    The one before goes on signing its lists and OCSP answers until the last certificate it
    issued has ended. A rotation that was interrupted goes on where it stopped.

    Raises: InvalidInput for the root; SecondOperatorRequired; KeyNotUsable when a key of another
        algorithm waits already (destroy it first); what `certify` raises.
    """
    if role not in DELEGATED:
        raise InvalidInput("Persons, seals and infrastructure have a CA that can be followed by another.", field="role")
    info = await _waiting(keys, role) or await _create_next(keys, principal, role, algorithm)
    if info.algorithm != for_jws(algorithm).name:
        raise KeyNotUsable(f"Key {info.key_id} waits with algorithm {info.algorithm}; destroy it first.")
    if not info.certificate_chain_der:
        await certify(info.key_id)
    issuer = Issuer(info.owner)
    responders = keys.service.verification_keys(KeyPurpose.OCSP)
    if not any(one.owner == issuer and one.state is KeyState.ACTIVE for one in responders):
        responder = await keys.service.create(principal, KeyPurpose.OCSP, issuer)
        await keys.ca.issue_ocsp(principal, responder.key_id, issuer)
    await keys.ca.crl_der(issuer)
    return await keys.service.activate(principal, info.key_id)


async def _waiting(keys: Keys, role: Issuer) -> KeyInfo | None:
    """Return the next generation's key, left by a rotation that stopped."""
    await keys.service.refresh(force=True)
    for info in keys.service.verification_keys(KeyPurpose.ISSUING_CA):
        if info.state is KeyState.PENDING and Issuer(info.owner).role == role:
            return info
    return None


async def _create_next(keys: Keys, principal: Principal, role: Issuer, algorithm: str) -> KeyInfo:
    owners = (Issuer(info.owner) for info in keys.service.verification_keys(KeyPurpose.ISSUING_CA))
    newest = max((issuer for issuer in owners if issuer.role == role), key=lambda issuer: issuer.generation)
    return await keys.service.create(principal, KeyPurpose.ISSUING_CA, newest.following, algorithm)

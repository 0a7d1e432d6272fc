"""Replacing a service key by a new one at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.errors import InvalidInput
from keys.certificates import Issuer
from keys.model import KeyInfo, KeyPurpose

if TYPE_CHECKING:
    from foundation.principal import Principal
    from keys.assembly import Keys

_BY_CEREMONY = (KeyPurpose.ROOT_CA, KeyPurpose.ISSUING_CA)


async def rotate(
    keys: Keys, principal: Principal, purpose: KeyPurpose, *, algorithm: str = "ES256", issuer: Issuer | None = None
) -> KeyInfo:
    """Make a key, certify it where its purpose wants that, and use it; the one before it becomes retiring.

    Relying parties that keep a copy of the key set should see a token key before it is
    used: `create` it, wait for as long as they may keep a copy, then `activate` it.

    Raises: InvalidInput for CA keys, which only a ceremony makes, and for an OCSP key without `issuer`.
    """
    if purpose in _BY_CEREMONY or purpose in (KeyPurpose.SEAL, KeyPurpose.PERSON):
        raise InvalidInput(f"A {purpose} key is not rotated this way.", field="purpose")
    if purpose is KeyPurpose.OCSP and issuer in (None, Issuer.ROOT):
        raise InvalidInput("An OCSP key needs the name of its issuing CA.", field="issuer")
    owner = str(issuer) if purpose is KeyPurpose.OCSP else ""
    if purpose is KeyPurpose.CHECKPOINT:
        algorithm = "EdDSA"
    key = await keys.service.create(principal, purpose, owner, algorithm)
    if purpose is KeyPurpose.TSA:
        return await keys.ca.issue_tsa(principal, key.key_id)
    if purpose is KeyPurpose.OCSP and issuer is not None:
        return await keys.ca.issue_ocsp(principal, key.key_id, issuer)
    return await keys.service.activate(principal, key.key_id)

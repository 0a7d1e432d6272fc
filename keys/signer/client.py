"""The signer as web and worker processes see it: calls over its socket.

One connection carries all calls of a process at once. When it breaks, calls that do no
harm twice (signatures, timestamps, answers) wait for the signer to come back and are
asked again; others fail, since their outcome is not known.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from keys.errors import ProviderUnavailable
from keys.signer.wire import MAX_ANSWER_BYTES, OPERATIONS, BadFrame, FrameReader, frame, unpack_error

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.principal import Principal
    from keys.certificates import Issuer
    from keys.model import KeyInfo, KeyPurpose
    from keys.revocation import RevocationReason
    from keys.seal_proofs import Confirmer
    from keys.signer.port import SubjectFacts

PATIENCE_SECONDS = 10.0
"""How long a call waits for a signer that restarts."""
CALL_SECONDS = 30.0


class _Broken(Exception):
    """The connection ended before the answer came."""


class _Link(asyncio.Protocol):
    """One connection and the calls that wait on it."""

    def __init__(self) -> None:
        self._reader = FrameReader(MAX_ANSWER_BYTES)
        self._waiting: dict[int, asyncio.Future[list[Any]]] = {}
        self._number = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream connection hands a Transport

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.transport = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(_Broken())
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        try:
            answers = self._reader.feed(data)
        except BadFrame:
            if self.transport is not None:
                self.transport.abort()
            return
        for answer in answers:
            future = self._waiting.pop(answer[0], None)
            if future is not None and not future.done():
                future.set_result(answer)

    async def call(self, name: str, arguments: list[object]) -> list[Any]:
        """Send one call and wait for its answer; raises _Broken, TimeoutError."""
        if self.transport is None or self.transport.is_closing():
            raise _Broken
        self._number += 1
        number = self._number
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self.transport.write(frame([number, name, arguments]))
        try:
            async with asyncio.timeout(CALL_SECONDS):
                answer: list[Any] = await future
                return answer
        finally:
            self._waiting.pop(number, None)


class SignerClient:
    """Implements `keys.signer.port.Signer` over the socket."""

    def __init__(self, path: str, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Connect on first use."""
        self._path = path
        self._patience = patience_seconds
        self._link: _Link | None = None
        self._connecting = asyncio.Lock()

    async def _linked(self) -> _Link:
        async with self._connecting:
            if self._link is None or self._link.transport is None:
                loop = asyncio.get_running_loop()
                try:
                    _, self._link = await loop.create_unix_connection(_Link, self._path)
                except OSError as error:
                    raise _Broken from error
            return self._link

    async def _call(self, name: str, *values: object) -> Any:  # noqa: ANN401 - each caller states its type
        operation = OPERATIONS[name]
        arguments = [codec.pack(value) for codec, value in zip(operation.arguments, values, strict=True)]
        deadline = time.monotonic() + self._patience
        pause = 0.02
        while True:
            sent = False
            try:
                link = await self._linked()
                sent = True
                answer = await link.call(name, arguments)
                break
            except _Broken:
                if (sent and not operation.repeatable) or time.monotonic() > deadline:
                    raise ProviderUnavailable("The signer does not answer.") from None
            except TimeoutError:
                raise ProviderUnavailable("The signer does not answer in time.") from None
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.5)
        return _value(name, answer)

    async def load(self) -> None:
        """Check that the signer answers; raises ProviderUnavailable."""
        await self._call("ping")

    async def close(self) -> None:
        """Close the connection."""
        if self._link is not None and self._link.transport is not None:
            self._link.transport.close()
        self._link = None

    async def create_key(self, principal: Principal, purpose: KeyPurpose, owner: str, algorithm: str) -> KeyInfo:
        """Make a pending key."""
        info: KeyInfo = await self._call("create_key", principal, purpose, owner, algorithm)
        return info

    async def activate_key(self, principal: Principal, key_id: str) -> KeyInfo:
        """Make a pending key active."""
        info: KeyInfo = await self._call("activate_key", principal, key_id)
        return info

    async def retire_key(self, principal: Principal, key_id: str) -> KeyInfo:
        """End a key's use."""
        info: KeyInfo = await self._call("retire_key", principal, key_id)
        return info

    async def compromise_key(self, principal: Principal, key_id: str, not_trusted_from: datetime) -> KeyInfo:
        """Mark a key compromised and revoke its certificates."""
        info: KeyInfo = await self._call("compromise_key", principal, key_id, not_trusted_from)
        return info

    async def destroy_key(self, principal: Principal, key_id: str) -> KeyInfo:
        """Erase the private part of a key that is out of use."""
        info: KeyInfo = await self._call("destroy_key", principal, key_id)
        return info

    async def sign_digest(self, key_id: str, purpose: KeyPurpose, digest: bytes, intention_id: str | None) -> bytes:
        """Sign what a caller prepared, with a key of a purpose that allows it."""
        signature: bytes = await self._call("sign_digest", key_id, purpose, digest, intention_id)
        return signature

    async def sign_message(self, key_id: str, purpose: KeyPurpose, message: bytes) -> bytes:
        """Sign a whole message, with a service key of a purpose that allows it."""
        signature: bytes = await self._call("sign_message", key_id, purpose, message)
        return signature

    async def try_key(self, key_id: str) -> None:
        """Check that a seal's key signs under its certificate."""
        await self._call("try_key", key_id)

    async def pin(self, principal: Principal, confirmer: Confirmer) -> None:
        """Pin who or what confirms the use of seals."""
        await self._call("pin", principal, confirmer)

    async def unpin(self, principal: Principal, confirmer_id: str) -> None:
        """Take a pin back."""
        await self._call("unpin", principal, confirmer_id)

    async def certify(self, principal: Principal, key_id: str, subject: SubjectFacts) -> KeyInfo:
        """Issue a certificate for a pending key and make the key active; for an active key, renew it."""
        info: KeyInfo = await self._call("certify", principal, key_id, subject)
        return info

    async def certify_request(self, principal: Principal, csr_der: bytes, subject: SubjectFacts) -> bytes:
        """Issue a certificate for a key held elsewhere."""
        certificate: bytes = await self._call("certify_request", principal, csr_der, subject)
        return certificate

    async def revoke(
        self, principal: Principal, serial: int, reason: RevocationReason, invalid_from: datetime | None
    ) -> None:
        """Revoke a certificate and publish the list."""
        await self._call("revoke", principal, serial, reason, invalid_from)

    async def crl(self, issuer: Issuer) -> bytes:
        """Return a list that is current."""
        crl: bytes = await self._call("crl", issuer)
        return crl

    async def delta_crl(self, issuer: Issuer) -> bytes:
        """Return a delta to the newest list."""
        crl: bytes = await self._call("delta_crl", issuer)
        return crl

    async def timestamp(self, digest: bytes, nonce: int | None) -> bytes:
        """Return a TimeStampToken over a SHA-256 digest."""
        token: bytes = await self._call("timestamp", digest, nonce)
        return token

    async def timestamp_response(self, request_der: bytes) -> bytes:
        """Answer a TimeStampReq."""
        answer: bytes = await self._call("timestamp_response", request_der)
        return answer

    async def ocsp_response(self, request_der: bytes) -> bytes:
        """Answer an OCSPRequest."""
        answer: bytes = await self._call("ocsp_response", request_der)
        return answer

    async def ocsp_response_for(self, certificate_der: bytes) -> bytes:
        """Return the status of one of our certificates."""
        answer: bytes = await self._call("ocsp_response_for", certificate_der)
        return answer


def _value(name: str, answer: list[Any]) -> object:
    """Return an answer's value, or raise the error it carries."""
    match answer:
        case [_, 0, value]:
            return OPERATIONS[name].result.unpack(value)
        case [_, 1, str(kind), str(detail), (str() | None) as field]:
            raise unpack_error(kind, detail, field)
        case _:
            raise ProviderUnavailable("The signer's answer is not understood.")

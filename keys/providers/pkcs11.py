"""Keys in a PKCS #11 token; they are made there and never leave.

A process logs in once: a token refuses a second login, so everything in a process that
names the same token shares one session, and a lock lets one call at a time use it. A
key is found by a label that names its purpose and algorithm, so a database row pointed
at another key does not open.
"""

from __future__ import annotations

import hmac
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar, cast

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, TokenFlag
from pkcs11.exceptions import (
    NoSuchKey,
    PinIncorrect,
    PinLenRange,
    PinLocked,
    PKCS11Error,
)

from keys import der
from keys.algorithms import ED25519, P256_SHA256, RSA_SHA256
from keys.errors import KeystoreLocked, ProviderUnavailable, UnsupportedAlgorithm
from keys.providers.base import CertificateSigner, GeneratedKey, KeyIdentity
from keys.providers.refused_pin import RefusedPin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keys.providers.base import PrivateKey

_P256 = der.oid("1.2.840.10045.3.1.7")
_EC_KEY = der.sequence(der.oid("1.2.840.10045.2.1"), _P256)
_RSA_KEY = der.sequence(der.oid("1.2.840.113549.1.1.1"), der.tlv(der.NULL, b""))
_ED25519 = der.oid("1.3.101.112")
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
"""The head of a DigestInfo over SHA-256, RFC 8017 section 9.2 note 1."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TokenAddress:
    """Which token: the library's path and the token's label."""

    module: str
    label: str


class _Token:
    """The one session of this process with one token."""

    _open: dict[TokenAddress, _Token] = {}  # noqa: RUF012 - shared on purpose: a token takes one login a process
    _opening = threading.Lock()

    def __init__(self, address: TokenAddress, pin: str, refused: RefusedPin) -> None:
        self._address = address
        self._pin = pin
        self._refused = refused
        self._lock = threading.RLock()
        self._session: pkcs11.Session | None = None
        self.users = 0

    @classmethod
    def share(cls, address: TokenAddress, pin: str, refused: RefusedPin) -> _Token:
        """Return the process's session with a token, logging in at the first call.

        The token would let any PIN pass while it is logged in, so a later caller's is compared here.
        """
        with cls._opening:
            token = cls._open.get(address) or cls(address, pin, refused)
            token._require(pin)  # noqa: SLF001 - its own class
            token.session()
            cls._open[address] = token
            token.users += 1
            return token

    def _require(self, pin: str) -> None:
        if not hmac.compare_digest(self._pin.encode(), pin.encode()):
            raise KeystoreLocked("This is not the PIN the token was opened with.")

    def release(self) -> None:
        """Log out once nobody uses the session any more."""
        with self._opening:
            self.users -= 1
            if self.users == 0:
                self._open.pop(self._address, None)
                self._drop()

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            try:
                session.close()
            except PKCS11Error:
                return  # it is gone already, which is what was wanted

    def session(self) -> pkcs11.Session:
        """Return the open session, or log in; raises KeystoreLocked, ProviderUnavailable."""
        with self._lock:
            if self._session is None:
                self._session = self._log_in()
            return self._session

    def _log_in(self) -> pkcs11.Session:
        """Log in without ever using up the token's last try."""
        self._refused.check(self._pin)
        try:
            token = pkcs11.lib(self._address.module).get_token(token_label=self._address.label)
            if token.flags & (TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_LOCKED):
                raise KeystoreLocked("One more wrong PIN would lock the token: log in once by hand with the right one.")
            session = token.open(user_pin=self._pin, rw=True)
        except (PinIncorrect, PinLenRange, PinLocked):
            self._refused.remember(self._pin)
            raise KeystoreLocked("The token refuses the PIN; it is not tried again.") from None
        except (PKCS11Error, RuntimeError, OSError) as error:
            raise ProviderUnavailable("The PKCS #11 token does not answer.") from error
        self._refused.forget()
        return session

    def call(self, work: Callable[[pkcs11.Session], T]) -> T:
        """Do work in the session; after a failure the next call logs in anew."""
        with self._lock:
            try:
                return work(self.session())
            except PKCS11Error as error:
                self._drop()
                raise ProviderUnavailable("The PKCS #11 token failed.") from error


class _Signs(Protocol):
    """A private key object of the binding, whose types leave signing out."""

    def sign(self, data: bytes, *, mechanism: Mechanism) -> bytes: ...


class _TokenKey:
    """A key in the token."""

    def __init__(self, token: _Token, label: str, public_key_der: bytes, algorithm: str) -> None:
        self._token = token
        self._label = label
        self._algorithm = algorithm
        self.public_key = load_der_public_key(public_key_der)
        self._found: tuple[pkcs11.Session, _Signs] | None = None

    def _key(self, session: pkcs11.Session) -> _Signs:
        if self._found is None or self._found[0] is not session:
            found = session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=self._label)
            self._found = (session, cast("_Signs", found))
        return self._found[1]

    def find(self, public_key_der: bytes) -> None:
        """Raise KeystoreLocked unless the token has the key, with this public half."""

        def look(session: pkcs11.Session) -> bytes | None:
            try:
                self._key(session)
                public = session.get_key(object_class=ObjectClass.PUBLIC_KEY, label=self._label)
            except NoSuchKey:
                return None
            return _PUBLIC[self._algorithm](cast("pkcs11.PublicKey", public))

        if self._token.call(look) != public_key_der:
            raise KeystoreLocked("The token does not hold this key.")

    def sign(self, message: bytes, *, jws: str | None = None) -> bytes:
        del jws  # token keys are the signer's, which signs no PS256
        if self._algorithm == ED25519:
            return self._token.call(lambda session: self._key(session).sign(message, mechanism=Mechanism.EDDSA))
        digest = Hash(SHA256())
        digest.update(message)
        return self.sign_digest(digest.finalize())

    def sign_digest(self, digest: bytes) -> bytes:
        if self._algorithm == RSA_SHA256:
            info = _DIGEST_INFO + digest
            return self._token.call(lambda session: self._key(session).sign(info, mechanism=Mechanism.RSA_PKCS))
        if self._algorithm == ED25519:
            raise UnsupportedAlgorithm("Ed25519 keys sign messages, not digests.", field="algorithm")
        raw = self._token.call(lambda session: self._key(session).sign(digest, mechanism=Mechanism.ECDSA))
        half = len(raw) // 2
        return utils.encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))

    def certificate_signer(self) -> CertificateSigner:
        return _RsaFace(self) if self._algorithm == RSA_SHA256 else _EcFace(self)


def _stays() -> NoReturn:
    message = "a key in a token does not leave it"
    raise TypeError(message)


class _EcFace(ec.EllipticCurvePrivateKey):
    """What the certificate builders need of an EC key."""

    def __init__(self, key: _TokenKey) -> None:
        self._key = key

    def __copy__(self) -> _EcFace:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> _EcFace:
        return self

    @property
    def curve(self) -> ec.EllipticCurve:
        return ec.SECP256R1()

    @property
    def key_size(self) -> int:
        return 256

    def sign(self, data: bytes, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:  # type: ignore[override]
        del signature_algorithm  # ECDSA with SHA-256: the profile has no other
        return self._key.sign(data)

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._key.public_key  # type: ignore[return-value]  # its profile says so

    def exchange(self, *_: object) -> bytes:
        _stays()

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        _stays()

    def private_bytes(self, *_: object) -> bytes:
        _stays()


class _RsaFace(rsa.RSAPrivateKey):
    """What the certificate builders need of an RSA key."""

    def __init__(self, key: _TokenKey) -> None:
        self._key = key

    def __copy__(self) -> _RsaFace:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> _RsaFace:
        return self

    @property
    def key_size(self) -> int:
        return 3072

    def sign(self, data: bytes, *_: object) -> bytes:
        return self._key.sign(data)

    def public_key(self) -> rsa.RSAPublicKey:
        return self._key.public_key  # type: ignore[return-value]  # its profile says so

    def decrypt(self, *_: object) -> bytes:
        _stays()

    def private_numbers(self) -> rsa.RSAPrivateNumbers:
        _stays()

    def private_bytes(self, *_: object) -> bytes:
        _stays()


def _generate_ec(session: pkcs11.Session, label: str, identifier: bytes) -> pkcs11.PublicKey:
    parameters = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: _P256}, local=True)
    return parameters.generate_keypair(store=True, label=label, id=identifier)[0]


def _generate_ed25519(session: pkcs11.Session, label: str, identifier: bytes) -> pkcs11.PublicKey:
    parameters = session.create_domain_parameters(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _ED25519}, local=True)
    made = parameters.generate_keypair(
        mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN, store=True, label=label, id=identifier
    )
    return made[0]


def _generate_rsa(session: pkcs11.Session, label: str, identifier: bytes) -> pkcs11.PublicKey:
    return session.generate_keypair(KeyType.RSA, 3072, store=True, label=label, id=identifier)[0]


def _ec_der(public: pkcs11.PublicKey) -> bytes:
    return der.sequence(_EC_KEY, der.bit_string(_point(public)))


def _ed25519_der(public: pkcs11.PublicKey) -> bytes:
    return der.sequence(der.sequence(_ED25519), der.bit_string(_point(public)))


def _rsa_der(public: pkcs11.PublicKey) -> bytes:
    numbers = (public[Attribute.MODULUS], public[Attribute.PUBLIC_EXPONENT])
    modulus, exponent = (der.integer(int.from_bytes(number, "big")) for number in numbers)
    return der.sequence(_RSA_KEY, der.bit_string(der.sequence(modulus, exponent)))


def _point(public: pkcs11.PublicKey) -> bytes:
    return der.parse(bytes(public[Attribute.EC_POINT])).expect(der.OCTET_STRING).content


_GENERATORS = {P256_SHA256: _generate_ec, RSA_SHA256: _generate_rsa, ED25519: _generate_ed25519}
_PUBLIC = {P256_SHA256: _ec_der, RSA_SHA256: _rsa_der, ED25519: _ed25519_der}


class Pkcs11Provider:
    """Generates, opens and destroys keys in one token."""

    name = "pkcs11"
    blocking = True

    def __init__(self, address: TokenAddress, pin: str, refused_file: Path) -> None:
        """Log in; raises KeystoreLocked for a wrong PIN (tried once), ProviderUnavailable."""
        self._token: _Token | None = _Token.share(address, pin, RefusedPin(refused_file))

    def _shared(self) -> _Token:
        if self._token is None:
            raise ProviderUnavailable("The PKCS #11 session is closed.")
        return self._token

    def generate(self, identity: KeyIdentity) -> GeneratedKey:
        """Make a key pair in the token: sensitive, and not extractable."""
        name, identifier = identity.algorithm, identity.key_id.encode()
        if name not in _GENERATORS:
            raise UnsupportedAlgorithm(f"The token has no {name} keys.", field="algorithm")
        public_key_der = self._shared().call(
            lambda session: _PUBLIC[name](_GENERATORS[name](session, identity.context, identifier))
        )
        return GeneratedKey(public_key_der, identifier)

    def open(self, identity: KeyIdentity, stored: bytes, public_key_der: bytes) -> PrivateKey:
        """Find a key by its identity; raises KeystoreLocked when the token does not hold it."""
        del stored  # the label, which names purpose and algorithm too, is looked for instead
        key = _TokenKey(self._shared(), identity.context, public_key_der, identity.algorithm)
        key.find(public_key_der)
        return key

    def destroy(self, identity: KeyIdentity, stored: bytes) -> None:
        """Delete both halves from the token."""

        def delete(session: pkcs11.Session) -> None:
            for found in list(session.get_objects({Attribute.LABEL: identity.context, Attribute.ID: stored})):
                found.destroy()

        self._shared().call(delete)

    def close(self) -> None:
        """Give up this user's share of the session."""
        token, self._token = self._token, None
        if token is not None:
            token.release()

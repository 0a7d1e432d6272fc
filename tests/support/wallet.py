"""A person's wallet and the issuers of what is in it, written apart from the verifier they talk to.

Selective disclosure is put together here from RFC 9901 itself, so that a test can also make what no
library would: every part may be left out, exchanged or made wrong.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import secrets
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwe, jws
from joserfc.jwk import ECKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from httpx2 import AsyncClient, Response

VCT = "https://credentials.example/licence"
ISSUER = "https://issuer.example"


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def digest(text: str) -> str:
    return b64url(hashlib.sha256(text.encode()).digest())


def disclosure(*parts: object) -> str:
    return b64url(json.dumps(parts, ensure_ascii=False).encode())


class Anything(jws.JWSRegistry):
    """Signs headers that no library would, so that a test can send them."""

    max_header_length = 1 << 20

    def check_header(self, header: Mapping[str, Any]) -> None:
        del header


def sign(header: Mapping[str, Any], claims: Mapping[str, Any], key: ECKey) -> str:
    return jws.serialize_compact(dict(header), json.dumps(claims), key, registry=Anything(algorithms=["ES256"]))


@dataclass
class Issuer:
    """Signs credentials; known by its JWK set, or by certificates in the header."""

    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "issuer-1"}))
    iss: str | None = ISSUER
    x5c: Sequence[str] = ()

    @property
    def jwks(self) -> list[dict[str, Any]]:
        return [{**self.key.as_dict(private=False), "kid": "issuer-1"}]

    def header(self, typ: str) -> dict[str, Any]:
        named = {"x5c": list(self.x5c)} if self.x5c else {"kid": "issuer-1"}
        return {"alg": "ES256", "typ": typ, **named}

    def issue(
        self,
        holder: ECKey | None,
        claims: Mapping[str, Any],
        *,
        vct: str = VCT,
        header: Mapping[str, Any] | None = None,
        **more: Any,  # noqa: ANN401 - further claims in the open, any JSON
    ) -> Credential:
        """Issue a credential whose `claims` are each disclosed or not as the holder likes."""
        texts = {name: disclosure(secrets.token_urlsafe(16), name, value) for name, value in claims.items()}
        payload: dict[str, Any] = {"vct": vct, "_sd": sorted(map(digest, texts.values())), "_sd_alg": "sha-256"}
        if self.iss is not None:
            payload["iss"] = self.iss
        if holder is not None:
            payload["cnf"] = {"jwk": holder.as_dict(private=False)}
        payload |= more
        payload = {name: value for name, value in payload.items() if value is not None}
        return Credential(sign({**self.header("dc+sd-jwt"), **(header or {})}, payload, self.key), texts)

    def status_list(self, uri: str, values: Mapping[int, int], *, iat: int, bits: int = 2, **more: Any) -> str:  # noqa: ANN401 - further claims
        """Return a status list token with some values, the others 0."""
        packed = bytearray(64)
        for index, value in values.items():
            place, shift = divmod(index * bits, 8)
            packed[place] |= value << shift
        claims = {"sub": uri, "iat": iat, "status_list": {"bits": bits, "lst": b64url(zlib.compress(packed))}}
        return sign(self.header("statuslist+jwt"), {**claims, "ttl": 60, **more}, self.key)


@dataclass(frozen=True)
class Credential:
    """An issued credential with all its disclosures by name."""

    jwt: str
    disclosures: Mapping[str, str]


@dataclass
class Holder:
    """Whoever holds the key that a credential is bound to."""

    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))

    def present(
        self,
        credential: Credential,
        names: Iterable[str],
        *,
        audience: str,
        nonce: str,
        iat: int,
        header: Mapping[str, Any] | None = None,
        **claims: Any,  # noqa: ANN401 - further claims of the KB-JWT
    ) -> str:
        """Return the presentation: credential, chosen disclosures, the holder's signature for this request."""
        hashed = "~".join([credential.jwt, *(credential.disclosures[name] for name in names), ""])
        made = {"aud": audience, "nonce": nonce, "iat": iat, "sd_hash": digest(hashed), **claims}
        return hashed + sign({"alg": "ES256", "typ": "kb+jwt", **(header or {})}, made, self.key)


@dataclass(frozen=True)
class AskedFor:
    """A request object whose signature holds under the certificate its `client_id` names."""

    claims: Mapping[str, Any]
    chain: tuple[x509.Certificate, ...]

    @property
    def queries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.claims["dcql_query"]["credentials"]
        return found


class Wallet:
    """Speaks OpenID4VP over HTTP: takes a link, asks for the request, checks it, answers."""

    def __init__(self, client: AsyncClient, roots: Sequence[x509.Certificate], now: int) -> None:
        self.client, self.roots, self.now = client, roots, now
        self.holder = Holder()

    async def take(self, link: str, *, post: bool = True, client_id: str | None = None) -> AskedFor:
        """Fetch the request a link leads to and check what a careful wallet checks."""
        said = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        nonce = secrets.token_urlsafe(16)
        if post:
            assert said["request_uri_method"] == "post"
            answer = await self.client.post(said["request_uri"], data={"wallet_nonce": nonce})
        else:
            answer = await self.client.get(said["request_uri"])
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/oauth-authz-req+jwt"
        asked = self.check(answer.text, client_id or said["client_id"])
        assert asked.claims.get("wallet_nonce") == (nonce if post else None)
        return asked

    def check(self, token: str, client_id: str) -> AskedFor:
        header = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
        assert (header["typ"], header["alg"]) == ("oauth-authz-req+jwt", "ES256")
        ders = [base64.b64decode(text) for text in header["x5c"]]
        chain = tuple(x509.load_der_x509_certificate(der) for der in ders)
        for lower, upper in itertools.pairwise(chain):
            lower.verify_directly_issued_by(upper)
        anchor = next(root for root in self.roots if root.subject == chain[-1].issuer)
        chain[-1].verify_directly_issued_by(anchor)
        assert anchor not in chain
        registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
        registry.max_header_length = 1 << 16
        key = _key_of(chain[0])
        claims = json.loads(jws.deserialize_compact(token, key, registry=registry).payload)
        assert client_id == claims["client_id"] == f"x509_hash:{b64url(hashlib.sha256(ders[0]).digest())}"
        assert (claims["response_type"], claims["aud"]) == ("vp_token", "https://self-issued.me/v2")
        assert claims["iat"] <= self.now + 60 < claims["exp"] + 60
        return AskedFor(claims, chain)

    def present(self, asked: AskedFor, credential: Credential, names: Iterable[str], **more: Any) -> str:  # noqa: ANN401 - claims
        """Return one credential for a request."""
        claims = {"audience": asked.claims["client_id"], "nonce": asked.claims["nonce"], "iat": self.now, **more}
        return self.holder.present(credential, names, **claims)

    def response(self, asked: AskedFor, vp_token: object, *, key: ECKey | None = None, **more: Any) -> dict[str, str]:  # noqa: ANN401 - further members
        """Return the form to post, encrypted where the request asks for it."""
        members = {"vp_token": vp_token, "state": asked.claims["state"], **more}
        if asked.claims["response_mode"] == "direct_post":
            return {**members, "vp_token": json.dumps(vp_token)}
        (jwk,) = asked.claims["client_metadata"]["jwks"]["keys"]
        header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": jwk["kid"]}
        registry = jwe.JWERegistry(algorithms=["ECDH-ES", "A256GCM"])
        registry.max_ciphertext_length = 1 << 22
        public = key or ECKey.import_key(jwk)
        return {"response": jwe.encrypt_compact(header, json.dumps(members), public, registry=registry)}

    async def send(self, asked: AskedFor, form: Mapping[str, str]) -> Response:
        """Post an answer to where the request says."""
        return await self.client.post(asked.claims["response_uri"], data=dict(form))


def _key_of(certificate: x509.Certificate) -> ECKey:
    pem = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return ECKey.import_key(pem)

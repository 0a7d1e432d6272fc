"""A small OpenID Provider of another administration: signs one person in at once, and misbehaves on request."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from tests.support.loopback import LoopbackServer

CLIENT_ID, CLIENT_SECRET = "hufu-city", "the province's secret, for tests"


class UpstreamOp(LoopbackServer):
    """Speaks discovery, authorization code with PKCE, token and JWKS; keeps what it was asked.

    `accepts` is how its client proves itself, `client_keys` whom it believes an assertion. It lies on
    request: `claims` change what an ID token says, `alg`, `forged` and `replayed` who signed it and
    when, `answer` and `metadata` what it says elsewhere; `delay_seconds` and `down` keep it from
    answering the token request.
    """

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", auto_kid=True)
        self.subject, self.acr = "prov-4711", "province-high"
        self.claims: dict[str, Any] = {}
        self.answer: dict[str, str | None] = {}
        self.metadata: dict[str, Any] = {}
        self.alg = "ES256"
        self.accepts = "client_secret_basic"
        self.client_keys: Any = {"keys": []}
        self.forged, self.replayed, self.down = False, False, False
        self.delay_seconds = 0.0
        self.audience_is_endpoint = False
        self._last, self._jtis = "", set[str]()
        self.asked: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}
        op = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path == "/authorize":
                    self.send_response(303)
                    self.send_header("location", op.authorize(_flat(parts.query)))
                    self.send_header("content-length", "0")
                    self.end_headers()
                    return
                pages = {"/.well-known/openid-configuration": op.document, "/jwks": op.jwks}
                self._json(200 if parts.path in pages else 404, pages.get(parts.path, dict)())

            def do_POST(self) -> None:
                form = _flat(self.rfile.read(int(self.headers["content-length"])).decode())
                time.sleep(op.delay_seconds)
                if op.down:
                    self._json(503, {"error": "temporarily_unavailable"})
                    return
                self._json(*op.token(form, self.headers.get("authorization", "")))

            def _json(self, status: int, body: dict[str, Any]) -> None:
                encoded = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(Handler)

    def rotate(self) -> None:
        """Sign with a new key from now on."""
        self.key = ECKey.generate_key("P-256", auto_kid=True)

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }

    def jwks(self) -> dict[str, Any]:
        return {"keys": [{**self.key.as_dict(private=False), "use": "sig", "alg": "ES256"}]}

    def authorize(self, asked: dict[str, str]) -> str:
        """Return where the browser goes after the person signed in."""
        self.asked.append(asked)
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        told = {"code": code, "state": asked["state"], "iss": self.url, **self.answer}
        present = {name: value for name, value in told.items() if value is not None}
        return f"{asked['redirect_uri']}?{urlencode(present)}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Answer the token endpoint; a wrong client, verifier or code is refused."""
        asked = self._codes.pop(form.get("code", ""), None)
        if not self._is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        if asked is None or form.get("redirect_uri") != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        access_token = secrets.token_urlsafe(16)
        return 200, {"access_token": access_token, "token_type": "Bearer", "id_token": self._id_token(asked)}

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        """Tell whether the client proved itself, in the registered way and no other."""
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        shown = {
            "client_secret_basic": authorization == f"Basic {basic}",
            "client_secret_post": (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET),
            "private_key_jwt": "client_assertion" in form and self._asserted(form["client_assertion"]),
        }
        return [name for name, proven in shown.items() if proven] == [self.accepts]

    def _asserted(self, assertion: str) -> bool:
        try:
            found = jws.deserialize_compact(assertion, KeySet.import_key_set(self.client_keys), ["ES256"])
        except JoseError:
            return False
        claims, now = json.loads(found.payload), time.time()
        fresh = claims["jti"] not in self._jtis and claims["iat"] <= now + 1 < claims["exp"] <= now + 300
        self._jtis.add(claims["jti"])
        named = (claims["iss"], claims["sub"], claims["aud"]) == (CLIENT_ID, CLIENT_ID, self.audience())
        return fresh and named and found.headers()["typ"] == "client-authentication+jwt"

    def audience(self) -> str:
        """Return what an assertion must be meant for."""
        return f"{self.url}/token" if self.audience_is_endpoint else self.url

    def _id_token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": self.subject,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "acr": self.acr,
            "name": "陈伟",
            **self.claims,
        }
        present = json.dumps({name: value for name, value in claims.items() if value is not None})
        if self.alg == "none":
            head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
            return f"{head}.{base64.urlsafe_b64encode(present.encode()).rstrip(b'=').decode()}."
        if self.replayed:
            return self._last
        key = ECKey.generate_key("P-256") if self.forged else self.key
        self._last = jws.serialize_compact({"alg": "ES256", "kid": self.key.kid}, present, key, ["ES256"])
        return self._last


def _flat(encoded: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(encoded, keep_blank_values=True).items()}

"""The neighbouring city 邻市: an authority of its own, an issuer under it, and the lists both publish.

Its authority's key is written here for all to read, as the demo city's passwords are: whoever runs the demo
may issue in its name, and nobody else trusts it.
"""

from __future__ import annotations

import base64
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey

from hufu.demo_city import NEIGHBOUR_ANCHOR_PEM, NEIGHBOUR_KEY, RESIDENT_TYPE
from tests.support.wallet import Credential, Issuer

if TYPE_CHECKING:
    from collections.abc import Mapping

VALUES = {"valid": 0, "revoked": 1, "suspended": 2}
PLACE = 7
HOUR = timedelta(hours=1)
RESIDENT = {
    "name": "林一诺",
    "birthdate": "1994-08-19",
    "address": {"locality": "邻市", "street_address": "湖滨路 6 号"},
}


class Neighbour:
    """Issues one resident's credential and serves its lists while the wallet is open."""

    def __init__(self) -> None:
        """Make this run's issuer certificate; nothing is opened."""
        self._authority = x509.load_pem_x509_certificate(NEIGHBOUR_ANCHOR_PEM.encode())
        self._authority_key = ec.derive_private_key(NEIGHBOUR_KEY, ec.SECP256R1())
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._served: dict[str, bytes] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._served))
        self._url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Serve the lists."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._served["/authority.crl"] = self._revocation_list()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def issue(self, holder: ECKey, state: str = "valid") -> Credential:
        """Issue the resident's credential to a wallet's key."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        certificate = base64.b64encode(self._certificate().public_bytes(Encoding.DER)).decode()
        issuer, now = Issuer(ECKey.import_key(pem), None, [certificate]), int(time.time())
        uri = f"{self._url}/status"
        self._served["/status"] = issuer.status_list(uri, {PLACE: VALUES[state]}, iat=now).encode()
        status = {"status_list": {"idx": PLACE, "uri": uri}}
        return issuer.issue(holder, RESIDENT, vct=RESIDENT_TYPE, iat=now, exp=now + 86_400, status=status)

    def _certificate(self) -> x509.Certificate:
        now = datetime.now(UTC)
        lists = x509.DistributionPoint([x509.UniformResourceIdentifier(f"{self._url}/authority.crl")], None, None, None)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "邻市公安局")])
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._authority.subject)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - HOUR)
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.CRLDistributionPoints([lists]), critical=False)
            .sign(self._authority_key, hashes.SHA256())
        )

    def _revocation_list(self) -> bytes:
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._authority.subject)
        builder = builder.last_update(now - HOUR).next_update(now + HOUR)
        return builder.sign(self._authority_key, hashes.SHA256()).public_bytes(Encoding.DER)


def _handler(served: Mapping[str, bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = served.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    return Handler

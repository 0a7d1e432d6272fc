"""One good presentation, and the request it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.support.wallet import ISSUER, VCT, Credential, Holder, Issuer
from verification.presentation.credential import Examined, Expectation, examine
from verification.presentation.dcql import read_query
from verification.presentation.issuers import TrustedIssuer, TrustKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from verification.presentation.dcql import Query

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
CLIENT = "x509_hash:Uvo3HtuIxuhC92rShpgqcT3YXwrqRxWEviRiA0OZszk"
NONCE = "n-0S6_WzA2MjkjJ5cGxlZQ"
STATUS = {"status_list": {"idx": 5, "uri": f"{ISSUER}/statuslists/1"}}
CLAIMS = {
    "name": "陈伟",
    "licence_number": "JY25001010000042",
    "birthdate": "1990-03-07",
    "address": {"city": "演示市"},
}


def asking(
    names: Sequence[str] = ("name", "licence_number"),
    *,
    vct: str = VCT,
    **more: Any,  # noqa: ANN401 - members of a query
) -> Query:
    claims = {"claims": [{"path": [name]} for name in names]} if names else {}
    credential = {"id": "licence", "format": "dc+sd-jwt", "meta": {"vct_values": [vct]}, **claims, **more}
    return read_query({"credentials": [credential]})


@dataclass
class Party:
    """An issuer, a holder and a verifier that trusts the issuer."""

    issuer: Issuer = field(default_factory=Issuer)
    holder: Holder = field(default_factory=Holder)

    def trusted(self, **more: Any) -> TrustedIssuer:  # noqa: ANN401 - fields of an issuer
        fields: dict[str, Any] = {
            "kind": TrustKind.JWKS,
            "vct_values": frozenset({VCT}),
            "issuer": ISSUER,
            "keys": tuple(self.issuer.jwks),
        }
        return TrustedIssuer("iss_1", "演示发证机关", **{**fields, **more})

    def credential(self, claims: Mapping[str, Any] = CLAIMS, **more: Any) -> Credential:  # noqa: ANN401 - claims
        times = {"iat": SECONDS - 3600, "exp": SECONDS + 3600, "status": STATUS}
        return self.issuer.issue(self.holder.key, claims, **{**times, **more})

    def present(
        self,
        credential: Credential | None = None,
        names: Sequence[str] = ("name", "licence_number"),
        **more: Any,  # noqa: ANN401 - claims of the holder's signature
    ) -> str:
        said = {"audience": CLIENT, "nonce": NONCE, "iat": SECONDS, **more}
        return self.holder.present(credential or self.credential(), names, **said)

    def judge(
        self, presentation: object, query: Query | None = None, *, trusted: TrustedIssuer | None = None
    ) -> Examined:
        asked = (query or asking()).credentials
        expectation = Expectation(CLIENT, NONCE, NOW, NOW)
        return examine(presentation, asked[0], asked, expectation, [trusted or self.trusted()])

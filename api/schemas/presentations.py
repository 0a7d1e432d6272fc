"""Presentations from wallets as JSON."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from api.schemas.common import Answer, Schema
from api.schemas.verification import VerifiedAnswer
from verification.presentation.service import PresentationRequest, Started


class AskPresentation(Schema):
    """What a wallet is asked for, and why."""

    query: Annotated[dict[str, Any], Field(description="A DCQL query (OpenID4VP 1.0, section 6) for dc+sd-jwt.")]
    purpose: Annotated[str, Field(min_length=1, max_length=200, description="Shown to the person.")]
    response_mode: Literal["direct_post.jwt", "direct_post"] = "direct_post.jwt"
    return_uri: Annotated[
        str, Field(max_length=300, description="Where a wallet on the same device leads its owner back to; registered.")
    ] = ""

    def request(self) -> PresentationRequest:
        """Return the use case's own request."""
        return PresentationRequest(self.query, self.purpose, self.response_mode, self.return_uri)


class PresentationAnswer(Answer):
    """How far a request is: waiting, judging, answered, declined, collected, cancelled or expired."""

    transaction_id: str
    state: str
    verdict: Annotated[str | None, Field(description="VALID, INVALID or UNDETERMINED once a wallet answered.")]
    purpose: str
    created_at: AwareDatetime
    expires_at: AwareDatetime


class StartedAnswer(PresentationAnswer):
    """A request that waits for a wallet."""

    client_id: str
    request_uri: str
    request_uri_method: str = "post"
    wallet_link: Annotated[str, Field(description="The text of the QR code, or a link on the same device.")]

    @classmethod
    def of(cls, started: Started) -> "StartedAnswer":
        """Return the answer to a request that was just made."""
        one = started.transaction
        return cls(
            **PresentationAnswer.model_validate(one).model_dump(),
            client_id=one.client_id,
            request_uri=started.request_uri,
            wallet_link=started.wallet_link,
        )


class CollectPresentation(Schema):
    """The code a wallet's owner was led back with; none where the wallet is on another device."""

    response_code: Annotated[str | None, Field(min_length=1, max_length=100)] = None


class PresentedAnswer(Answer):
    """What was asked for of one credential."""

    id: Annotated[str, Field(description="Of the credential query it answers.")]
    vct: str
    issuer: str
    claims: dict[str, Any]


class CollectedAnswer(VerifiedAnswer):
    """The verdict with its receipt, and what was asked for when it is VALID; once."""

    credentials: list[PresentedAnswer]

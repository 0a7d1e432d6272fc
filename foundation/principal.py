"""Who acts, established at the edge and passed down to every use case."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class PrincipalKind(StrEnum):
    """What sort of actor a principal is."""

    PERSON = "person"
    ENTERPRISE = "enterprise"
    OFFICER = "officer"
    OPERATOR = "operator"
    CLIENT = "client"
    SYSTEM = "system"
    ANONYMOUS = "anonymous"


class Channel(StrEnum):
    """Where an act came in (requirement I2)."""

    WEB = "web"
    MOBILE = "mobile"
    KIOSK = "kiosk"
    COUNTER = "counter"
    HOTLINE = "hotline"
    API = "api"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated actor and what it may do.

    `subject_id` is our own identifier of the actor: an account, officer or
    client id. `person_id` is set once an account's real name is proven.
    `organisation_code` is the 18-character credit code of the tenant the actor
    works for. `actor_id` names the one who acts for the subject (`act.sub`).
    `authorization` is the one act a token is bound to, allowed by `grant_id`: such a
    principal may do that act and nothing else. `proof` is the DPoP proof a client's request
    came with, checked already; the signer checks it again before it uses a seal.
    An officer is the subject of one post: `post` is its name, `district_code` its district, and
    `posts` are the ids of all posts the same human ever held, this one included.
    """

    kind: PrincipalKind
    subject_id: str
    person_id: str | None = None
    organisation_code: str | None = None
    client_id: str | None = None
    actor_id: str | None = None
    scopes: frozenset[str] = field(default_factory=frozenset)
    acr: str = "L0"
    amr: tuple[str, ...] = ()
    auth_time: datetime | None = None
    session_id: str | None = None
    channel: Channel = Channel.API
    sender_constrained: bool = False
    grant_id: str | None = None
    authorization: Mapping[str, Any] | None = None
    proof: str | None = field(default=None, repr=False)
    post: str | None = None
    district_code: str | None = None
    posts: frozenset[str] = frozenset()

    @property
    def audit_name(self) -> str:
        """Return `kind:subject_id`, the form audit rows hold."""
        return f"{self.kind}:{self.subject_id}"

    @property
    def audit_names(self) -> frozenset[str]:
        """Return every name this human has in audit rows: the own one, and those of the other posts."""
        return frozenset({self.audit_name, *(f"{self.kind}:{post}" for post in self.posts)})

    def is_one(self, subject_id: str | None) -> bool:
        """Tell whether an id is this human's, at whatever post: nobody is his own second pair of eyes."""
        return subject_id is not None and (subject_id == self.subject_id or subject_id in self.posts)


ANONYMOUS = Principal(PrincipalKind.ANONYMOUS, "anonymous")
SYSTEM = Principal(PrincipalKind.SYSTEM, "system", channel=Channel.SYSTEM)

"""Who may appoint officers and grant which authority (授信): the pure rules.

Operators and the system may for everybody. An officer with `administration` may for the own
organisation, and for the organisation's own matters may also trust officers elsewhere with
the auxiliary authorities; the power to seal, issue, keep seals or administer never leaves the owner.
"""

from __future__ import annotations

from foundation.principal import Principal, PrincipalKind
from idp.people.officer import Authority, AuthorityGrant, Officer

FOUR_EYES = frozenset({Authority.SEALING, Authority.ISSUING, Authority.SEAL_KEEPING, Authority.ADMINISTRATION})
"""Authorities that a second administrator confirms before they hold."""

_EVERYWHERE = frozenset({PrincipalKind.OPERATOR, PrincipalKind.SYSTEM})


def administers(principal: Principal, held: tuple[AuthorityGrant, ...], organisation_code: str) -> bool:
    """Tell whether a principal with these grants administers an organisation's officers."""
    return principal.kind in _EVERYWHERE or _holds(principal, held, Authority.ADMINISTRATION, organisation_code)


def keeps_seals(principal: Principal, held: tuple[AuthorityGrant, ...], organisation_code: str) -> bool:
    """Tell whether a principal with these grants looks after an organisation's seals (印章管理)."""
    return principal.kind is PrincipalKind.OPERATOR or _holds(
        principal, held, Authority.SEAL_KEEPING, organisation_code
    )


def _holds(
    principal: Principal, held: tuple[AuthorityGrant, ...], authority: Authority, organisation_code: str
) -> bool:
    return (
        principal.kind is PrincipalKind.OFFICER
        and "mfa" in principal.amr
        and principal.organisation_code == organisation_code
        and any(grant.authority is authority for grant in held)
    )


def problem_of_grant(
    principal: Principal,
    held: tuple[AuthorityGrant, ...],
    officer: Officer,
    authority: Authority,
    matter_owner: str | None,
) -> str | None:
    """Return why a grant is refused, or None.

    `matter_owner` is the organisation that owns the matter, None for every matter.
    """
    if principal.kind in _EVERYWHERE:
        return None
    own = principal.organisation_code or ""
    elsewhere = officer.organisation_code != own
    rules = (
        ("Nobody grants himself an authority.", not principal.is_one(officer.officer_id)),
        (
            "Only an operator or the organisation's administrator grants authorities.",
            administers(principal, held, own),
        ),
        ("The matter belongs to another organisation.", elsewhere or matter_owner in (None, own)),
        (
            "An officer elsewhere is trusted with the own organisation's matters only.",
            not elsewhere or matter_owner == own,
        ),
        (
            "The power to seal, issue, keep seals or administer stays with the owner of the matter.",
            not elsewhere or authority not in FOUR_EYES,
        ),
    )
    return next((problem for problem, kept in rules if not kept), None)


def needs_second(principal: Principal, authority: Authority) -> bool:
    """Tell whether somebody else must confirm the grant; what the system sets up is confirmed already."""
    return authority in FOUR_EYES and principal.kind is not PrincipalKind.SYSTEM

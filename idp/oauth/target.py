"""Which resource a token is for (RFC 8707). Pure: a token has one audience, and it is one of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idp.oauth.errors import OAuthError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from idp.oauth.grant import Grant
    from idp.oauth.mint import Mint


def named_target(parameters: Mapping[str, str]) -> str | None:
    """Return the resource or audience a request names; raises OAuthError when it names two."""
    named = {parameters[name] for name in ("resource", "audience") if name in parameters}
    if len(named) > 1:
        raise OAuthError("invalid_target", "A token has one audience.")
    return next(iter(named), None)


def check_target(named: str | None, allowed: tuple[str, ...]) -> str:
    """Return what is named, or the first that is allowed; raises OAuthError for a stranger."""
    if named is None:
        return allowed[0]
    if named not in allowed:
        raise OAuthError("invalid_target", "The resource is unknown, or not opened by this grant.")
    return named


def targets_of(grant: Grant, mint: Mint) -> tuple[str, ...]:
    """Return what a person's grant may open, the usual one first.

    Userinfo and nothing else, unless the person allowed one act at the API.
    """
    if grant.resource is not None:
        return (grant.resource,)
    if grant.authorization_details:
        return (mint.api_audience, mint.userinfo_audience)
    return (mint.userinfo_audience,)

"""The `claims` parameter (OpenID Connect Core, section 5.5) and requests for `verified_claims`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SCOPE_OF_CLAIM = {
    "preferred_username": "profile",
    "name": "profile",
    "post": "profile",
    "organisation_code": "profile",
    "district_code": "profile",
    "authorities": "profile",
    "phone_number": "phone",
    "phone_number_verified": "phone",
    "verified_claims": "real_name",
}
MEMBERS = frozenset({"userinfo", "id_token"})
MAX_CLAIMS = 40


class BadClaimsRequest(Exception):
    """The claims parameter breaks a rule; the message is safe to tell."""


def check_claims_request(claims: object) -> dict[str, Any]:
    """Return a well-formed claims request; raises BadClaimsRequest."""
    if not isinstance(claims, dict):
        raise BadClaimsRequest("The claims parameter must be a JSON object.")
    for member, wanted in claims.items():
        if member not in MEMBERS:
            continue
        if not isinstance(wanted, dict) or len(wanted) > MAX_CLAIMS:
            raise BadClaimsRequest("The members of the claims parameter must be objects.")
        if any(not isinstance(each, dict | None) for name, each in wanted.items() if name != "verified_claims"):
            raise BadClaimsRequest("A requested claim must be null or an object.")
        if "verified_claims" in wanted:
            _check_verified(wanted["verified_claims"])
    return claims


def _check_verified(request: object) -> None:
    for each in request if isinstance(request, list) else [request]:
        if not isinstance(each, dict) or not isinstance(each.get("verification"), dict):
            raise BadClaimsRequest("A verified_claims request needs verification.")
        if not isinstance(each.get("claims"), dict) or not each["claims"]:
            raise BadClaimsRequest("A verified_claims request needs claims.")


def wanted(claims: Mapping[str, Any] | None, member: str) -> Mapping[str, Any]:
    """Return what is asked of `userinfo` or of the `id_token`."""
    return (claims or {}).get(member) or {}


def scopes_needed(claims: Mapping[str, Any] | None, member: str | None = None) -> frozenset[str]:
    """Return the scopes whose claims are asked for by name."""
    members = MEMBERS if member is None else {member}
    names = {name for each in members for name in wanted(claims, each)}
    return frozenset(SCOPE_OF_CLAIM[name] for name in names if name in SCOPE_OF_CLAIM)


def named_subject(claims: Mapping[str, Any] | None) -> str | None:
    """Return the `sub` the client insists on, if it names one."""
    for member in ("id_token", "userinfo"):
        request = wanted(claims, member).get("sub")
        if request and isinstance(request.get("value"), str):
            return str(request["value"])
    return None


def asked_levels(claims: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the `acr` values asked for in the ID token."""
    request = wanted(claims, "id_token").get("acr") or {}
    values = request.get("values", [request.get("value")])
    return tuple(value for value in values if isinstance(value, str)) if isinstance(values, list) else ()


def select(known: Mapping[str, Any], granted: Collection[str], request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims granted by scope and those asked for by name, `verified_claims` as asked.

    Args:
        known: every claim the granted and the needed scopes open.
        granted: scopes granted as such.
        request: this member of the claims parameter.
    """
    told = {name: value for name, value in known.items() if _opened(name, granted, request)}
    if request.get("verified_claims") is not None and "verified_claims" in told:
        verified = verified_as_asked(told.pop("verified_claims"), request["verified_claims"])
        if verified is not None:
            told["verified_claims"] = verified
    return told


def _opened(name: str, granted: Collection[str], request: Mapping[str, Any]) -> bool:
    return name in request or SCOPE_OF_CLAIM.get(name) in granted or (name == "name" and "real_name" in granted)


def verified_as_asked(known: object, request: Any) -> object | None:  # noqa: ANN401 - checked JSON
    """Return what a verified_claims request asks for and nothing else, or None when it cannot be met.

    Standard: OpenID Connect for Identity Assurance 1.0, section 6.
    """
    requests = request if isinstance(request, list) else [request]
    answers = [answer for each in requests if (answer := _one_verified(known, each)) is not None]
    if not answers:
        return None
    return answers if isinstance(request, list) and len(answers) > 1 else answers[0]


def _one_verified(known: object, request: Mapping[str, Any]) -> dict[str, Any] | None:
    if not isinstance(known, dict):
        return None
    verification = _filtered(known["verification"], {"trust_framework": None, **request["verification"]})
    claims = {name: known["claims"][name] for name in request["claims"] if name in known["claims"]}
    return None if verification is None or not claims else {"verification": verification, "claims": claims}


def _filtered(known: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the asked members; None when one has another value than asked for or essential ones lack."""
    told: dict[str, Any] = {}
    for name, asked in request.items():
        value = known.get(name)
        if isinstance(asked, dict) and {"value", "values"} & asked.keys():
            allowed = asked.get("values", [asked.get("value")])
            if value not in allowed:
                return None
        if value is None:
            if isinstance(asked, dict) and asked.get("essential") is True:
                return None
            continue
        told[name] = value
    return told

"""The Digital Credentials Query Language (OpenID4VP 1.0, sections 6 and 7) for SD-JWT VC. Pure.

A query is read strictly: what we do not know is refused rather than sent to a wallet, and every
rule a wallet is asked to keep is checked again on what it returns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foundation.errors import InvalidInput, NotPermitted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

FORMAT = "dc+sd-jwt"
MAXIMUM_CREDENTIALS = 8
MAXIMUM_CLAIMS = 40
MAXIMUM_SETS = 16
MAXIMUM_VALUES = 50
MAXIMUM_PATH = 8
MAXIMUM_TEXT = 300
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

Pointer = tuple[str | int | None, ...]


@dataclass(frozen=True, slots=True)
class ClaimQuery:
    """One claim that is asked for; `values` of None takes any."""

    id: str | None
    path: Pointer
    values: tuple[str | int | bool, ...] | None = None


@dataclass(frozen=True, slots=True)
class CredentialQuery:
    """One credential that is asked for.

    Without `claim_sets` every claim is wanted, with them one of the sets. `authorities` are key
    identifiers (base64url) of which the issuer's certificates must name one; empty for any.
    """

    id: str
    vct_values: tuple[str, ...]
    claims: tuple[ClaimQuery, ...] = ()
    claim_sets: tuple[tuple[str, ...], ...] = ()
    multiple: bool = False
    authorities: tuple[str, ...] = ()

    def answered_by(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether disclosed claims hold what is asked for, values included."""
        held = {id(item) for item in self.claims if _holds(item, claims)}
        if not self.claim_sets:
            return len(held) == len(self.claims)
        by_id = {item.id: item for item in self.claims}
        return any(all(id(by_id[name]) in held for name in names) for names in self.claim_sets)


@dataclass(frozen=True, slots=True)
class CredentialSet:
    """Alternatives, of which one suffices."""

    options: tuple[tuple[str, ...], ...]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was read and checked; `document` is what a wallet is sent."""

    credentials: tuple[CredentialQuery, ...]
    credential_sets: tuple[CredentialSet, ...]
    document: Mapping[str, Any]

    def find(self, query_id: str) -> CredentialQuery | None:
        """Return the credential query of an id."""
        return next((item for item in self.credentials if item.id == query_id), None)

    def satisfied_by(self, answered: Collection[str]) -> bool:
        """Tell whether answers to these credential queries are all that is required (section 6.4.2)."""
        if not self.credential_sets:
            return all(item.id in answered for item in self.credentials)
        return all(
            any(all(name in answered for name in option) for option in one.options)
            for one in self.credential_sets
            if one.required
        )


def select(pointer: Pointer, claims: Mapping[str, Any]) -> list[Any]:
    """Return what a claims path pointer selects (section 7); empty where it leads nowhere."""
    selected: list[Any] = [claims]
    for part in pointer:
        kind = dict if isinstance(part, str) else list
        if not all(isinstance(item, kind) for item in selected):
            return []
        if isinstance(part, str):
            selected = [item[part] for item in selected if part in item]
        elif part is None:
            selected = [member for item in selected for member in item]
        else:
            selected = [item[part] for item in selected if part < len(item)]
    return selected


def reaches(pointer: Pointer, path: Sequence[str | int]) -> bool:
    """Tell whether a place in a credential lies on the way to what a pointer selects, or inside it."""
    return all(
        part == place if isinstance(part, str) else isinstance(place, int) and part in {None, place}
        for part, place in zip(pointer, path, strict=False)
    )


def _holds(query: ClaimQuery, claims: Mapping[str, Any]) -> bool:
    selected = select(query.path, claims)
    if query.values is None:
        return bool(selected)
    # 1 is not true here: type and value match both.
    return any(type(item) is type(value) and item == value for item in selected for value in query.values)


def require_permitted(query: Query, permitted: Mapping[str, Collection[Pointer]]) -> None:
    """Refuse a query that asks for more than was registered; raises NotPermitted.

    `permitted` gives for each credential type the pointers that may be asked for; a pointer allows what lies
    inside it as well.
    """
    for one in query.credentials:
        for vct in one.vct_values:
            if vct not in permitted:
                raise NotPermitted("You are not registered to ask for this credential type.", field="query")
            for claim in one.claims:
                if not any(_within(claim.path, allowed) for allowed in permitted[vct]):
                    raise NotPermitted("You are not registered to ask for this claim.", field="query")


def _within(pointer: Pointer, allowed: Pointer) -> bool:
    return len(pointer) >= len(allowed) and all(
        mine == theirs or (theirs is None and isinstance(mine, int))
        for mine, theirs in zip(pointer, allowed, strict=False)
    )


def read_pointer(value: object, field: str) -> Pointer:
    """Read a claims path pointer that begins with a claim's name; raises InvalidInput."""
    if not isinstance(value, list) or not 1 <= len(value) <= MAXIMUM_PATH or not isinstance(value[0], str):
        raise InvalidInput("A path is a list that begins with a claim's name.", field=field)
    for part in value:
        number = isinstance(part, int) and not isinstance(part, bool) and part >= 0
        if not (part is None or number or (isinstance(part, str) and 0 < len(part) <= MAXIMUM_TEXT)):
            raise InvalidInput("A path has names, numbers from 0 on, and null.", field=field)
    return tuple(value)


def read_query(value: object) -> Query:
    """Read a query; raises InvalidInput naming the field."""
    document = _members(value, "query", {"credentials"}, {"credential_sets"})
    credentials = tuple(
        _credential(item, f"query.credentials.{number}")
        for number, item in enumerate(_list(document["credentials"], "query.credentials", MAXIMUM_CREDENTIALS))
    )
    ids = [item.id for item in credentials]
    if len(set(ids)) != len(ids):
        raise InvalidInput("An id is given twice.", field="query.credentials")
    sets: tuple[CredentialSet, ...] = ()
    if "credential_sets" in document:
        listed = _list(document["credential_sets"], "query.credential_sets", MAXIMUM_SETS)
        sets = tuple(_set(item, f"query.credential_sets.{number}", ids) for number, item in enumerate(listed))
    return Query(credentials, sets, document)


def _credential(value: object, field: str) -> CredentialQuery:
    optional = {"multiple", "claims", "claim_sets", "trusted_authorities", "require_cryptographic_holder_binding"}
    found = _members(value, field, {"id", "format", "meta"}, optional)
    if found["format"] != FORMAT:
        raise InvalidInput(f"Only {FORMAT} is verified here.", field=f"{field}.format")
    if found.get("require_cryptographic_holder_binding", True) is not True:
        rule = "A credential whose holder proves nothing is not taken."
        raise InvalidInput(rule, field=f"{field}.require_cryptographic_holder_binding")
    meta = _members(found["meta"], f"{field}.meta", {"vct_values"}, set())
    vct_values = _texts(meta["vct_values"], f"{field}.meta.vct_values", MAXIMUM_SETS)
    claims = _claims(found["claims"], f"{field}.claims") if "claims" in found else ()
    sets: tuple[tuple[str, ...], ...] = ()
    if "claim_sets" in found:
        ids = [item.id for item in claims]
        if None in ids or len(set(ids)) != len(ids) or not ids:
            raise InvalidInput("Claims of claim_sets have an id each.", field=f"{field}.claims")
        listed = _list(found["claim_sets"], f"{field}.claim_sets", MAXIMUM_SETS)
        sets = tuple(_known(item, f"{field}.claim_sets", ids) for item in listed)
    return CredentialQuery(
        _id(found["id"], f"{field}.id"),
        vct_values,
        claims,
        sets,
        _flag(found.get("multiple", False), f"{field}.multiple"),
        _authorities(found.get("trusted_authorities"), f"{field}.trusted_authorities"),
    )


def _claims(value: object, field: str) -> tuple[ClaimQuery, ...]:
    claims = []
    for number, item in enumerate(_list(value, field, MAXIMUM_CLAIMS)):
        here = f"{field}.{number}"
        found = _members(item, here, {"path"}, {"id", "values"})
        values = None
        if "values" in found:
            values = tuple(_list(found["values"], f"{here}.values", MAXIMUM_VALUES))
            if not all(isinstance(one, str | int) for one in values):
                raise InvalidInput("Values are texts, whole numbers or booleans.", field=f"{here}.values")
        claim_id = _id(found["id"], f"{here}.id") if "id" in found else None
        claims.append(ClaimQuery(claim_id, read_pointer(found["path"], f"{here}.path"), values))
    if len({item.path for item in claims}) != len(claims):
        raise InvalidInput("A claim is asked for twice.", field=field)
    return tuple(claims)


def _set(value: object, field: str, ids: Sequence[str | None]) -> CredentialSet:
    found = _members(value, field, {"options"}, {"required"})
    listed = _list(found["options"], f"{field}.options", MAXIMUM_SETS)
    options = tuple(_known(item, f"{field}.options", ids) for item in listed)
    return CredentialSet(options, _flag(found.get("required", True), f"{field}.required"))


def _authorities(value: object, field: str) -> tuple[str, ...]:
    """Read `trusted_authorities`, of which HAIP asks for key identifiers (`aki`)."""
    if value is None:
        return ()
    found: list[str] = []
    for item in _list(value, field, MAXIMUM_SETS):
        members = _members(item, field, {"type", "values"}, set())
        if members["type"] != "aki":
            raise InvalidInput("Authorities are named by key identifier (aki).", field=field)
        found += _texts(members["values"], field, MAXIMUM_VALUES)
    return tuple(found)


def _known(value: object, field: str, ids: Sequence[str | None]) -> tuple[str, ...]:
    names = _texts(value, field, MAXIMUM_CLAIMS)
    if not set(names) <= set(ids):
        raise InvalidInput("An id is named that nothing has.", field=field)
    return names


def _members(value: object, field: str, required: set[str], optional: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput("This is an object.", field=field)
    if missing := required - value.keys():
        raise InvalidInput("A member is missing.", field=f"{field}.{min(missing)}")
    if value.keys() - required - optional:
        raise InvalidInput("There is a member that is not known here.", field=field)
    return value


def _list(value: object, field: str, most: int) -> list[Any]:
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        raise InvalidInput(f"This is a list of 1 to {most}.", field=field)
    return value


def _texts(value: object, field: str, most: int) -> tuple[str, ...]:
    found = _list(value, field, most)
    if not all(isinstance(item, str) and 0 < len(item) <= MAXIMUM_TEXT for item in found):
        raise InvalidInput("These are texts.", field=field)
    return tuple(found)


def _id(value: object, field: str) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise InvalidInput("An id has letters, digits, _ and -.", field=field)
    return value


def _flag(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput("This is true or false.", field=field)
    return value

"""The levels policy as a setting: which method gives which level, for how long, and what adds up."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from foundation.settings import BadSettings
from idp.people.proof import DEFAULT_POLICY, LevelPolicy, Method

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foundation.settings import UpstreamProvider

LONGEST_DAYS = 3650
Level = Annotated[str, Field(pattern=r"^L[1-4]$")]
Days = Annotated[int, Field(ge=1, le=LONGEST_DAYS)]


class _Combination(BaseModel):
    """How many sources of different owners make a higher level, and from which level on one counts."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    lowest: Level = Field("L2", alias="from")
    result: Level = Field("L3", alias="to")
    sources: int = Field(2, ge=2, le=5)

    @model_validator(mode="after")
    def _rises(self) -> _Combination:
        if self.result <= self.lowest:
            message = "several sources must make a higher level than each of them"
            raise ValueError(message)
        return self


class _Policy(BaseModel):
    """The form of HUFU_LEVEL_POLICY; what is left out stays as it is by default."""

    model_config = ConfigDict(extra="forbid")

    levels: dict[Method, Level] = Field(default_factory=dict)
    days: dict[Method, Days] = Field(default_factory=dict)
    combined: _Combination | None = None


def level_policy(setting: str) -> LevelPolicy:
    """Return the policy a JSON text stands for, the default one for an empty text; raises BadSettings.

    Example: `{"levels": {"telecom": "L2"}, "days": {"bank_card": 365}, "combined": {"from": "L2", "to": "L3",
    "sources": 3}}`.
    """
    if not setting.strip():
        return DEFAULT_POLICY
    try:
        read = _Policy.model_validate_json(setting)
    except ValidationError as error:
        lines = [
            f"HUFU_LEVEL_POLICY {'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise BadSettings("\n".join(lines)) from None
    policy = replace(
        DEFAULT_POLICY,
        grants={**DEFAULT_POLICY.grants, **read.levels},
        lifetimes={**DEFAULT_POLICY.lifetimes, **{method: timedelta(days=days) for method, days in read.days.items()}},
    )
    if read.combined is not None:
        combined = read.combined
        policy = replace(
            policy, combined_from=combined.lowest, combined_to=combined.result, combined_sources=combined.sources
        )
    return policy if policy == DEFAULT_POLICY else replace(policy, digest=_digest(policy))


def with_vouching(policy: LevelPolicy, providers: Iterable[UpstreamProvider]) -> LevelPolicy:
    """Return a policy by which the providers that vouch count; without any it is the same policy."""
    vouched = {(one.issuer, stated): level for one in providers if one.vouches for stated, level in one.levels.items()}
    if not vouched:
        return policy
    policy = replace(policy, vouched=vouched)
    return replace(policy, digest=_digest(policy))


def _digest(policy: LevelPolicy) -> str:
    """Return a short name of a policy: stored levels that another one made are computed anew."""
    values: dict[str, Any] = {
        "grants": {str(method): level for method, level in policy.grants.items()},
        "days": {str(method): lifetime.total_seconds() for method, lifetime in policy.lifetimes.items()},
        "combined": [policy.combined_from, policy.combined_to, policy.combined_sources],
    }
    if policy.vouched:  # a policy without keeps the name it had before there was such a thing
        values["vouched"] = sorted([*named, level] for named, level in policy.vouched.items())
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]

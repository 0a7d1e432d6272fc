"""The reads and writes of hot paths over grants, each one compiled statement.

Same rules as `repository`: single use is a WHERE clause, and everything that can be withdrawn is
asked again where the effect is written. What belongs together is one statement with CTEs, which
PostgreSQL commits or refuses as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    DateTime,
    Interval,
    LargeBinary,
    and_,
    bindparam,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.dialects.postgresql import insert as upsert

from foundation.gathering import Gathering
from foundation.statements import Statement
from idp.oauth.client import ClientStatus
from idp.oauth.grant import RefreshToken
from idp.oauth.repository import GRANT_COLUMNS, client_active, grant_of, stored_grant
from idp.oauth.tables import (
    oauth_clients,
    oauth_grants,
    oauth_refresh_tokens,
    oauth_revocations,
    oauth_used_tokens,
)
from idp.people.tables import officers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from foundation.database import Database
    from idp.oauth.grant import Grant

_g, _t, _c, _r = oauth_grants, oauth_refresh_tokens, oauth_clients, oauth_revocations
_NOW = bindparam("now", type_=DateTime(timezone=True))
_TOKEN_HASH = bindparam("presented_hash", type_=LargeBinary)


_LIVE = and_(_g.c.revoked_at.is_(None), _g.c.expires_at > _NOW, client_active(_g.c.client_id))

BY_CODE = Statement(select(*GRANT_COLUMNS).where(_g.c.code_hash == bindparam("code_hash")))
STANDING = Statement(select(*GRANT_COLUMNS).where(_g.c.grant_id == bindparam("grant_id"), _LIVE))
STANDS = Statement(select(_g.c.grant_id).where(_g.c.grant_id == bindparam("grant_id"), _LIVE))
REFRESH_TOKEN = Statement(
    select(
        _t.c.token_hash,
        _t.c.generation,
        _t.c.expires_at.label("token_expires_at"),
        _t.c.consumed_at,
        *GRANT_COLUMNS,
    )
    .join(_g, _g.c.grant_id == _t.c.grant_id)
    .where(_t.c.token_hash == _TOKEN_HASH)
)
ADD = Statement(
    insert(_g).returning(_g.c.grant_id),
    columns=(*(column.name for column in GRANT_COLUMNS), "code_hash", "created_at"),
)
USE_ONCE = Statement(
    upsert(oauth_used_tokens).on_conflict_do_nothing().returning(oauth_used_tokens.c.token_hash),
    columns=("token_hash", "expires_at"),
)

_consume_code = (
    update(_g)
    .where(
        _g.c.grant_id == bindparam("the_grant_id"),
        _g.c.client_id == bindparam("the_client_id"),
        _g.c.code_consumed_at.is_(None),
        _g.c.code_expires_at > _NOW,
        _g.c.revoked_at.is_(None),
        client_active(_g.c.client_id),
    )
    .values(code_consumed_at=_NOW, confirmation=bindparam("bound_to", type_=JSONB))
    .returning(_g.c.grant_id)
)
CONSUME_CODE = Statement(_consume_code)


def _first_token() -> Statement:
    """Return the statement that uses a code up and stores the refresh token it gives."""
    consumed = _consume_code.cte("consumed")
    fresh = select(
        bindparam("new_hash", type_=LargeBinary),
        consumed.c.grant_id,
        literal(0),
        _NOW,
        bindparam("new_expires_at", type_=DateTime(timezone=True)),
    )
    names = ["token_hash", "grant_id", "generation", "created_at", "expires_at"]
    return Statement(insert(_t).from_select(names, fresh).returning(_t.c.grant_id))


def _rotation() -> Statement:
    """Return the statement that marks a refresh token used and stores its one successor.

    A retry inside the window passes and finds the successor stored; anything later does not pass.
    """
    used = _t.c.consumed_at
    stands = exists().where(_g.c.grant_id == _t.c.grant_id, _LIVE)
    consumed = (
        update(_t)
        .where(
            _t.c.token_hash == _TOKEN_HASH,
            or_(used.is_(None), used >= _NOW - bindparam("retry_window", type_=Interval)),
            _t.c.expires_at > _NOW,
            stands,
        )
        .values(consumed_at=func.coalesce(used, _NOW))
        .returning(_t.c.grant_id, _t.c.generation)
        .cte("consumed")
    )
    fresh = select(
        bindparam("new_hash", type_=LargeBinary),
        consumed.c.grant_id,
        consumed.c.generation + 1,
        _NOW,
        bindparam("new_expires_at", type_=DateTime(timezone=True)),
    )
    names = ["token_hash", "grant_id", "generation", "created_at", "expires_at"]
    added = upsert(_t).from_select(names, fresh).on_conflict_do_nothing().cte("added")
    return Statement(select(consumed.c.grant_id).add_cte(added))


REDEEM = _first_token()
ROTATE = _rotation()
_ASKED = func.any(bindparam("identifiers", type_=ARRAY(TEXT)))
ACTIVE_AND_REVOKED = Statement(
    select(_c.c.client_id.label("name"), true().label("active"))
    .where(_c.c.client_id == func.any(bindparam("client_ids", type_=ARRAY(TEXT))), _c.c.status == ClientStatus.ACTIVE)
    .union_all(
        select(_r.c.revoked_id, false()).where(_r.c.revoked_id == _ASKED),
        # Whoever's post ran out a moment ago: the job that ends its grants comes later.
        select(_g.c.grant_id, false())
        .join(officers, officers.c.officer_id == _g.c.account_id)
        .where(_g.c.grant_id == _ASKED, officers.c.ends_at <= _NOW),
    )
)


class HotGrants:
    """Grants and refresh tokens, one statement a call and each its own transaction."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database
        self._stand: Gathering[tuple[tuple[str, ...], str, datetime], bool] = Gathering(self._all_stand)

    async def by_code(self, code_hash: bytes) -> Grant | None:
        """Return the grant whose code this is, used or not."""
        row = await self._database.fetch_one(BY_CODE, code_hash=code_hash)
        return None if row is None else grant_of(row)

    async def standing(self, grant_id: str, now: datetime) -> Grant | None:
        """Return a grant if it and its client still stand."""
        row = await self._database.fetch_one(STANDING, grant_id=grant_id, now=now)
        return None if row is None else grant_of(row)

    async def stands(self, grant_id: str, now: datetime) -> bool:
        """Tell whether a grant and its client still stand."""
        return await self._database.fetch_one(STANDS, grant_id=grant_id, now=now) is not None

    async def refresh_token(self, token_hash: bytes) -> RefreshToken | None:
        """Return a refresh token with its grant, used or not."""
        row = await self._database.fetch_one(REFRESH_TOKEN, presented_hash=token_hash)
        if row is None:
            return None
        return RefreshToken(row.token_hash, row.generation, row.token_expires_at, row.consumed_at, grant_of(row))

    async def add(self, grant: Grant, *, code_hash: bytes | None, now: datetime) -> None:
        """Store a new grant, with its code if it has one."""
        await self._database.fetch(ADD, **stored_grant(grant), code_hash=code_hash, created_at=now)

    async def redeem(
        self,
        grant: Grant,
        now: datetime,
        bound_to: Mapping[str, str] | None,
        refresh: tuple[bytes, timedelta] | None,
    ) -> bool:
        """Use a code up, once, and store the hash of its refresh token, if it gives one, for its lifetime."""
        code = {
            "the_grant_id": grant.grant_id,
            "the_client_id": grant.client_id,
            "now": now,
            "bound_to": None if bound_to is None else dict(bound_to),
        }
        if refresh is None:
            return await self._database.fetch_one(CONSUME_CODE, **code) is not None
        new_hash, lifetime = refresh
        return (
            await self._database.fetch_one(REDEEM, **code, new_hash=new_hash, new_expires_at=now + lifetime) is not None
        )

    async def rotate(
        self, token: RefreshToken, now: datetime, retry_window: timedelta, successor: tuple[bytes, timedelta]
    ) -> bool:
        """Mark a rotated token used and store its successor; a retry inside the window passes."""
        new_hash, lifetime = successor
        row = await self._database.fetch_one(
            ROTATE,
            presented_hash=token.token_hash,
            now=now,
            retry_window=retry_window,
            new_hash=new_hash,
            new_expires_at=now + lifetime,
        )
        return row is not None

    async def tokens_stand(self, identifiers: Iterable[str], client_id: str, now: datetime) -> bool:
        """Tell whether none of these tokens and grants is revoked, none's post over, and their client is active."""
        return await self._stand((tuple(identifiers), client_id, now))

    async def _all_stand(self, questions: Sequence[tuple[tuple[str, ...], str, datetime]]) -> list[bool]:
        rows = await self._database.fetch(
            ACTIVE_AND_REVOKED,
            client_ids=list({client_id for _, client_id, _ in questions}),
            identifiers=list({name for identifiers, _, _ in questions for name in identifiers}),
            now=max(now for _, _, now in questions),
        )
        active = {row.name for row in rows if row.active}
        revoked = {row.name for row in rows if not row.active}
        return [client_id in active and revoked.isdisjoint(identifiers) for identifiers, client_id, _ in questions]

    async def use_once(self, token_hash: bytes, expires_at: datetime) -> bool:
        """Note a single-use assertion; False when it was seen before."""
        row = await self._database.fetch_one(USE_ONCE, token_hash=token_hash, expires_at=expires_at)
        return row is not None

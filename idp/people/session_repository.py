"""SQL of sessions, devices and sign-in attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import DateTime, and_, bindparam, func, insert, literal, select, update

from foundation.statements import Statement
from idp.people.account import AccountState
from idp.people.tables import (
    accounts,
    devices,
    legal_person_agencies,
    officers,
    persons,
    sessions,
    sign_in_attempts,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Insert, Row, Select, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

PENDING, OPEN = "pending", "open"
POST_CHANGE = "post"
"""The method of a history line that is no sign-in: the change to another post."""

_every = officers.alias("every_post")
_posts = (
    select(func.array_agg(_every.c.officer_id)).where(_every.c.account_id == accounts.c.account_id).scalar_subquery()
)

SESSION: Select[Any] = (
    select(
        *(column for column in sessions.c if column is not sessions.c.officer_id),
        accounts.c.kind,
        accounts.c.person_id,
        persons.c.level,
        persons.c.level_until,
        officers.c.officer_id,
        officers.c.organisation_code,
        officers.c.district_code,
        officers.c.post,
        officers.c.starts_at.label("post_starts_at"),
        officers.c.ends_at.label("post_ends_at"),
        officers.c.ended_at.label("officer_ended_at"),
        _posts.label("posts"),
        legal_person_agencies.c.valid_until.label("agency_until"),
        legal_person_agencies.c.agency_id,
    )
    .join(accounts, accounts.c.account_id == sessions.c.account_id)
    .outerjoin(persons, persons.c.person_id == accounts.c.person_id)
    .outerjoin(
        officers,
        and_(officers.c.officer_id == sessions.c.officer_id, officers.c.account_id == sessions.c.account_id),
    )
    .outerjoin(
        legal_person_agencies,
        and_(
            legal_person_agencies.c.legal_person_id == sessions.c.acting_for,
            legal_person_agencies.c.person_id == accounts.c.person_id,
            legal_person_agencies.c.state == "active",
        ),
    )
    .where(accounts.c.state == AccountState.ACTIVE, sessions.c.ended_at.is_(None))
)


BY_SECRET = Statement(
    SESSION.where(
        sessions.c.secret_hash == bindparam("secret_hash"),
        sessions.c.expires_at > bindparam("now", type_=DateTime(timezone=True)),
    )
)
TOUCH = Statement(
    update(sessions)
    .where(sessions.c.session_id == bindparam("the_session_id"))
    .values(last_seen_at=bindparam("now", type_=DateTime(timezone=True)))
)


def _copy(table: Table, former: ColumnElement[bool], values: Mapping[str, Any], *, left_out: set[str]) -> Insert:
    """Return the statement that inserts a row like a former one, but for `values` and without what is left out."""
    copied = [column for column in table.c if column.name not in {*values, *left_out}]
    given = [literal(value, table.c[name].type).label(name) for name, value in values.items()]
    source = select(*copied, *given).where(former)
    return insert(table).from_select([*(column.name for column in copied), *values], source)


class Sessions:
    """Rows of `sessions`, `devices` and `sign_in_attempts` on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the caller's connection; the caller commits."""
        self._connection = connection

    async def by_id(self, session_id: str, now: datetime) -> Row[Any] | None:
        """Return the live row of a session id with its account, person and officer."""
        statement = SESSION.where(sessions.c.session_id == session_id, sessions.c.expires_at > now)
        row: Row[Any] | None = (await self._connection.execute(statement)).first()
        return row

    async def account_of(self, session_id: str) -> str | None:
        """Return the account of a session that has not ended."""
        statement = select(sessions.c.account_id).where(
            sessions.c.session_id == session_id, sessions.c.ended_at.is_(None)
        )
        return (await self._connection.execute(statement)).scalar_one_or_none()

    async def change(
        self, session_id: str, values: Mapping[str, Any], *, state: str, now: datetime, choosing: bool = False
    ) -> bool:
        """Change a live session that is still in `state`, and with `choosing` still without a post."""
        statement = (
            update(sessions)
            .where(
                sessions.c.session_id == session_id,
                sessions.c.state == state,
                sessions.c.ended_at.is_(None),
                sessions.c.expires_at > now,
                *((sessions.c.officer_id.is_(None),) if choosing else ()),
            )
            .values(**values)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def end(self, session_id: str, account_id: str, now: datetime, reason: str) -> bool:
        """End one session of an account."""
        statement = (
            update(sessions)
            .where(
                sessions.c.session_id == session_id,
                sessions.c.account_id == account_id,
                sessions.c.ended_at.is_(None),
            )
            .values(ended_at=now, end_reason=reason)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def end_all(self, account_id: str, now: datetime, reason: str, *, keep: str | None) -> tuple[str, ...]:
        """End every session of an account but `keep`; return the ended ids."""
        statement = (
            update(sessions)
            .where(
                sessions.c.account_id == account_id,
                sessions.c.ended_at.is_(None),
                sessions.c.session_id != (keep or ""),
            )
            .values(ended_at=now, end_reason=reason)
            .returning(sessions.c.session_id)
        )
        return tuple((await self._connection.execute(statement)).scalars())

    async def end_at_post(self, officer_id: str, now: datetime, reason: str) -> tuple[str, ...]:
        """End every session in one post; return the ended ids."""
        statement = (
            update(sessions)
            .where(sessions.c.officer_id == officer_id, sessions.c.ended_at.is_(None))
            .values(ended_at=now, end_reason=reason)
            .returning(sessions.c.session_id)
        )
        return tuple((await self._connection.execute(statement)).scalars())

    async def follow(self, session_id: str, values: Mapping[str, Any]) -> None:
        """Insert a session like another one of the same sign-in, but for `values`."""
        former = sessions.c.session_id == session_id
        await self._connection.execute(_copy(sessions, former, values, left_out={"ended_at", "end_reason"}))

    async def note_change(self, session_id: str, following: str, now: datetime) -> None:
        """Append the change to another post to the history: where the sign-in was made, in the session that follows."""
        given = {"attempted_at": now, "method": POST_CHANGE, "new_device": False, "session_id": following}
        former = sign_in_attempts.c.session_id == session_id
        await self._connection.execute(_copy(sign_in_attempts, former, given, left_out={"attempt_id"}))

    async def living(self, account_ids: Collection[str], now: datetime) -> tuple[Row[Any], ...]:
        """Return the accounts' open sessions with their devices, latest use first."""
        statement = (
            select(
                sessions,
                devices.c.label,
                devices.c.first_seen_at.label("device_first_seen_at"),
                officers.c.post,
                officers.c.organisation_code,
            )
            .outerjoin(devices, devices.c.device_id == sessions.c.device_id)
            .outerjoin(officers, officers.c.officer_id == sessions.c.officer_id)
            .where(
                sessions.c.account_id.in_(account_ids),
                sessions.c.state == OPEN,
                sessions.c.ended_at.is_(None),
                sessions.c.expires_at > now,
            )
            .order_by(sessions.c.last_seen_at.desc())
        )
        return tuple(await self._connection.execute(statement))

    async def forget_device(self, session_id: str, now: datetime) -> None:
        """Make the device of a session a stranger to its account."""
        device = select(sessions.c.device_id).where(sessions.c.session_id == session_id).scalar_subquery()
        await self._connection.execute(update(devices).where(devices.c.device_id == device).values(forgotten_at=now))

    async def note_attempt(self, values: Mapping[str, Any]) -> None:
        """Append one attempt to the sign-in history."""
        await self._connection.execute(insert(sign_in_attempts).values(**values))

    async def attempts(self, account_ids: Collection[str], limit: int) -> tuple[Row[Any], ...]:
        """Return the accounts' latest attempts, newest first, with the post of each session that opened.

        `limit` is for each sort: sign-ins, refused ones and changes of post.
        """
        sort = (sign_in_attempts.c.succeeded, sign_in_attempts.c.method == POST_CHANGE)
        place = func.row_number().over(partition_by=sort, order_by=sign_in_attempts.c.attempt_id.desc())
        placed = (
            select(sign_in_attempts.c.attempt_id, place.label("place"))
            .where(sign_in_attempts.c.account_id.in_(account_ids))
            .subquery()
        )
        opened = and_(sessions.c.session_id == sign_in_attempts.c.session_id, sessions.c.state == OPEN)
        statement = (
            select(sign_in_attempts, devices.c.label, officers.c.post, officers.c.organisation_code)
            .join(placed, placed.c.attempt_id == sign_in_attempts.c.attempt_id)
            .outerjoin(devices, devices.c.device_id == sign_in_attempts.c.device_id)
            .outerjoin(sessions, opened)
            .outerjoin(officers, officers.c.officer_id == sessions.c.officer_id)
            .where(placed.c.place <= limit)
            .order_by(sign_in_attempts.c.attempt_id.desc())
        )
        return tuple(await self._connection.execute(statement))

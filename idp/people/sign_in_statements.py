"""A sign-in's reads and writes, each one compiled statement.

The facts (account, known device) are one read; session, device and history are one statement with
CTEs. Known and unknown names take the same statements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Boolean,
    DateTime,
    LargeBinary,
    Text,
    and_,
    bindparam,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from foundation.ids import new_id
from foundation.statements import Statement
from idp.people.account import AccountState
from idp.people.officer_repository import in_post
from idp.people.session_repository import SESSION
from idp.people.tables import accounts, devices, officers, sessions, sign_in_attempts, totp_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from foundation.statements import Record, StatementTransaction

_NOW = bindparam("now", type_=DateTime(timezone=True))
_ACCOUNT_ID = bindparam("the_account_id", type_=Text)

_known_device = (
    select(devices.c.device_id)
    .where(
        devices.c.account_id == accounts.c.account_id,
        devices.c.secret_hash == bindparam("device_hash", type_=LargeBinary),
        devices.c.forgotten_at.is_(None),
    )
    .scalar_subquery()
)
BY_NAME = Statement(
    select(accounts, _known_device.label("known_device_id"))
    .where(
        accounts.c.state != AccountState.CLOSED,
        or_(
            accounts.c.username == bindparam("name"),
            and_(accounts.c.mobile_index == bindparam("mobile_index"), accounts.c.mobile_verified_at.is_not(None)),
        ),
    )
    .limit(1)
)
BY_ACCOUNT = Statement(
    select(accounts, _known_device.label("known_device_id")).where(accounts.c.account_id == _ACCOUNT_ID)
)
SIGNED_IN = Statement(
    update(accounts)
    .where(
        accounts.c.account_id == _ACCOUNT_ID,
        accounts.c.state == AccountState.ACTIVE,
        or_(
            not_(bindparam("by_password", type_=Boolean)),
            accounts.c.password_hash.is_not_distinct_from(bindparam("checked_hash", type_=Text)),
        ),
    )
    .values(
        last_sign_in_at=_NOW,
        password_hash=func.coalesce(bindparam("fresh_hash", type_=Text), accounts.c.password_hash),
    )
    .returning(
        exists()
        .where(totp_secrets.c.account_id == accounts.c.account_id, totp_secrets.c.confirmed_at.is_not(None))
        .label("has_totp"),
        exists().where(devices.c.account_id == accounts.c.account_id).label("has_devices"),
    )
)
BY_ID = Statement(SESSION.where(sessions.c.session_id == bindparam("the_session_id"), sessions.c.expires_at > _NOW))

_only_post = (
    select(func.min(officers.c.officer_id))
    .where(officers.c.account_id == _ACCOUNT_ID, in_post(_NOW))
    .having(func.count() == 1)
    .scalar_subquery()
)


def _opening() -> Statement:
    """Return the statement that notes the device and inserts session and attempt."""
    device = (
        upsert(devices)
        .values(
            device_id=bindparam("new_device_id", type_=Text),
            account_id=_ACCOUNT_ID,
            secret_hash=bindparam("device_hash", type_=LargeBinary),
            label=bindparam("device_label", type_=Text),
            first_seen_at=_NOW,
            last_seen_at=_NOW,
        )
        .on_conflict_do_update(
            index_elements=[devices.c.account_id, devices.c.secret_hash],
            set_={"last_seen_at": _NOW, "forgotten_at": None},
        )
        .returning(devices.c.device_id)
        .cte("device")
    )
    opened: dict[str, Any] = {
        "session_id": bindparam("the_session_id", type_=Text),
        "account_id": _ACCOUNT_ID,
        "secret_hash": bindparam("the_secret_hash", type_=LargeBinary),
        "amr": bindparam("the_amr", type_=ARRAY(Text)),
        "state": bindparam("the_state", type_=Text),
        "channel": bindparam("the_channel", type_=Text),
        "device_id": device.c.device_id,
        "auth_time": _NOW,
        "created_at": _NOW,
        "last_seen_at": _NOW,
        "expires_at": bindparam("until", type_=DateTime(timezone=True)),
        "officer_id": _only_post,
    }
    noted: dict[str, Any] = {
        "account_id": _ACCOUNT_ID,
        "attempted_at": _NOW,
        "method": bindparam("the_method", type_=Text),
        "succeeded": literal(True),
        "channel": bindparam("the_channel", type_=Text),
        "source": bindparam("the_source", type_=LargeBinary),
        "device_id": device.c.device_id,
        "new_device": bindparam("stranger", type_=Boolean),
        "session_id": bindparam("the_session_id", type_=Text),
    }
    session = insert(sessions).from_select(list(opened), select(*opened.values())).cte("session")
    attempt = insert(sign_in_attempts).from_select(list(noted), select(*noted.values())).cte("attempt")
    return Statement(select(device.c.device_id).add_cte(session, attempt))


OPENING = _opening()


async def note_sign_in(
    transaction: StatementTransaction, account_id: str, hashes: tuple[str | None, str | None] | None, now: datetime
) -> Record | None:
    """Note a sign-in if the account is active and, for a password, its hash is still the one checked.

    `hashes` is that hash and, when it was outdated, the new one to store. Returns whether the account
    `has_totp` and `has_devices`, or None.
    """
    checked, fresh = hashes or (None, None)
    return await transaction.fetch_one(
        SIGNED_IN,
        the_account_id=account_id,
        by_password=hashes is not None,
        checked_hash=checked,
        fresh_hash=fresh,
        now=now,
    )


async def open_session(transaction: StatementTransaction, values: Mapping[str, Any]) -> str:
    """Insert session and attempt, note the device, and return the session's id."""
    session_id = new_id("ses")
    await transaction.fetch_one(OPENING, the_session_id=session_id, new_device_id=new_id("dev"), **values)
    return session_id

"""What a notice says, by its kind: one sentence, and where to go for more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.web.i18n import N_

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from foundation.notices import Notice


@dataclass(frozen=True, slots=True)
class Words:
    """The sentence of a kind, the page that shows more, and whether it may mean that a stranger is at work."""

    text: str
    address: str
    alarming: bool = False


@dataclass(frozen=True, slots=True)
class ShownNotice:
    """A notice for a page."""

    notice_id: str
    words: Words
    at: datetime
    unread: bool


KINDS: Mapping[str, Words] = {
    "people.new_device": Words(
        N_("有一台新设备登录了您的账号。不是您本人？请马上让它退出并改密码。"), "/devices", alarming=True
    ),
    "people.password_changed": Words(
        N_("您的密码已更换。不是您本人？请马上用“忘记密码”找回。"), "/security", alarming=True
    ),
    "people.account_recovered": Words(
        N_("有人通过实名核对重设了您的密码。不是您本人？请马上拨打 12345。"), "/devices", alarming=True
    ),
    "people.second_factor_added": Words(N_("您的账号新增了一种登录验证方式。"), "/security", alarming=True),
    "people.second_factor_removed": Words(N_("您的账号少了一种登录验证方式。"), "/security", alarming=True),
    "people.mobile_verified": Words(N_("手机号已验证，可以用短信验证码登录。"), "/security"),
    "people.mobile_lost": Words(N_("您原来的手机号已被另一个账号验证，不能再用它登录。"), "/security", alarming=True),
    "people.level_changed": Words(N_("您的实名等级有变化。"), "/me"),
    "people.name_changed": Words(N_("您登记的姓名已更正。"), "/me"),
    "people.account_merged": Words(N_("您的另一个账号已与这个账号合并。"), "/accounts"),
    "people.mandate_proposed": Words(N_("有一份代办授权等待确认。"), "/mandates"),
    "people.mandate_accepted": Words(N_("一份代办授权已经生效。"), "/mandates"),
    "people.mandate_declined": Words(N_("对方谢绝了一份代办授权。"), "/mandates"),
    "people.mandate_revoked": Words(N_("一份代办授权已收回，立刻失效。"), "/mandates"),
    "people.mandate_used": Words(N_("有人按授权以您的名义办了一件事。"), "/mandates"),
    "people.agency_offered": Words(N_("有企业请您担任管理员或经办人。"), "/acting"),
    "people.agency_ended": Words(N_("您在一家企业的代表身份已结束。"), "/acting"),
    "licence_vault.read": Words(N_("有部门为办件查看了您的证照。"), "/accesses"),
    "licence_vault.expires": Words(N_("您有一件证照快要到期，请及时办理延续。"), "/licences"),
}
OTHER = Words(N_("您的账号有一条新消息。"), "/security")


def shown(found: tuple[Notice, ...]) -> list[ShownNotice]:
    """Return notices in words; one of a kind no page knows is told of all the same."""
    return [
        ShownNotice(notice.notice_id, KINDS.get(notice.kind, OTHER), notice.created_at, notice.read_at is None)
        for notice in found
    ]

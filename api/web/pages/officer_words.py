"""What the authorities of officers are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.web.i18n import N_
from idp.people.officer import Authority

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTHORITIES: Mapping[Authority, str] = {
    Authority.REMOTE_ACCEPTANCE: N_("远程受理"),
    Authority.FORMAL_REVIEW: N_("形式审查"),
    Authority.ORIGINAL_CHECK: N_("原件核对"),
    Authority.ONE_TIME_NOTICE: N_("一次性告知"),
    Authority.DELIVERY: N_("结果送达"),
    Authority.COUNTER_VERIFICATION: N_("现场核验身份"),
    Authority.SEALING: N_("盖章"),
    Authority.ISSUING: N_("签发证照"),
    Authority.SEAL_KEEPING: N_("印章管理"),
    Authority.ADMINISTRATION: N_("管理本单位人员"),
}

"""What stands in the navigation row, by kind of account: one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.web.i18n import N_
from idp.people.account import AccountKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from idp.people.session import Session


@dataclass(frozen=True, slots=True)
class Link:
    """A link: address and text; `exact` ones are current on their own page alone."""

    address: str
    text: str
    exact: bool = False

    def current(self, path: str) -> bool:
        """Tell whether a page stands under this link."""
        return path == self.address or (not self.exact and path.startswith(self.address + "/"))


VERIFY = Link("/v", N_("核验"))
SECURITY = Link("/security", N_("账号安全"))
WALLETS = Link("/desk/presentations", N_("钱包凭证"))
LINKS: Mapping[AccountKind, tuple[Link, ...]] = {
    AccountKind.PERSON: (
        Link("/home", N_("首页")),
        Link("/licences", N_("我的证照")),
        Link("/accesses", N_("谁看过")),
        Link("/mandates", N_("授权")),
        Link("/me", N_("我")),
        VERIFY,
    ),
    AccountKind.OFFICER: (
        Link("/desk", N_("工作台"), exact=True),
        Link("/desk/seal", N_("盖章")),
        Link("/desk/issue", N_("签发证照")),
        Link("/desk/check", N_("核对原件")),
        WALLETS,
        Link("/desk/batches", N_("批量核验")),
        Link("/desk/counter", N_("现场核验")),
        Link("/desk/mandate", N_("凭代办码查看")),
        Link("/desk/officers", N_("人员与授信")),
        Link("/desk/issued", N_("签发记录")),
        Link("/desk/uses", N_("用章记录")),
        Link("/desk/seals", N_("印章管理")),
        SECURITY,
        VERIFY,
    ),
    AccountKind.OPERATOR: (
        Link("/operate", N_("总览"), exact=True),
        Link("/operate/seals", N_("印章管理")),
        Link("/operate/clients", N_("接入系统")),
        Link("/operate/officers", N_("人员与授信")),
        Link("/operate/people", N_("人员核查")),
        SECURITY,
        VERIFY,
    ),
}


def links_of(session: Session | None, *, asks_wallets: bool = False) -> tuple[Link, ...]:
    """Return the links for whoever is signed in, or for everybody; wallets only where they may be asked."""
    if session is None:
        return (VERIFY,)
    return tuple(link for link in LINKS[session.kind] if link is not WALLETS or asks_wallets)

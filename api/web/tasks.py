"""What needs the person: the first thing the start page says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.context import services_of
from api.web.i18n import N_
from api.web.pages.security import own_principal
from foundation.principal import PrincipalKind
from idp.people.parties import NEEDED_LEVEL

if TYPE_CHECKING:
    from starlette.requests import Request

    from foundation.principal import Principal


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do: what, what for, where."""

    text: str
    button: str
    address: str


SIGN_IN = Task(N_("有一台设备或热线请求用您的身份登录，等您确认。"), N_("去看看"), "/questions")
MANDATE = Task(N_("有一份代办授权等您答复。"), N_("去答复"), "/mandates")
AGENCY = Task(N_("有企业请您代表它办事，等您答复。"), N_("去答复"), "/acting")
DUPLICATE = Task(N_("您还有别的账号，可以合并到一起管理。"), N_("去合并"), "/accounts")
MOBILE = Task(N_("验证手机号后，忘了密码也能登录。"), N_("去验证"), "/security/mobile")


async def tasks_of(request: Request) -> list[Task]:
    """Return what waits for the person behind the session, the most pressing first."""
    services, principal = services_of(request), await own_principal(request)
    if principal.kind is not PrincipalKind.PERSON:
        return []
    found = [SIGN_IN] if await services.provider.questions(principal) else []
    if principal.person_id is not None and principal.acr >= NEEDED_LEVEL:
        found += await _of_proven(request, principal)
    account = await services.accounts.get(principal.subject_id)
    if not account.mobile_verified and services.people.sms.configured:
        found.append(MOBILE)
    return found


async def _of_proven(request: Request, principal: Principal) -> list[Task]:
    people, found = services_of(request).people, []
    waiting = [one.awaits == "principal" for one in await people.mandates.given(principal)]
    waiting += [one.awaits == "agent" and one.state == "proposed" for one in await people.mandates.held(principal)]
    if any(waiting):
        found.append(MANDATE)
    if await people.legal_persons.offers(principal):
        found.append(AGENCY)
    if await people.duplicates.offered(principal):
        found.append(DUPLICATE)
    return found

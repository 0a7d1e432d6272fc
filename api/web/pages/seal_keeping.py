"""Looking after seals (印章管理): applied for, approved by somebody else, made, filed, in use, stopped, cancelled.

Operators see every organisation's seals at `/operate/seals`, officers their own organisation's at
`/desk/seals`, where seal keepers act. What each may do is for `signing.seals` to say; the pages offer no
more than that.
"""

from collections.abc import Iterable, Mapping

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.web.csrf import checked_form, text_of
from api.web.i18n import N_
from api.web.pages.desk_records import name_of
from api.web.rendering import page, say, see_other
from api.web.wrong import FORM, Wrong, wrong
from foundation.directory import Organisation
from foundation.errors import InvalidInput, NotFound, NotPermitted, TrustServiceError
from foundation.principal import Principal, PrincipalKind
from signing.errors import FourEyesRequired
from signing.model import Seal, SealApplication, SealKind, SealState
from signing.seal_rules import LIVE_STATES
from signing.seals import SealService

router = APIRouter(include_in_schema=False)

OPERATOR_STEPS: Mapping[SealState, tuple[tuple[str, str], ...]] = {
    SealState.APPLIED: (("approve", N_("批准")), ("reject", N_("驳回"))),
    SealState.APPROVED: (("make", N_("制作")),),
    SealState.MADE: (("file", N_("备案")),),
    SealState.FILED: (("activate", N_("启用")),),
    SealState.ACTIVE: (("suspend", N_("停用")),),
    SealState.SUSPENDED: (("activate", N_("恢复启用")),),
}
KEEPER_STEPS: Mapping[SealState, tuple[tuple[str, str], ...]] = {SealState.ACTIVE: (("suspend", N_("停用")),)}
KINDS: Mapping[SealKind, str] = {
    SealKind.STATUTORY: N_("法定名称章"),
    SealKind.INTERNAL: N_("内设机构章"),
    SealKind.BRANCH: N_("分支机构章"),
    SealKind.BUSINESS: N_("业务专用章"),
    SealKind.PERSONAL: N_("个人名章"),
}
WHAT_NEXT: Mapping[SealState, str] = {
    SealState.APPLIED: N_("等待操作员批准。申请人不能批准自己的申请。"),
    SealState.REJECTED: N_("申请没有批准，可以重新申请。"),
    SealState.APPROVED: N_("等待操作员制作。"),
    SealState.MADE: N_("等待操作员登记备案号。"),
    SealState.FILED: N_("等待操作员启用。"),
    SealState.ACTIVE: N_("得到授权的人员可以盖章。"),
    SealState.SUSPENDED: N_("停用期间不能盖章；操作员可以恢复启用。"),
    SealState.CANCELLED: N_("已注销，不能再用。以前盖的章仍然有效。"),
}
NEEDS_REASON = frozenset({"reject", "suspend", "cancel"})
STEP_FIELDS = frozenset({"filing_number", "reason"})
APPLY_FIELDS = ("organisation_code", "kind", "lower_text", "holder_name", "replaces")
REPLACEABLE = (SealState.ACTIVE, SealState.SUSPENDED)
OPERATOR, YOU = N_("操作员"), N_("您")


@router.get("/desk/seals")
@router.get("/operate/seals")
async def seals(request: Request) -> Response:
    """Show the seals with their states and what may be done next."""
    return await _seals(request)


async def _seals(request: Request, errors: Wrong | None = None, values: dict[str, str] | None = None) -> Response:
    services, principal = services_of(request), principal_of(request)
    operates = principal.kind is PrincipalKind.OPERATOR
    keeps = await services.seal_grants.keeps(principal, principal.organisation_code or "")
    found = [(one, await services.seals.of_organisation(one.credit_code)) for one in await _organisations(request)]
    shown = {
        "base": base_of(principal),
        "operates": operates,
        "me": principal.audit_name,
        "organisations": found,
        "names": await names_of(request, _people(seal for _, each in found for seal in each)),
        "all_seals": {seal.seal_id: seal for _, each in found for seal in each},
        "replaceable": REPLACEABLE if keeps else (),
        "steps": OPERATOR_STEPS if operates else KEEPER_STEPS if keeps else {},
        "keeps": keeps,
        "cancellable": LIVE_STATES if operates else (),
        "needs_reason": NEEDS_REASON,
        "kinds": KINDS,
        "what_next": WHAT_NEXT,
        "errors": errors or {},
        "applying": values is not None,
        "values": values or dict.fromkeys(APPLY_FIELDS, ""),
    }
    return await page(request, "seals.html", shown, status=errors.status if errors else 200)


def base_of(principal: Principal) -> str:
    """Return where the caller's pages of seals are."""
    return "/operate/seals" if principal.kind is PrincipalKind.OPERATOR else "/desk/seals"


async def _organisations(request: Request) -> tuple[Organisation, ...]:
    directory, principal = services_of(request).directory, principal_of(request)
    if principal.kind is PrincipalKind.OPERATOR:
        return tuple(await directory.organisations())
    return (await directory.organisation(principal.organisation_code or ""),)


def _people(seals: Iterable[Seal]) -> Iterable[str]:
    return (name for seal in seals for name in (seal.applied_by, seal.approved_by) if name)


async def names_of(request: Request, audit_names: Iterable[str]) -> dict[str, str]:
    """Return who did something, in words; an operator is named by the office alone."""
    names: dict[str, str] = {}
    for audit_name in set(audit_names):
        if audit_name == principal_of(request).audit_name:
            names[audit_name] = say(request, YOU)
        elif audit_name.startswith(f"{PrincipalKind.OPERATOR}:"):
            names[audit_name] = say(request, OPERATOR)
        else:
            names[audit_name] = await name_of(request, audit_name)
    return names


@router.post("/desk/seals")
@router.post("/operate/seals")
async def apply(request: Request) -> Response:
    """Apply for a seal; an operator other than who applied approves."""
    form, principal = await checked_form(request), principal_of(request)
    values = {name: text_of(form, name) for name in APPLY_FIELDS}
    if principal.kind is not PrincipalKind.OPERATOR:
        values["organisation_code"] = principal.organisation_code or ""
    try:
        await services_of(request).seals.apply(principal, _application(values))
    except TrustServiceError as error:
        return await _seals(request, wrong(request, error, frozenset(APPLY_FIELDS)), values)
    return see_other(base_of(principal))


def _application(values: Mapping[str, str]) -> SealApplication:
    try:
        kind = SealKind(values["kind"] or SealKind.STATUTORY)
    except ValueError:
        raise InvalidInput("There is no such kind of seal.", field="kind") from None
    return SealApplication(
        values["organisation_code"],
        kind,
        values["lower_text"],
        holder_name=values["holder_name"] or None,
        replaces=values["replaces"] or None,
    )


@router.post("/desk/seals/{seal_id}")
@router.post("/operate/seals/{seal_id}")
async def step(request: Request, seal_id: str) -> Response:
    """Take a seal one step further in its life."""
    form, principal = await checked_form(request), principal_of(request)
    text = text_of(form, "text", limit=300)
    try:
        await take_step(services_of(request).seals, principal, seal_id, text_of(form, "step"), text)
    except (NotFound, NotPermitted) as error:
        if not isinstance(error, FourEyesRequired):
            raise
        return await _seals(request, wrong(request, error))
    except TrustServiceError as error:
        return await _seals(request, Wrong({FORM: next(iter(wrong(request, error, STEP_FIELDS).values()))}))
    return see_other(base_of(principal))


async def take_step(seals: SealService, principal: Principal, seal_id: str, name: str, text: str) -> Seal:
    """Call the use case a button names; raises NotFound for another name."""
    if name in NEEDS_REASON:
        acts = {"reject": seals.reject, "suspend": seals.suspend, "cancel": seals.cancel}
        return await acts[name](principal, seal_id, reason=text)
    if name == "file":
        return await seals.file(principal, seal_id, filing_number=text)
    plain = {"approve": seals.approve, "make": seals.make, "activate": seals.activate}
    if name not in plain:
        raise NotFound("There is no such step.")
    return await plain[name](principal, seal_id)

"""An organisation's officers: posts, authorities with a period (授信), a second pair of eyes; leaving ends all.

The same pages serve the organisation's own administrator (`/desk/officers`) and operators
(`/operate/officers?organisation=…`), who begin where there is no administrator yet.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from api.context import services_of
from api.dependencies import principal_of
from api.web.csrf import checked_form, text_of
from api.web.i18n import N_
from api.web.pages.officer_words import AUTHORITIES
from api.web.rendering import CIVIL_TIME, page, say, see_other
from api.web.wrong import Wrong, wrong
from foundation.errors import InvalidInput, NotFound, NotPermitted, TrustServiceError
from foundation.principal import Principal, PrincipalKind
from idp.people.officer import ANY, Authority, AuthorityGrant, Officer
from idp.people.officers import AddedOfficer
from idp.people.parties import Named

router = APIRouter(include_in_schema=False)

FIELDS = frozenset({"username", "password", "name", "post", "citizen_id_number", "valid_until", "matter_code"})
BAD_DATE = N_("请选择今天以后的日期。")
NO_SUCH_OFFICER = N_("没有这个用户名和姓名的工作人员，请核对。")
APPOINTING = {"post": ("further_post", N_("请填写岗位名称。")), "username": ("holder_username", NO_SUCH_OFFICER)}


@dataclass(frozen=True, slots=True)
class Post:
    """An officer in post with the authorities in force."""

    officer: Officer
    grants: tuple[AuthorityGrant, ...]


def _base(request: Request) -> str:
    return "/operate" if principal_of(request).kind is PrincipalKind.OPERATOR else "/desk"


def _organisation(request: Request, form: FormData | None = None) -> str:
    """Return whose officers are meant: an officer's own organisation, or the one an operator chose."""
    principal = principal_of(request)
    if principal.kind is PrincipalKind.OPERATOR:
        chosen = text_of(form, "organisation") if form is not None else request.query_params.get("organisation", "")
        return chosen[:18]
    return principal.organisation_code or ""


@router.get("/desk/officers")
@router.get("/operate/officers")
async def officers(request: Request) -> Response:
    """Show who works there, with what they may do and what waits for approval."""
    return await _officers(request, _organisation(request))


async def _officers(
    request: Request,
    organisation: str,
    errors: Wrong | None = None,
    values: dict[str, str] | None = None,
    added: AddedOfficer | None = None,
) -> Response:
    services, principal = services_of(request), principal_of(request)
    try:
        waiting = await services.officers.awaiting_approval(principal)
        found = await services.officers.of_organisation(principal, organisation) if organisation else ()
        administers = True
    except NotPermitted:
        # An officer without the authority to administer sees the own post.
        if errors or principal.kind is not PrincipalKind.OFFICER:
            raise
        found, waiting, administers = (await services.officers.get(principal.subject_id),), (), False
    posts = tuple([Post(officer, await services.officers.authorities(officer.officer_id)) for officer in found])
    names = {post.officer.officer_id: post.officer for post in posts}
    shown = {
        "base": _base(request),
        "organisation": organisation,
        "organisations": await services.directory.organisations(),
        "posts": posts,
        "waiting": [(grant, names.get(grant.officer_id), _own(principal, grant)) for grant in waiting],
        "administers": administers,
        "districts": await services.directory.districts(),
        "matters": await services.directory.matters(owner_code=organisation) if organisation else (),
        "authorities": AUTHORITIES,
        "added": added,
        "errors": errors or {},
        "values": values or {},
    }
    return await page(request, "officers.html", shown)


def _own(principal: Principal, grant: AuthorityGrant) -> bool:
    """Tell whether this human proposed the grant or would receive it, and so waits for somebody else."""
    return grant.granted_by in principal.audit_names or principal.is_one(grant.officer_id)


@router.post("/desk/officers")
@router.post("/operate/officers")
async def add(request: Request) -> Response:
    """Put somebody into a post; the second factor of a new account is shown this once."""
    form = await checked_form(request)
    organisation = _organisation(request, form)
    if text_of(form, "act") == "appoint":
        return await _appoint(request, organisation, form)
    values = {name: text_of(form, name) for name in ("username", "name", "post", "district", "citizen_id_number")}
    try:
        added = await services_of(request).officers.add(
            principal_of(request),
            username=values["username"],
            password=text_of(form, "password", limit=200),
            name=values["name"],
            organisation_code=organisation,
            district_code=values["district"],
            post=values["post"],
            citizen_id_number=values["citizen_id_number"] or None,
        )
    except TrustServiceError as error:
        return await _officers(request, organisation, wrong(request, error, FIELDS), values)
    return await _officers(request, organisation, added=added)


async def _appoint(request: Request, organisation: str, form: FormData) -> Response:
    """Give somebody who is an officer already, here or elsewhere, a further post."""
    names = ("holder_username", "holder_name", "further_post", "district", "starts_at", "ends_at")
    values = {name: text_of(form, name) for name in names}
    try:
        await services_of(request).officers.appoint(
            principal_of(request),
            Named(values["holder_username"], values["holder_name"]),
            organisation_code=organisation,
            district_code=values["district"],
            post=values["further_post"],
            starts_at=first_moment(values["starts_at"], "valid_until") if values["starts_at"] else None,
            ends_at=last_moment(values["ends_at"]) if values["ends_at"] else None,
        )
    except NotFound:
        errors = Wrong({"holder_username": say(request, NO_SUCH_OFFICER)})
        return await _officers(request, organisation, errors, values)
    except InvalidInput as error:
        field, text = APPOINTING.get(error.field or "", ("ends_at", BAD_DATE))
        return await _officers(request, organisation, Wrong({field: say(request, text)}), values)
    except TrustServiceError as error:
        return await _officers(request, organisation, wrong(request, error), values)
    return _back(request, organisation)


@router.post("/desk/officers/{officer_id}")
@router.post("/operate/officers/{officer_id}")
async def change(request: Request, officer_id: str) -> Response:
    """Grant an authority for a period, or end the post with all its rights and sessions."""
    form = await checked_form(request)
    organisation = _organisation(request, form)
    service, principal = services_of(request).officers, principal_of(request)
    try:
        if text_of(form, "act") == "leave":
            await service.leave(principal, officer_id)
        else:
            await service.grant(
                principal,
                officer_id,
                _authority(text_of(form, "authority")),
                district_code=text_of(form, "district"),
                matter_code=text_of(form, "matter") or ANY,
                valid_until=last_moment(text_of(form, "valid_until")),
            )
    except InvalidInput as error:
        problem = say(request, BAD_DATE) if error.field == "valid_until" else None
        return await _officers(request, organisation, Wrong({"_form": problem}) if problem else wrong(request, error))
    except TrustServiceError as error:
        return await _officers(request, organisation, wrong(request, error))
    return _back(request, organisation)


@router.post("/desk/grants/{grant_id}")
@router.post("/operate/grants/{grant_id}")
async def settle(request: Request, grant_id: str) -> Response:
    """Approve what a colleague granted, or withdraw a grant."""
    form = await checked_form(request)
    organisation = _organisation(request, form)
    service, principal = services_of(request).officers, principal_of(request)
    acts = {"approve": service.approve, "revoke": service.revoke}
    act = acts.get(text_of(form, "act"))
    if act is None:
        raise NotFound("There is no such step.")
    try:
        await act(principal, grant_id)
    except TrustServiceError as error:
        return await _officers(request, organisation, wrong(request, error))
    return _back(request, organisation)


def _back(request: Request, organisation: str) -> Response:
    base = _base(request)
    return see_other(f"{base}/officers" + (f"?organisation={organisation}" if base == "/operate" else ""))


def _authority(unverified: str) -> Authority:
    try:
        return Authority(unverified)
    except ValueError:
        raise InvalidInput("There is no such authority.", field="authority") from None


def last_moment(unverified_day: str, field: str = "valid_until") -> datetime:
    """Return the end of the day that a date field holds, as it ends in the city."""
    try:
        return first_moment(unverified_day, field) + timedelta(days=1)
    except OverflowError:
        raise InvalidInput("Choose a day.", field=field) from None


def first_moment(unverified_day: str, field: str = "valid_from") -> datetime:
    """Return the beginning of the day that a date field holds, in the city."""
    try:
        day = datetime.strptime(unverified_day, "%Y-%m-%d").date()  # noqa: DTZ007 - a civil day; the zone follows
        return datetime.combine(day, time(), CIVIL_TIME)
    except (ValueError, OverflowError):
        raise InvalidInput("Choose a day.", field=field) from None

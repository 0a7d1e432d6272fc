"""Every route × a foreign department's token and a stranger's session: refused.

One row a route. A route without a row, or a row without a route, fails.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from api.access import ACCESS, Way, methods_and_paths
from api.app import build
from api.examples import BATCH, CHANGE, COLLECTION, ISSUE, PRESENTATION, REVISE, SCAN, SEAL_DIGEST, SEARCH
from foundation.principal import Channel
from hufu import demo_city
from tests.api.documents import blank_pdf

if TYPE_CHECKING:
    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPEN = "open"
"""No object of anybody's is touched: the row says so, and the test that the route needs no sign-in."""

FOREIGN_CLIENT = "land-bureau-system"
OWN = "market bureau's licence"
DRAFT = "an officer's draft"


@dataclass(frozen=True)
class Row:
    """What a foreign caller gets, and how the request is made."""

    refused: tuple[int, ...] = ()
    json: Any = None
    data: dict[str, str] | None = None
    document: bool = False
    field: str = "document"
    opened: str = ""


ROWS: dict[tuple[str, str], Row] = {
    ("POST", "/api/v1/licences"): Row((403,), json=ISSUE),
    ("GET", "/api/v1/licences"): Row(opened="lists the caller's own organisation only"),
    ("GET", "/api/v1/licences/{identifier}"): Row((403, 404)),
    ("GET", "/api/v1/licences/{identifier}/pdf"): Row((403, 404)),
    ("GET", "/api/v1/licences/{identifier}/qr.png"): Row((403, 404)),
    ("GET", "/api/v1/licences/{identifier}/states"): Row((403, 404)),
    ("POST", "/api/v1/licences/{identifier}/states"): Row((403, 404), json=CHANGE),
    ("POST", "/api/v1/licences/{identifier}/revisions"): Row((403, 404), json=REVISE),
    ("POST", "/api/v1/licence-searches"): Row((403,), json=SEARCH),
    ("GET", "/api/v1/statistics"): Row(opened="counts the caller's own organisation only"),
    ("GET", "/licences/{identifier}/copy"): Row((404,)),
    ("POST", "/licences/{identifier}/copy"): Row((404,), data={"made_for": "x", "purpose": "x"}),
    ("GET", "/desk/mandate"): Row(opened="an empty form"),
    ("POST", "/desk/mandate"): Row(opened="the paper and the agent's document are what opens"),
    ("GET", "/desk/officers"): Row(opened="shows the own post, or the own organisation to its administrator"),
    ("POST", "/desk/officers"): Row((403,), data={"name": "x"}),
    ("POST", "/desk/officers/{officer_id}"): Row((403, 404), data={"act": "leave"}),
    ("POST", "/desk/grants/{grant_id}"): Row((403, 404), data={"act": "revoke"}),
    ("GET", "/operate/officers"): Row((403,)),
    ("POST", "/operate/officers"): Row((403,), data={"name": "x"}),
    ("POST", "/operate/officers/{officer_id}"): Row((403,), data={"act": "leave"}),
    ("POST", "/operate/grants/{grant_id}"): Row((403,), data={"act": "revoke"}),
    ("GET", "/operate/people"): Row((403,)),
    ("POST", "/operate/people/conflicts/{conflict_id}"): Row((403,), data={"decision": "keep"}),
    ("POST", "/operate/people/workstations"): Row((403,), data={"name": "x"}),
    ("POST", "/operate/people/workstations/{workstation_id}"): Row((403,)),
    ("POST", "/api/v1/document-confirmations"): Row((403,), json={"document_sha256": "0" * 64}),
    ("POST", "/api/v1/verification-batches"): Row((403,), json=BATCH),
    ("GET", "/api/v1/verification-batches/{batch_id}"): Row((403, 404)),
    ("GET", "/api/v1/verification-batches/{batch_id}/results"): Row((403, 404)),
    ("POST", "/api/v1/presentations"): Row((403,), json=PRESENTATION),
    ("GET", "/api/v1/presentations/{transaction_id}"): Row((403,)),
    ("DELETE", "/api/v1/presentations/{transaction_id}"): Row((403,)),
    ("POST", "/api/v1/presentations/{transaction_id}/collection"): Row((403,), json=COLLECTION),
    ("GET", "/desk/presentations"): Row(opened="the officer's own organisation's choices"),
    ("POST", "/desk/presentations"): Row((422,), data={"permission": "prp_unknown", "purpose": "x"}),
    ("GET", "/desk/presentations/{transaction_id}"): Row((404,)),
    ("POST", "/desk/presentations/{transaction_id}"): Row((404,), data={"answer": "cancel"}),
    ("GET", "/desk/presentations/{transaction_id}/state"): Row((404,)),
    ("GET", "/desk/batches"): Row(opened="an empty form"),
    ("POST", "/desk/batches"): Row(opened="queues the officer's own table"),
    ("GET", "/desk/batches/{batch_id}"): Row((404,)),
    ("GET", "/desk/batches/{batch_id}/state"): Row((404,)),
    ("GET", "/desk/batches/{batch_id}/results"): Row((404,)),
    ("GET", "/api/v1/seals"): Row(opened="lists the caller's own organisation only"),
    ("GET", "/api/v1/seals/{seal_id}/uses"): Row((403, 404)),
    ("POST", "/api/v1/sealed-documents"): Row((403, 404), document=True),
    ("GET", "/api/v1/sealed-documents/{document_id}"): Row((404,)),
    ("POST", "/api/v1/sealed-digests"): Row((404,), json=SEAL_DIGEST),
    ("POST", "/api/v1/prepared-sealings"): Row((404,), document=True),
    ("GET", "/api/v1/prepared-sealings/{intention_id}"): Row((404,)),
    ("GET", "/api/v1/prepared-sealings/{intention_id}/pdf"): Row((404,)),
    ("POST", "/api/v1/prepared-sealings/{intention_id}/confirmation"): Row((404,)),
    ("DELETE", "/api/v1/prepared-sealings/{intention_id}"): Row((404,)),
    ("POST", "/api/v1/sealing-batches"): Row((404,), document=True, field="documents"),
    ("GET", "/api/v1/sealing-batches/{batch_id}"): Row((404,)),
    ("GET", "/api/v1/sealing-batches/{batch_id}/documents"): Row((404,)),
    ("GET", "/licences/{identifier}"): Row((404,)),
    ("GET", "/licences/{identifier}/pdf"): Row((404,)),
    ("GET", "/licences/{identifier}/qr.png"): Row((404,)),
    ("GET", "/desk/seal/{draft_id}"): Row((404,)),
    ("POST", "/desk/seal/{draft_id}"): Row((404,), data={"x": "1", "y": "1", "size": "42"}),
    ("GET", "/desk/seal/{draft_id}/pages/{number}.png"): Row((404,)),
    ("GET", "/desk/seals/{seal_id}.png"): Row((404,)),
    ("GET", "/desk/seals"): Row(opened="shows the session's own organisation"),
    ("POST", "/desk/seals"): Row(opened="applies for the session's own organisation", data={"kind": "x"}),
    ("POST", "/desk/seals/{seal_id}"): Row((403, 404), data={"step": "suspend", "text": "x"}),
    ("GET", "/desk/seals/{seal_id}/grants"): Row((404,)),
    ("POST", "/desk/seals/{seal_id}/grants"): Row((404,), data={"officer_id": "x", "valid_to": "2031-01-01"}),
    ("POST", "/desk/seals/{seal_id}/grants/carried"): Row((404,), data={}),
    ("POST", "/desk/seals/{seal_id}/grants/{grant_id}"): Row((404,), data={"act": "withdraw"}),
    ("GET", "/desk/confirm/{draft_id}"): Row((404,)),
    ("POST", "/desk/confirm/{draft_id}"): Row((404,), data={"code": "123456"}),
    ("GET", "/desk/confirm/{draft_id}/preview.png"): Row((404,)),
    ("GET", "/desk/done/{draft_id}"): Row((404,)),
    ("GET", "/desk/done/{draft_id}/file"): Row((404,)),
    ("GET", "/consent/{interaction_id}"): Row((403, 404, 410)),
    ("POST", "/consent/{interaction_id}"): Row((403, 404, 410), data={"answer": "yes"}),
    ("GET", "/home"): Row(opened="shows the session's own person"),
    ("GET", "/me"): Row(opened="shows the session's own person"),
    ("GET", "/accesses"): Row(opened="shows the session's own person"),
    ("GET", "/licences"): Row(opened="shows the session's own person"),
    ("GET", "/real-name"): Row(opened="a form of the session's own"),
    ("GET", "/real-name/certificate"): Row(opened="a challenge for the session's own account"),
    ("POST", "/real-name/certificate"): Row(opened="proves the session's own account"),
    ("GET", "/real-name/{method}"): Row(opened="a form of the session's own"),
    ("POST", "/real-name/{method}"): Row(opened="proves the session's own person"),
    ("POST", "/api/v1/shows"): Row((404, 422), json=SCAN),
    ("GET", "/api/v1/shows/{show_id}"): Row((404,)),
    ("POST", "/api/v1/shows/{show_id}/collection"): Row((404, 409)),
    ("POST", "/licences/{identifier}/show"): Row((404,)),
    ("GET", "/licences/{identifier}/show"): Row(opened="leads to the licence, which decides"),
    ("GET", "/shows/{show_id}"): Row((404,)),
    ("GET", "/shows/{show_id}/state"): Row((404,)),
    ("POST", "/shows/{show_id}"): Row((404,), data={"answer": "yes"}),
    ("GET", "/desk/check"): Row(opened="an empty form"),
    ("POST", "/desk/check"): Row(opened="a code is a secret; scanning needs it"),
    ("GET", "/desk/check/{show_id}"): Row((404,)),
    ("POST", "/desk/check/{show_id}"): Row((404, 409)),
    ("GET", "/sign-in/with/{source}/link"): Row((404,)),
    ("POST", "/sign-in/with/{source}/link"): Row((404, 410)),
    ("POST", "/security/upstream"): Row((404,), data={"source": "none"}),
    ("GET", "/applications"): Row(opened="lists the session's own person's"),
    ("POST", "/applications/{client_id}"): Row((404,)),
    ("GET", "/device"): Row(opened="asks for a code shown on a device"),
    ("POST", "/device"): Row(opened="a code is a secret; going on needs it"),
    ("GET", "/questions"): Row(opened="lists what systems ask the session's own person"),
    ("GET", "/questions/{question_id}"): Row((404, 410)),
    ("POST", "/questions/{question_id}"): Row((404, 410), data={"answer": "yes"}),
    ("GET", "/security"): Row(opened="shows the session's own account"),
    ("GET", "/security/mobile"): Row(opened="a form of the session's own"),
    ("POST", "/security/mobile"): Row(opened="proves a number of the session's own account"),
    ("GET", "/devices"): Row(opened="shows the session's own account"),
    ("POST", "/devices/{session_id}"): Row((404,)),
    ("GET", "/notices"): Row(opened="shows the session's own account"),
    ("POST", "/notices"): Row(opened="marks the session's own messages"),
    ("GET", "/accounts"): Row(opened="shows the session's own person"),
    ("POST", "/accounts"): Row(opened="takes accounts of the session's own person alone"),
    ("POST", "/accounts/{merge_id}"): Row((404,)),
    ("GET", "/my-data"): Row(opened="a form of the session's own"),
    ("POST", "/my-data"): Row(opened="reads the session's own account"),
    ("GET", "/my-data/close"): Row(opened="a form of the session's own"),
    ("POST", "/my-data/close"): Row(opened="closes the session's own account, with both factors"),
    ("GET", "/sign-in/phone/{ticket}"): Row((404,)),
    ("POST", "/sign-in/phone/{ticket}"): Row((404,), data={"answer": "yes"}),
    ("GET", "/security/totp"): Row(opened="leads to the own page"),
    ("POST", "/security/totp/remove"): Row(opened="changes the session's own account, with a code"),
    ("POST", "/security/password"): Row(opened="changes the session's own account"),
    ("POST", "/security/totp"): Row(opened="changes the session's own account"),
    ("POST", "/security/totp/confirm"): Row(opened="changes the session's own account"),
    ("POST", "/security/passkeys/begin"): Row(opened="changes the session's own account"),
    ("POST", "/security/passkeys/finish"): Row(opened="changes the session's own account"),
    ("POST", "/security/passkeys/{credential}"): Row((404, 422)),
    ("GET", "/mandates"): Row(opened="shows the session's own person"),
    ("GET", "/mandates/new"): Row(opened="a form of the session's own"),
    ("POST", "/mandates/new"): Row(opened="offers in the session's own name"),
    ("POST", "/mandates/code"): Row(opened="a printed code is a secret; redeeming needs it"),
    ("POST", "/mandates/{mandate_id}"): Row((403, 404, 422), data={"act": "revoke"}),
    ("GET", "/mandates/{mandate_id}/delegate"): Row((404,)),
    ("POST", "/mandates/{mandate_id}/delegate"): Row((404,)),
    ("GET", "/mandates/{mandate_id}/use"): Row((404,)),
    ("POST", "/mandates/{mandate_id}/use"): Row((404,)),
    ("POST", "/mandates/{mandate_id}/show"): Row((403, 404, 422)),
    ("GET", "/acting"): Row(opened="shows the session's own enterprises"),
    ("POST", "/acting"): Row((403, 404), data={"legal_person_id": "leg_unknown"}),
    ("POST", "/acting/verify"): Row(opened="proves an enterprise of the session's own person"),
    ("POST", "/acting/agents"): Row(opened="appoints for the enterprise the session itself acts for"),
    ("POST", "/acting/agencies/{agency_id}"): Row((403, 404), data={"act": "accept"}),
    ("GET", "/presence"): Row(opened="a code for the session's own account"),
    ("POST", "/presence"): Row(opened="a code for the session's own account"),
    ("GET", "/desk/counter"): Row(opened="a form of the session's own organisation"),
    ("POST", "/desk/counter"): Row(opened="examines in the session's own name and authority"),
    ("POST", "/desk/counter/{check_id}"): Row((403, 404, 422), data={"act": "confirm"}),
    ("POST", "/desk/counter/{check_id}/mandate"): Row((403, 404, 422)),
    ("POST", "/desk/mandates/{mandate_id}"): Row((403, 404, 422), data={"act": "confirm"}),
    ("GET", "/desk/issue"): Row(opened="lists the public catalogue"),
    ("GET", "/desk/issue/{type_code}"): Row(opened="an empty form"),
    ("POST", "/desk/issue/{type_code}"): Row(opened="issues in the session's own organisation's name alone"),
    ("GET", "/operate"): Row((403,)),
    ("GET", "/operate/seals"): Row((403,)),
    ("POST", "/operate/seals"): Row((403,), data={"organisation_code": "x"}),
    ("POST", "/operate/seals/{seal_id}"): Row((403,), data={"step": "suspend", "text": "x"}),
    ("GET", "/operate/seals/{seal_id}/grants"): Row((403,)),
    ("POST", "/operate/seals/{seal_id}/grants"): Row((403,), data={"officer_id": "x", "valid_to": "2031-01-01"}),
    ("POST", "/operate/seals/{seal_id}/grants/carried"): Row((403,), data={}),
    ("POST", "/operate/seals/{seal_id}/grants/{grant_id}"): Row((403,), data={"act": "withdraw"}),
    ("GET", "/operate/clients"): Row((403,)),
    ("GET", "/operate/client-requests"): Row((403,)),
    ("POST", "/operate/client-requests/{request_id}"): Row((403,), data={"act": "approve"}),
    ("GET", "/department/clients"): Row((403,)),
    ("GET", "/department/clients/new"): Row((403,)),
    ("POST", "/department/clients/new"): Row((403, 422)),
    ("GET", "/department/clients/{client_id}"): Row((403, 404)),
    ("POST", "/department/clients/{client_id}"): Row((403, 404, 422)),
    ("POST", "/department/clients/{client_id}/secret"): Row((403, 404)),
    ("POST", "/department/requests/{request_id}"): Row((403, 404)),
    ("POST", "/operate/clients/{client_id}"): Row((403,), data={"act": "rotate"}),
    ("GET", "/desk"): Row(opened="shows the session's own organisation"),
    ("GET", "/desk/seal"): Row(opened="shows the session's own seals"),
    ("POST", "/desk/seal"): Row(opened="begins a draft of the session's own"),
    ("GET", "/desk/uses"): Row(opened="shows the session's own seals"),
    ("GET", "/desk/issued"): Row(opened="shows the session's own organisation"),
}


def routes() -> list[tuple[str, str]]:
    return methods_and_paths(build().routes)


def guarded() -> list[tuple[str, str]]:
    return [route for route in routes() if ACCESS[route].way in {Way.BEARER, Way.PAGE}]


async def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert set(ROWS) == set(guarded())
    assert set(ACCESS) == set(routes())


class Objects:
    """Objects of one department and one citizen, to be tried by others."""

    def __init__(
        self,
        licence: str,
        seal: str,
        document: str,
        draft: str,
        session: str = "x",
        show: str = "x",
        intention: str = "x",
    ) -> None:
        self._values = {
            "identifier": licence,
            "seal_id": seal,
            "document_id": document,
            "draft_id": draft,
            "intention_id": intention,
            "interaction_id": "int_unknown",
            "number": "1",
            "method": "bank_card",
            "type_code": ISSUE["type_code"],
            "mandate_id": "man_unknown",
            "agency_id": "agy_unknown",
            "check_id": "chk_unknown",
            "client_id": "food-bureau-portal",
            "show_id": show,
            "question_id": "qst_unknown",
            "session_id": session,
            "credential": "AAAA",
            "source": "none",
            "request_id": "crq_unknown",
            "batch_id": "bat_unknown",
            "transaction_id": "prs_unknown",
            "officer_id": "off_unknown",
            "grant_id": "aut_unknown",
            "conflict_id": "cfl_unknown",
            "workstation_id": "wks_unknown",
            "merge_id": "mrg_unknown",
            "ticket": "unknown",
        }

    def address(self, path: str) -> str:
        return path.format(**self._values)


async def session_of(city: City, username: str, password: str, officer: demo_city.DemoOfficer | None = None) -> str:
    sessions = city.application.services.sessions
    session = await sessions.sign_in(username, password, source="test", channel=Channel.WEB)
    if officer is not None:
        session = await sessions.second_factor(session, await city.one_time_code(officer))
    assert session.secret is not None
    return session.secret


async def citizen_client(city: City, username: str) -> httpx2.AsyncClient:
    secret = await session_of(city, username, demo_city.CITIZEN_PASSWORD)
    return httpx2.AsyncClient(base_url=city.url, cookies={"hufu-session": secret}, headers={"origin": city.url})


async def officer_client(city: City, officer: demo_city.DemoOfficer) -> httpx2.AsyncClient:
    secret = await session_of(city, officer.username, officer.password, officer)
    return httpx2.AsyncClient(base_url=city.url, cookies={"hufu-session": secret}, headers={"origin": city.url})


async def form_token(http: httpx2.AsyncClient, path: str) -> str:
    page = (await http.get(path)).text
    return page.split('name="form_token" value="', 1)[1].split('"', 1)[0]


async def market_objects(city: City) -> Objects:
    headers = await city.headers()
    issued = await city.http.post(
        "/api/v1/licences", json=ISSUE, headers=headers | {"idempotency-key": uuid.uuid4().hex}
    )
    seal = (await city.http.get("/api/v1/seals", auth=city.sealing())).json()["seals"][0]["seal_id"]
    files = {"document": ("a.pdf", blank_pdf())}
    sealed, prepared = [
        await city.http.post(f"/api/v1/{kind}", files=files, data={"seal_id": seal}, auth=city.sealing())
        for kind in ("sealed-documents", "prepared-sealings")
    ]
    async with await officer_client(city, demo_city.OFFICERS[0]) as officer:
        data = {"form_token": await form_token(officer, "/desk/seal"), "seal_id": seal}
        begun = await officer.post("/desk/seal", files=files, data=data)
        held = await city.application.services.sessions.resolve(officer.cookies["hufu-session"])
    assert begun.status_code == 303, begun.text
    draft = begun.headers["location"].split("/")[3].split("?")[0]
    return Objects(
        issued.json()["identifier"],
        seal,
        sealed.json()["document_id"],
        draft,
        held.session_id if held else "",
        intention=prepared.json()["intention_id"],
    )


async def send(
    http: httpx2.AsyncClient,
    route: tuple[str, str],
    objects: Objects,
    extra: dict[str, str],
    auth: httpx2.Auth | None = None,
) -> int:
    method, path = route
    row = ROWS[route]
    files = {row.field: ("a.pdf", blank_pdf())} if row.document else None
    data = dict(row.data or {})
    if row.document:
        data["seal_id"] = objects.address("{seal_id}")
    json = dict(row.json, seal_id=objects.address("{seal_id}")) if row.json and "seal_id" in row.json else row.json
    if ACCESS[route].way is Way.PAGE and method == "POST":
        data["form_token"] = await form_token(http, "/v")
    answer = await http.request(
        method, objects.address(path), json=json, data=data or None, files=files, headers=extra, auth=auth
    )
    return answer.status_code


async def test_nobody_reaches_another_department_or_person(city: City) -> None:
    objects = await market_objects(city)
    token = await city.headers(FOREIGN_CLIENT)
    wrong = {}
    async with (
        await citizen_client(city, "zhangxiuying") as citizen,
        await officer_client(city, demo_city.OFFICERS[1]) as officer,
    ):
        for route in guarded():
            row = ROWS[route]
            if row.opened:
                continue
            key = {"idempotency-key": uuid.uuid4().hex}
            if ACCESS[route].scope == "seal:apply":
                found = await send(city.http, route, objects, key, city.sealing("land-bureau-sealing"))
            elif ACCESS[route].way is Way.BEARER:
                found = await send(city.http, route, objects, token | key)
            else:
                found = await send(officer if ACCESS[route].actor == "officer" else citizen, route, objects, {})
            if found not in row.refused:
                wrong[route] = found
    assert not wrong


async def test_no_token_no_session_no_answer(city: City) -> None:
    objects = Objects("x", "x", "x", "x")
    wrong = {}
    async with httpx2.AsyncClient(base_url=city.url, headers={"origin": city.url}) as stranger:
        for method, path in guarded():
            answer = await stranger.request(method, objects.address(path), headers={"accept": "application/json"})
            if answer.status_code != 401:
                wrong[method, path] = answer.status_code
    assert not wrong


async def test_a_session_opens_no_api_and_a_token_no_page(city: City) -> None:
    objects = Objects("x", "x", "x", "x")
    token = await city.headers()
    wrong = {}
    async with await citizen_client(city, "chenwei") as citizen:
        for method, path in guarded():
            bearer = ACCESS[method, path].way is Way.BEARER
            http, extra = (citizen, {}) if bearer else (city.http, token)
            answer = await http.request(method, objects.address(path), headers=extra)
            if answer.status_code != 401:
                wrong[method, path] = answer.status_code
    assert not wrong


async def test_a_token_without_the_scope_is_refused(city: City) -> None:
    objects = Objects("x", "x", "x", "x")
    wrong = {}
    for method, path in guarded():
        access = ACCESS[method, path]
        if access.way is not Way.BEARER:
            continue
        other = "licence:read" if access.scope == "verify:read" else "verify:read"
        answer = await city.http.request(method, objects.address(path), headers=await city.headers(scope=other))
        if answer.status_code != 403:
            wrong[method, path] = answer.status_code
    assert not wrong


async def test_a_citizen_opens_no_desk_and_an_officer_no_home(city: City) -> None:
    async with (
        await citizen_client(city, "chenwei") as citizen,
        await officer_client(city, demo_city.OFFICERS[2]) as officer,
    ):
        assert (await citizen.get("/desk")).status_code == 403
        assert (await officer.get("/home")).status_code == 403

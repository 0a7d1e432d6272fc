"""OpenID4VP over HTTP: a window's system asks, a wallet answers, the answer counts once."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from cryptography import x509
from joserfc.jwk import ECKey
from sqlalchemy import select, update

import examples.wallet.__main__ as example_wallet
from foundation.errors import NotFound, NotPermitted
from foundation.principal import Principal, PrincipalKind
from hufu import demo_city
from tests.support.loopback import LoopbackServer
from tests.support.wallet import VCT, Credential, Issuer, Wallet
from verification.presentation.register import IssuerEntry, Permission
from verification.presentation.service import PresentationRequest
from verification.tables import presentation_transactions as table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from httpx2 import Response

    from tests.api.city import City
    from tests.support.wallet import AskedFor

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPERATOR = Principal(PrincipalKind.OPERATOR, "opr_tests")
WINDOW, SCOPE = demo_city.WINDOW.client_id, "verify:present"
RETURN = "https://west-hall.example/back?case=1"
BOTH = ("name", "licence_number")
PERSON = {"name": "陈伟", "licence_number": "JY25001010000042", "birthdate": "1990-03-07"}


class Lists:
    """An issuer's status lists on a server of its own."""

    def __init__(self) -> None:
        lists = self
        self.token = ""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = lists.token.encode()
                self.send_response(200 if body else 503)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self.server = LoopbackServer(Handler)


@pytest.fixture(scope="module")
def lists() -> Iterator[Lists]:
    found = Lists()
    with found.server:
        yield found


class Desk:
    """A window's system, an issuer it trusts, and a person with a wallet."""

    def __init__(self, city: City, lists: Lists, wallet: Wallet, headers: dict[str, str]) -> None:
        self.city, self.lists, self.wallet, self.headers = city, lists, wallet, headers
        self.issuer = Issuer()
        self.place = 0

    def credential(self, value: int = 0, **more: object) -> Credential:
        """Return a new credential whose status is a value, on a list of its own."""
        self.place += 1
        uri = f"{self.lists.server.url}/{self.place}-{id(self)}"
        now = int(time.time())
        self.lists.token = self.issuer.status_list(uri, {3: value}, iat=now)
        status = {"status_list": {"idx": 3, "uri": uri}}
        times: dict[str, Any] = {"iat": now, "exp": now + 600, "status": status, **more}
        return self.issuer.issue(self.wallet.holder.key, PERSON, **times)

    async def ask(self, *names: str, **more: object) -> dict[str, Any]:
        answer = await self.start(*(names or ("name", "licence_number")), **more)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def start(self, *names: str, **more: object) -> Response:
        claims = [{"path": [name]} for name in names]
        credential = {"id": "licence", "format": "dc+sd-jwt", "meta": {"vct_values": [VCT]}, "claims": claims}
        body = {"query": {"credentials": [credential]}, "purpose": "核对食品经营许可", **more}
        return await self.city.http.post("/api/v1/presentations", json=body, headers=self.headers)

    async def state(self, started: dict[str, Any]) -> dict[str, Any]:
        path = f"/api/v1/presentations/{started['transaction_id']}"
        found: dict[str, Any] = (await self.city.http.get(path, headers=self.headers)).json()
        return found

    async def collect(self, started: dict[str, Any], code: str | None = None) -> Response:
        path = f"/api/v1/presentations/{started['transaction_id']}/collection"
        return await self.city.http.post(path, json={"response_code": code}, headers=self.headers)

    async def answer(self, asked: AskedFor, presentation: object) -> Response:
        return await self.wallet.send(asked, self.wallet.response(asked, {"licence": [presentation]}))

    async def judged(self, credential: Credential, names: Sequence[str] = BOTH, **said: str) -> dict[str, Any]:
        """Ask, present, and collect."""
        started = await self.ask()
        asked = await self.wallet.take(started["wallet_link"])
        answer = await self.answer(asked, self.wallet.present(asked, credential, names, **said))
        assert answer.status_code == 200, answer.text
        collected = await self.collect(started)
        assert collected.status_code == 200, collected.text
        found: dict[str, Any] = collected.json()
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(city: City, lists: Lists) -> AsyncIterator[Desk]:
    anchors = await city.application.keys.service.trust_anchors()
    roots = [x509.load_der_x509_certificate(der) for der in anchors.roots_der]
    wallet = Wallet(city.http, roots, int(time.time()))
    one = Desk(city, lists, wallet, await city.headers(WINDOW, SCOPE))
    register = city.application.verification.presentation_register
    office = demo_city.WINDOW.organisation.credit_code
    claims = (("name",), ("licence_number",), ("address",))
    entries = [
        await register.allow(OPERATOR, Permission(office, WINDOW, VCT, "经营许可凭证", claims, (RETURN,))),
        await register.trust(
            OPERATOR, IssuerEntry("演示发证机关", (VCT,), "https://issuer.example", jwks={"keys": one.issuer.jwks})
        ),
    ]
    yield one
    for entry in entries:
        await register.withdraw(OPERATOR, entry)


async def test_a_person_presents_and_the_window_collects_once(desk: Desk) -> None:
    started = await desk.ask()
    assert (started["state"], started["verdict"]) == ("waiting", None)
    asked = await desk.wallet.take(started["wallet_link"])
    assert asked.claims["response_mode"] == "direct_post.jwt"
    (info,) = asked.claims["verifier_info"]
    assert info["data"]["purpose"] == "核对食品经营许可"
    told = await desk.answer(asked, desk.wallet.present(asked, desk.credential(), ["name", "licence_number"]))
    assert (told.status_code, told.json()) == (200, {})
    after = await desk.state(started)
    assert (after["state"], after["verdict"]) == ("answered", "VALID")
    collected = (await desk.collect(started)).json()
    assert collected["report"]["subject"]["kind"] == "presentation"
    assert collected["credentials"] == [
        {
            "id": "licence",
            "vct": VCT,
            "issuer": "演示发证机关",
            "claims": {"name": "陈伟", "licence_number": "JY25001010000042"},
        }
    ]
    assert "陈伟" not in json.dumps(collected["report"], ensure_ascii=False)
    again = await desk.collect(started)
    assert (again.status_code, (await desk.state(started))["state"]) == (409, "collected")
    checked = await desk.city.http.post("/api/v1/verifications/receipt", json={"receipt": collected["receipt"]})
    assert checked.json()["verdict"] == "VALID"


async def test_a_wallet_may_ask_by_get_and_answer_unencrypted(desk: Desk) -> None:
    started = await desk.ask(response_mode="direct_post")
    asked = await desk.wallet.take(started["wallet_link"], post=False)
    assert "jwks" not in asked.claims["client_metadata"]
    presented = desk.wallet.present(asked, desk.credential(), ["name", "licence_number"])
    assert (await desk.answer(asked, presented)).status_code == 200
    assert (await desk.collect(started)).json()["report"]["verdict"] == "VALID"


async def test_on_the_same_device_only_who_was_led_back_collects(desk: Desk) -> None:
    started = await desk.ask(return_uri=RETURN)
    asked = await desk.wallet.take(started["wallet_link"])
    told = await desk.answer(asked, desk.wallet.present(asked, desk.credential(), ["name", "licence_number"]))
    led = urlsplit(told.json()["redirect_uri"])
    assert f"{led.scheme}://{led.netloc}{led.path}" == "https://west-hall.example/back"
    found = parse_qs(led.query)
    assert found["case"] == ["1"]
    for guess in (None, "another", found["response_code"][0] + "x"):
        assert (await desk.collect(started, guess)).status_code == 409
    assert (await desk.collect(started, found["response_code"][0])).status_code == 200
    refused = await desk.start("name", return_uri="https://thief.example/back")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "return_uri")


@pytest.mark.parametrize(("value", "reason"), [(1, "credential_revoked"), (2, "credential_suspended")])
async def test_what_its_issuer_withdrew_is_invalid(desk: Desk, value: int, reason: str) -> None:
    credential = desk.credential(value)
    found = await desk.judged(credential)
    assert (found["report"]["verdict"], found["report"]["reason"]) == ("INVALID", reason)
    assert found["credentials"] == []


async def test_without_a_fresh_status_list_nothing_is_valid(desk: Desk) -> None:
    for stale, reason in ((False, "data_missing"), (True, "data_stale")):
        credential = desk.credential()
        uri = json.loads(_payload(credential.jwt))["status"]["status_list"]["uri"]
        desk.lists.token = desk.issuer.status_list(uri, {}, iat=int(time.time()) - 90_000) if stale else ""
        found = await desk.judged(credential)
        assert (found["report"]["verdict"], found["report"]["reason"]) == ("UNDETERMINED", reason)
        assert found["credentials"] == []


def _payload(jwt: str) -> bytes:
    part = jwt.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


async def test_an_answer_for_another_request_or_verifier_does_not_pass(desk: Desk) -> None:
    credential = desk.credential()
    said: tuple[dict[str, str], ...] = ({"nonce": "another"}, {"audience": "x509_hash:another"})
    for claims in said:
        found = await desk.judged(credential, **claims)
        assert found["report"]["reason"] == "presentation_replayed"
    more = await desk.judged(credential, (*BOTH, "birthdate"))
    assert (more["report"]["reason"], more["credentials"]) == ("disclosed_too_much", [])


async def test_an_answer_counts_once_whoever_comes_second(desk: Desk) -> None:
    started = await desk.ask()
    asked = await desk.wallet.take(started["wallet_link"])
    presented = desk.wallet.present(asked, desk.credential(), ["name", "licence_number"])
    answers = await asyncio.gather(*(desk.answer(asked, presented) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [404] * 7
    assert (await desk.answer(asked, presented)).status_code == 404
    collected = await asyncio.gather(*(desk.collect(started) for _ in range(6)))
    assert sorted(answer.status_code for answer in collected) == [200] + [409] * 5


async def test_a_stranger_ends_nothing_and_learns_nothing(desk: Desk) -> None:
    started = await desk.ask()
    asked = await desk.wallet.take(started["wallet_link"])
    presented = desk.wallet.present(asked, desk.credential(), ["name", "licence_number"])
    foreign = desk.wallet.response(asked, {"licence": [presented]}, key=ECKey.generate_key("P-256"))
    forged = desk.wallet.response(asked, {"licence": [presented]}, state="guessed")
    plain = {"vp_token": json.dumps({"licence": [presented]}), "state": asked.claims["state"]}
    oversized = {"response": "A" * 300_000}
    for form in (foreign, forged, plain, {}, {"response": "a.b.c.d.e"}, {"error": "access_denied"}, oversized):
        answer = await desk.wallet.send(asked, form)
        assert answer.status_code in {400, 413, 422}, form
        assert "陈伟" not in answer.text
    assert (await desk.state(started))["state"] == "waiting"
    unknown = asked.claims["response_uri"].rpartition("/")[0] + "/" + "A" * 32
    assert (await desk.city.http.post(unknown, data=plain)).status_code == 404
    assert (await desk.answer(asked, presented)).status_code == 200


async def test_a_wallet_may_decline(desk: Desk) -> None:
    started = await desk.ask()
    asked = await desk.wallet.take(started["wallet_link"])
    form = {"error": "access_denied", "state": asked.claims["state"]}
    assert (await desk.wallet.send(asked, form)).status_code == 200
    assert (await desk.state(started))["state"] == "declined"
    assert (await desk.collect(started)).status_code == 409


async def test_a_request_is_fetched_a_few_times_and_never_after_it_is_over(desk: Desk) -> None:
    started = await desk.ask()
    uri = started["request_uri"]
    codes = [(await desk.city.http.get(uri)).status_code for _ in range(6)]
    assert codes == [200] * 5 + [404]
    cancelled = await desk.ask()
    path = f"/api/v1/presentations/{cancelled['transaction_id']}"
    assert (await desk.city.http.delete(path, headers=desk.headers)).status_code == 204
    assert (await desk.city.http.delete(path, headers=desk.headers)).status_code == 409
    assert (await desk.city.http.get(cancelled["request_uri"])).status_code == 404
    assert (await desk.state(cancelled))["state"] == "cancelled"


@pytest.mark.parametrize(
    "form",
    [
        {"wallet_metadata": "{"},
        {"wallet_metadata": '{"vp_formats_supported":{"mso_mdoc":{}}}'},
        {"wallet_metadata": '{"request_object_signing_alg_values_supported":["EdDSA"]}'},
        {"wallet_metadata": '{"a":"' + "x" * 17_000 + '"}'},
        {"wallet_nonce": "x" * 600},
    ],
    ids=["broken", "another format", "another algorithm", "large", "long nonce"],
)
async def test_a_wallet_that_cannot_read_us_is_told(desk: Desk, form: dict[str, str]) -> None:
    started = await desk.ask()
    answer = await desk.city.http.post(started["request_uri"], data=form)
    assert answer.status_code == 422
    ignored = {"unheard_of": "1", "wallet_metadata": '{"vp_formats_supported":{"dc+sd-jwt":{}}}'}
    assert (await desk.city.http.post(started["request_uri"], data=ignored)).status_code == 200


async def test_nobody_asks_for_more_than_is_registered(desk: Desk, city: City) -> None:
    refused = await desk.start("name", "birthdate")
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (403, "not-permitted")
    wrong: tuple[dict[str, Any], ...] = (
        {"purpose": ""},
        {"purpose": " "},
        {"response_mode": "fragment"},
        {"query": {"credentials": []}},
    )
    for body in wrong:
        assert (await desk.start("name", **body)).status_code == 422
    started = await desk.ask()
    for client in ("food-bureau-portal", "land-bureau-system"):
        path = f"/api/v1/presentations/{started['transaction_id']}"
        assert (await city.http.get(path, headers=await city.headers(client))).status_code == 403


async def test_an_answer_is_told_to_nobody_but_whoever_asked(desk: Desk, city: City) -> None:
    office, service = demo_city.WINDOW.organisation.credit_code, city.application.verification.presentations
    register = city.application.verification.presentation_register
    assert service is not None
    entry = await register.allow(
        OPERATOR, Permission(office, "", VCT, "经营许可凭证", (("name",), ("licence_number",)))
    )
    officer, colleague = (
        Principal(PrincipalKind.OFFICER, name, organisation_code=office) for name in ("off_1", "off_2")
    )
    client = Principal(PrincipalKind.CLIENT, WINDOW, client_id=WINDOW, organisation_code=office)
    claims = [{"path": [name]} for name in BOTH]
    query = {"credentials": [{"id": "licence", "format": "dc+sd-jwt", "meta": {"vct_values": [VCT]}, "claims": claims}]}
    started = await service.start(officer, PresentationRequest(query, "核对食品经营许可"))
    asked = await desk.wallet.take(started.wallet_link)
    assert (await desk.answer(asked, desk.wallet.present(asked, desk.credential(), BOTH))).status_code == 200
    name = started.transaction.transaction_id
    for other in (colleague, client):
        for act in (service.status, service.collect, service.cancel):
            with pytest.raises(NotFound):
                await act(other, name)
    # What was allowed when the wallet was asked may be so no longer.
    await register.withdraw(OPERATOR, entry)
    with pytest.raises(NotPermitted):
        await service.collect(officer, name)
    entry = await register.allow(
        OPERATOR, Permission(office, "", VCT, "经营许可凭证", (("name",), ("licence_number",)))
    )
    assert (await service.collect(officer, name)).report["verdict"] == "VALID"
    await register.withdraw(OPERATOR, entry)


async def test_a_code_opens_the_answer_it_was_given_for(desk: Desk) -> None:
    """A person who is led back with a stranger's code, or the stranger with theirs, gets nothing."""
    codes, requests = [], []
    for _ in range(2):
        requests.append(await desk.ask(return_uri=RETURN))
        asked = await desk.wallet.take(requests[-1]["wallet_link"])
        told = await desk.answer(asked, desk.wallet.present(asked, desk.credential(), BOTH))
        codes.append(parse_qs(urlsplit(told.json()["redirect_uri"]).query)["response_code"][0])
    for started, code, status in zip(requests * 2, [codes[1], codes[0], *codes], [409, 409, 200, 200], strict=True):
        assert (await desk.collect(started, code)).status_code == status


async def test_an_answer_holds_for_its_own_request_only(desk: Desk) -> None:
    """A presentation made for one request is replayed to another: at its address, with its state, in its key."""
    first, second = [await desk.wallet.take((await desk.ask())["wallet_link"]) for _ in range(2)]
    presented = desk.wallet.present(first, desk.credential(), BOTH)
    form = desk.wallet.response(first, {"licence": [presented]})
    assert (await desk.wallet.send(second, form)).status_code == 422
    started = await desk.ask()
    third = await desk.wallet.take(started["wallet_link"])
    assert (await desk.answer(third, presented)).status_code == 200
    assert (await desk.collect(started)).json()["report"]["reason"] == "presentation_replayed"


async def test_nothing_is_answered_or_collected_when_the_time_is_over(desk: Desk, city: City) -> None:
    database = city.application.services.database

    async def end(started: dict[str, Any]) -> None:
        mine = table.c.transaction_id == started["transaction_id"]
        async with database.transaction() as connection:
            await connection.execute(update(table).where(mine).values(expires_at=city.application.services.clock.now()))

    started = await desk.ask()
    asked = await desk.wallet.take(started["wallet_link"])
    presented = desk.wallet.present(asked, desk.credential(), BOTH)
    await end(started)
    assert (await desk.city.http.get(started["request_uri"])).status_code == 404
    assert (await desk.answer(asked, presented)).status_code == 404
    assert (await desk.state(started))["state"] == "expired"
    started = await desk.ask()
    asked = await desk.wallet.take(started["wallet_link"])
    assert (await desk.answer(asked, desk.wallet.present(asked, desk.credential(), BOTH))).status_code == 200
    await end(started)
    assert ((await desk.collect(started)).status_code, (await desk.state(started))["state"]) == (409, "expired")


async def test_a_status_list_at_an_impossible_address_is_missing(desk: Desk) -> None:
    for uri in ("http://127.0.0.1/é", "http://⒈.example/", "gopher://x", "http://169.254.169.254/", "http://[::1"):
        found = await desk.judged(desk.credential(status={"status_list": {"idx": 3, "uri": uri}}))
        assert (found["report"]["verdict"], found["report"]["reason"]) == ("UNDETERMINED", "data_missing"), uri


@pytest.mark.parametrize(
    ("how", "verdict"), [({}, "VALID"), ({"state": "revoked"}, "INVALID"), ({"decline": True}, None)], ids=repr
)
async def test_the_example_wallet_answers_the_demo_city(
    desk: Desk, city: City, how: dict[str, Any], verdict: str | None
) -> None:
    """The neighbouring city's issuer is known by its root; its certificate's list is fetched from its own server."""
    claims = [{"path": [name]} for name in ("name", "birthdate")]
    asked = {"id": "resident", "format": "dc+sd-jwt", "meta": {"vct_values": [demo_city.RESIDENT_TYPE]}}
    started = await desk.ask(query={"credentials": [{**asked, "claims": claims}]})
    assert (
        "核对食品经营许可" in await example_wallet.answer(city.http, started["wallet_link"], **how) or "decline" in how
    )
    state = await desk.state(started)
    assert (state["state"], state["verdict"]) == ("answered" if verdict else "declined", verdict)
    if verdict:
        found = (await desk.collect(started)).json()["credentials"]
        told = [(one["issuer"], one["claims"]) for one in found]
        resident = {"name": "林一诺", "birthdate": "1994-08-19"}
        assert told == ([(demo_city.NEIGHBOUR, resident)] if verdict == "VALID" else [])


async def test_nothing_of_the_holder_stays_in_the_clear_or_for_long(desk: Desk, city: City) -> None:
    started = await desk.ask()
    asked = await desk.wallet.take(started["wallet_link"])
    await desk.answer(asked, desk.wallet.present(asked, desk.credential(), ["name", "licence_number"]))
    database = city.application.services.database
    statement = select(table).where(table.c.transaction_id == started["transaction_id"])
    async with database.read() as connection:
        row = (await connection.execute(statement)).one()
    assert row.secrets is None
    assert not any("陈伟".encode() in str(value).encode() for value in row)
    assert "陈伟".encode() not in row.result
    await desk.collect(started)
    async with database.read() as connection:
        assert (await connection.execute(statement)).one().result is None

"""The steps of the main job, each checked as it is played."""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import zxingcpp
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.jwk import KeySet
from PIL import Image

from hufu import demo_city
from hufu.demo.browser import Browser, PageProblem
from hufu.demo.documents import approval_pdf
from hufu.demo.order import food_licence
from idp.people.totp import code_at, step_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hufu.demo.browser import Page

TIMEOUT_SECONDS = 60.0
FOOD_LICENCE = "食品经营许可证"
TRIES = 3


class DemoFailed(Exception):
    """A step did not end as it must; the message says how."""


@dataclass(slots=True)
class Stage:
    """What the steps share."""

    url: str
    secrets: Mapping[str, str]
    out: Path
    http: httpx2.Client
    citizen: Browser
    officer: Browser
    facts: dict[str, Any] = field(default_factory=dict)

    def say(self, sentence: str) -> None:
        """Print one result of the present step."""
        print(f"    {sentence}", flush=True)

    def keep(self, name: str, content: bytes | str) -> bytes:
        """Store one result."""
        data = content.encode() if isinstance(content, str) else content
        (self.out / name).write_bytes(data)
        return data

    def api(self, method: str, path: str, client_id: str, scope: str, **arguments: Any) -> httpx2.Response:  # noqa: ANN401 - passed on to httpx2
        """Call the JSON API as a department system; raises DemoFailed unless it answers 2xx."""
        response = self.call(method, path, client_id, scope, **arguments)
        if not response.is_success:
            message = f"{method} {path} answered {response.status_code}: {response.text[:500]}"
            raise DemoFailed(message)
        return response

    def call(self, method: str, path: str, client_id: str, scope: str, **arguments: Any) -> httpx2.Response:  # noqa: ANN401 - passed on to httpx2
        """Call the JSON API as a department system and return whatever it answers."""
        headers = {"authorization": f"Bearer {self._token(client_id, scope)}", **arguments.pop("headers", {})}
        return self.http.request(method, self.url + path, headers=headers, **arguments)

    def _token(self, client_id: str, scope: str) -> str:
        kept = self.facts.setdefault("tokens", {})
        if (client_id, scope) not in kept:
            answer = self.http.post(
                f"{self.url}/oauth/token",
                data={"grant_type": "client_credentials", "scope": scope},
                auth=(client_id, self.secrets[client_id]),
            )
            expect(answer.status_code == httpx2.codes.OK, f"no token for {client_id}: {answer.text[:300]}")
            kept[client_id, scope] = answer.json()["access_token"]
        token: str = kept[client_id, scope]
        return token


def expect(truth: object, message: str) -> None:
    """Raise DemoFailed unless `truth`."""
    if not truth:
        raise DemoFailed(message)


def play(url: str, data: Path, out: Path) -> None:
    """Play all steps against the service at `url`; raises DemoFailed at the first that is wrong."""
    out.mkdir(parents=True, exist_ok=True)
    file = data / "demo.json"
    expect(file.exists(), f"{file} is missing: is this the service's data directory, and was it seeded?")
    kept = json.loads(file.read_text("utf-8"))["clients"]
    with httpx2.Client(timeout=TIMEOUT_SECONDS) as http, _person() as citizen, _person() as officer:
        stage = Stage(url, kept, out, http, Browser(citizen, url), Browser(officer, url))
        for number, (title, step) in enumerate(STEPS, 1):
            began = time.monotonic()
            print(f"{number}  {title}", flush=True)
            try:
                step(stage)
            except (PageProblem, httpx2.HTTPError) as error:
                message = f"step {number}: {error}"
                raise DemoFailed(message) from error
            print(f"    done in {time.monotonic() - began:.1f} s", flush=True)
        _public_files(stage)
    print(f"\nAll steps are right. Results lie in {out}/: " + ", ".join(sorted(path.name for path in out.iterdir())))


def _person() -> httpx2.Client:
    return httpx2.Client(timeout=TIMEOUT_SECONDS, headers={"accept-language": "zh-CN"})


def prove_real_name(stage: Stage) -> None:
    """Step 1: Chen Wei registers and proves her name by a bank card."""
    citizen = demo_city.CITIZENS[0]
    username, password = f"chenwei{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    page = stage.citizen.send(
        stage.citizen.open("/register"),
        "/register",
        {"username": username, "password": password, "password_again": password, "mobile": citizen.mobile},
    )
    expect(page.status == httpx2.codes.OK, f"registering: {page.text[:300]}")
    stage.say(f"{citizen.name} registered as {username}")
    page = stage.citizen.send(
        stage.citizen.open("/real-name/bank_card"),
        "/real-name/bank_card",
        {
            "name": citizen.name,
            "citizen_id_number": citizen.citizen_id_number,
            "card_number": citizen.card_number,
            "mobile": citizen.mobile,
        },
    )
    expect("中级实名" in page.text, f"the proof did not reach L2: {page.text[:300]}")
    stage.say("name, ID number, card and mobile agree: level L2 中级实名")


def sign_in_at_department(stage: Stage) -> None:
    """Step 2: the food bureau's system gets her back signed in, with evidence."""
    portal, redirect = demo_city.PORTAL, demo_city.portal_redirects(demo_city.PORTAL_PORT)[0]
    metadata = stage.http.get(f"{stage.url}/.well-known/openid-configuration").json()
    verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    with OAuth2Client(
        portal.client_id,
        stage.secrets[portal.client_id],
        scope="openid profile real_name",
        redirect_uri=redirect,
        code_challenge_method="S256",
        timeout=TIMEOUT_SECONDS,
    ) as client:
        address, state = client.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce, acr_values="L2"
        )
        page = stage.citizen.open(address)
        if not page.left_for:
            stage.say("she sees who asks for what, and agrees")
            page = stage.citizen.send(page, "/consent/", {"answer": "yes"})
        expect(page.left_for.startswith(redirect), f"sent to {page.left_for or page.url}, not to the portal")
        returned = parse_qs(urlsplit(page.left_for).query)
        expect(returned.get("iss") == [metadata["issuer"]], "the answer does not name its issuer (RFC 9207)")
        token = client.fetch_token(
            metadata["token_endpoint"], authorization_response=page.left_for, state=state, code_verifier=verifier
        )
        jwks = stage.http.get(metadata["jwks_uri"]).json()
        claims = jwt.decode(token["id_token"], KeySet.import_key_set(jwks), algorithms=["ES256"]).claims
        expect(claims["nonce"] == nonce and claims["aud"] in (portal.client_id, [portal.client_id]), "wrong ID token")
        expect(claims["acr"] == "L2", f"acr is {claims['acr']}")
        person = client.get(metadata["userinfo_endpoint"]).json()
    expect(person["sub"] == claims["sub"], "userinfo and ID token name different subjects")
    expect(person.get("name") == demo_city.CITIZENS[0].name, "userinfo does not give the proven name")
    evidence = person["verified_claims"]["verification"]
    stage.say(f"sub {claims['sub'][:16]}…, acr {claims['acr']}, amr {claims.get('amr')}")
    stage.say(f"verified: {json.dumps(evidence, ensure_ascii=False)[:200]}")
    stage.keep("jwks.json", json.dumps(jwks, indent=2))


def seal_approval(stage: Stage) -> None:
    """Step 3: the officer seals the approval at the desk."""
    officer = demo_city.OFFICERS[0]
    document = approval_pdf(demo_city.CITIZENS[0].name, datetime.now(UTC) + timedelta(hours=8))
    page = stage.officer.send(
        stage.officer.open("/sign-in"), "/sign-in", {"username": officer.username, "password": officer.password}
    )
    page = _with_code(stage, page, "/second-factor", officer.totp_secret_base32)
    expect(page.url.endswith("/desk"), f"the officer is at {page.url}: {page.text[:200]}")
    page = stage.officer.send(
        stage.officer.open("/desk/seal"),
        "/desk/seal",
        {"matter_code": demo_city.MATTER_FOOD},
        {"document": ("准予许可决定书.pdf", document, "application/pdf")},
    )
    page = stage.officer.send(page, "/desk/seal/", {"x": "120", "y": "92", "size": "42"})
    stage.say("preview shown; the round seal is placed at 120 mm, 92 mm")
    page = _with_code(stage, page, "/desk/confirm/", officer.totp_secret_base32)
    expect("/desk/done/" in page.url, f"sealing ended at {page.url}: {page.text[:300]}")
    sealed = stage.officer.open(urlsplit(page.url).path + "/file")
    expect(sealed.content.startswith(document), "the sealed file does not begin with the approved one")
    stage.keep("approval-sealed.pdf", sealed.content)
    answer = _verify_pdf(stage, "approval-sealed.pdf", sealed.content)
    expect(answer["verdict"] == "VALID", f"the sealed approval is {json.dumps(answer, ensure_ascii=False)[:800]}")
    stage.say(f"sealed, {len(sealed.content)} bytes; verified: {answer['verdict']} {answer['indication']}")


def issue_licence(stage: Stage) -> None:
    """Step 4: the bureau's system issues the licence, which can be verified at once."""
    types = stage.http.get(f"{stage.url}/api/v1/licence-types").json()["types"]
    code = next(found["code"] for found in types if found["name"] == FOOD_LICENCE)
    order = food_licence(code)
    key = {"idempotency-key": secrets.token_hex(16)}
    portal = demo_city.PORTAL.client_id
    began = time.monotonic()
    licence = stage.api("POST", "/api/v1/licences", portal, "licence:issue", json=order, headers=key).json()
    took = time.monotonic() - began
    again = stage.api("POST", "/api/v1/licences", portal, "licence:issue", json=order, headers=key).json()
    expect(again["identifier"] == licence["identifier"], "the same request twice gave two licences")
    identifier = licence["identifier"]
    stage.facts["licence"] = licence
    stage.say(f"{identifier} issued in {took:.2f} s; asked twice, issued once")
    answer = stage.http.post(f"{stage.url}/api/v1/verifications/identifier", json={"identifier": identifier}).json()
    expect(answer["report"]["verdict"] == "VALID", f"by identifier: {answer}")
    stage.say("verified by identifier at once: VALID 有效")
    path = f"/api/v1/licences/{identifier}"
    pdf = stage.api("GET", f"{path}/pdf", portal, "licence:read").content
    stage.keep("licence.pdf", pdf)
    stage.keep("licence.json", json.dumps(licence, ensure_ascii=False, indent=2))
    stage.keep("licence-qr.png", stage.api("GET", f"{path}/qr.png", portal, "licence:read").content)
    report = _verify_pdf(stage, "licence.pdf", pdf)
    expect(report["verdict"] == "VALID", f"the licence file is {json.dumps(report, ensure_ascii=False)[:800]}")
    stage.say(f"verified by its file: VALID {report['indication']}, {len(report['checks'])} checks")


def verify_elsewhere(stage: Stage) -> None:
    """Step 5: a window in another district verifies it, with her consent, and she sees who looked."""
    licence, window = stage.facts["licence"], demo_city.WINDOW.client_id
    answer = stage.api(
        "POST", "/api/v1/verifications/qr", window, "verify:read", json={"text": licence["qr_text"]}
    ).json()
    expect(answer["report"]["verdict"] == "VALID", f"by code: {json.dumps(answer, ensure_ascii=False)[:800]}")
    receipt = answer["receipt"]
    stage.keep("receipt.jws", receipt)
    stage.say("the window reads the code on the licence: VALID 有效, with a signed receipt")
    checked = stage.http.post(f"{stage.url}/api/v1/verifications/receipt", json={"receipt": receipt}).json()
    expect(checked["verdict"] == "VALID", f"the receipt: {checked}")
    _show_at_window(stage, licence["identifier"], window)
    page = stage.citizen.open("/accesses")
    expect(demo_city.WEST_HALL.name in page.text, f"she does not see who looked: {page.text[:300]}")
    stage.say(f"she sees at once that {demo_city.WEST_HALL.name} looked, and why")
    pdf = bytearray((stage.out / "licence.pdf").read_bytes())
    pdf[len(pdf) // 3] ^= 1
    forged = _verify_pdf(stage, "forged.pdf", bytes(pdf))
    expect(forged["verdict"] == "INVALID", f"a changed file is {forged['verdict']}")
    stage.say(f"one changed bit: {forged['verdict']} {forged['sub_indication']}")


def _show_at_window(stage: Stage, identifier: str, window: str) -> None:
    """Let the window scan the code on her phone, and her release what it asks for, this once."""
    address = f"/licences/{identifier}"
    page = stage.citizen.send(stage.citizen.open(address), f"{address}/show", {})
    picture = re.search(rb"data:image/png;base64,([A-Za-z0-9+/=]+)", page.content)
    expect(picture, f"her phone shows no code: {page.text[:300]}")
    scanned = zxingcpp.read_barcode(Image.open(BytesIO(base64.b64decode(picture[1] if picture else b""))))
    expect(scanned, "the code on her phone cannot be read")
    order = {
        "code": scanned.text if scanned else "",
        "matter_code": demo_city.MATTER_FOOD,
        "case_number": "XS-2026-0001",
        "reason": "核对经营许可",
        "operator": "W-07",
        "fields": ["business_premises", "business_items"],
    }
    show = stage.api("POST", "/api/v1/shows", window, "licence:read", json=order).json()
    path = f"/api/v1/shows/{show['show_id']}"
    early = stage.call("POST", f"{path}/collection", window, "licence:read")
    expect(early.status_code == httpx2.codes.CONFLICT, f"before her consent the window got {early.status_code}")
    page = stage.citizen.open(f"/shows/{show['show_id']}")
    stage.citizen.send(page, "/shows/", {"answer": "yes"})
    shown = stage.api("POST", f"{path}/collection", window, "licence:read").json()
    seen = shown["licences"][0]
    expect(set(seen["face"]) == set(order["fields"]), f"the window asked for two fields and got {list(seen['face'])}")
    again = stage.call("POST", f"{path}/collection", window, "licence:read")
    expect(again.status_code == httpx2.codes.CONFLICT, f"a second collection answered {again.status_code}")
    stage.say(f"it scans the code on her phone; she agrees; it gets {', '.join(seen['face'])}, once, with a receipt")


STEPS = (
    ("Chen Wei registers and proves her real name", prove_real_name),
    ("The food bureau's system signs her in with OpenID Connect", sign_in_at_department),
    ("The officer seals the approval", seal_approval),
    ("The bureau's system issues the licence", issue_licence),
    ("A window in another district verifies it", verify_elsewhere),
)


def _verify_pdf(stage: Stage, name: str, document: bytes) -> dict[str, Any]:
    """Verify as a department: the public route is limited to a few files a minute."""
    answer = stage.api(
        "POST",
        "/api/v1/verifications/pdf",
        demo_city.WINDOW.client_id,
        "verify:read",
        files={"document": (name, document, "application/pdf")},
    )
    report: dict[str, Any] = answer.json()["report"]
    return report


def _with_code(stage: Stage, page: Page, path: str, secret_base32: str) -> Page:
    """Enter a one-time code that was not used before; the last one still counts, so waiting is rare."""
    secret = base64.b32decode(secret_base32)
    for _ in range(TRIES):
        step = max(step_of(datetime.now(UTC)) - 1, stage.facts.get("code_step", 0) + 1)
        while step > step_of(datetime.now(UTC)):
            time.sleep(0.5)
        stage.facts["code_step"] = step
        page = stage.officer.send(page, path, {"code": code_at(secret, step)})
        if not any(urlsplit(form.action).path.startswith(path) for form in page.forms):
            return page
    message = f"the one-time code was refused {TRIES} times: {page.text[:300]}"
    raise DemoFailed(message)


def _public_files(stage: Stage) -> None:
    """Keep what anybody needs to check the results without the service."""
    for name, path in (("trust-anchors.pem", "/api/v1/trust-anchors"), ("openapi.json", "/openapi.json")):
        answer = stage.http.get(stage.url + path)
        expect(answer.status_code == httpx2.codes.OK, f"GET {path} answered {answer.status_code}")
        stage.keep(name, answer.content)

"""The portal's pages: sign in through Hufu, apply, issue, verify."""

from __future__ import annotations

import contextlib
import ipaddress
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.starlette_client import OAuth
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from examples.department_portal.applications import (
    FORMATS,
    ITEMS,
    Applicant,
    Applications,
    licence_request,
    problems,
)
from examples.department_portal.hufu_client import HufuAway, HufuClient, HufuRefused
from examples.department_portal.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from examples.department_portal.config import Config

HERE = Path(__file__).parent
SCOPES = "openid profile real_name"
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {"content-security-policy": POLICY, "x-content-type-options": "nosniff", "cache-control": "no-store"}
METHODS = {
    "bank_card": "银联卡",
    "social_security_card": "社会保障卡",
    "telecom": "手机运营商",
    "housing_fund": "公积金账号",
    "id_card": "身份证",
    "counter": "大厅现场审核",
}
AWAY = "统一认证平台（虎符）暂时没有应答，请稍后再试。"


class Portal:
    """The department's system."""

    def __init__(self, config: Config) -> None:
        """Register Hufu as the OpenID Provider: discovery, PKCE, and nothing else to configure."""
        self._config = config
        self._applications = Applications()
        self._hufu = HufuClient(config)
        oauth = OAuth()
        oauth.register(
            "hufu",
            client_id=config.client_id,
            client_secret=config.client_secret,
            server_metadata_url=f"{config.hufu}/.well-known/openid-configuration",
            client_kwargs={"scope": SCOPES, "code_challenge_method": "S256"},
        )
        self._sso = oauth.hufu
        self._pages = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )

    def page(self, request: Request, name: str, status: int = 200, **context: Any) -> Response:  # noqa: ANN401
        """Render a page."""
        shown = {
            "config": self._config,
            "person": request.session.get("person"),
            "path": request.url.path,
            "at_window": at_window(request),
            **context,
        }
        return HTMLResponse(self._pages.get_template(name).render(shown), status, headers=HEADERS)

    async def start(self, request: Request) -> Response:
        """Show who is signed in and how that was verified, and the own applications."""
        person = request.session.get("person")
        mine = self._applications.of(person["sub"]) if person else []
        return self.page(request, "start.html", applications=mine, methods=METHODS)

    async def login(self, request: Request) -> Response:
        """Send the browser to Hufu, asking for level L2."""
        try:
            answer: Response = await self._sso.authorize_redirect(
                request, self._config.redirect_uri, acr_values=self._config.level
            )
        except httpx2.HTTPError:
            return self.page(request, "problem.html", 503, title="暂时不能登录", text=AWAY)
        return answer

    async def callback(self, request: Request) -> Response:
        """Take the code, check the ID token, read the verified claims."""
        try:
            token = await self._sso.authorize_access_token(request)
            claims = await self._sso.userinfo(token=token)
        except OAuthError as error:
            status = 200 if error.error == "access_denied" else 400
            return self.page(request, "problem.html", status, title="没有登录成功", text=declined(error))
        except httpx2.HTTPError:
            return self.page(request, "problem.html", 503, title="没有登录成功", text=AWAY)
        signed = token["userinfo"]
        if signed.get("acr", "L0") < self._config.level or claims.get("sub") != signed["sub"]:
            return self.page(request, "problem.html", 403, title="实名等级不够", text="办理这件事需要中级实名。")
        request.session.clear()
        request.session.update(person=person_of(signed, claims), renew=True)
        return RedirectResponse("/", 303)

    async def logout(self, request: Request) -> Response:
        """Forget the person here."""
        request.session.clear()
        return RedirectResponse("/", 303)

    async def apply_page(self, request: Request) -> Response:
        """Show the application form; the name and number are filled in, not asked for again."""
        if "person" not in request.session:
            return RedirectResponse("/login", 303)
        return self.page(request, "apply.html", errors={}, values={}, formats=FORMATS, items=ITEMS)

    async def apply(self, request: Request) -> Response:
        """Accept an application."""
        person = request.session.get("person")
        if person is None:
            return RedirectResponse("/login", 303)
        form = await request.form()
        premises, business_format = str(form.get("premises", "")).strip(), str(form.get("business_format", ""))
        items = tuple(str(item) for item in form.getlist("items"))
        wrong = problems(premises, business_format, items)
        if wrong:
            values = {"premises": premises, "business_format": business_format, "items": items}
            return self.page(request, "apply.html", 422, errors=wrong, values=values, formats=FORMATS, items=ITEMS)
        applicant = Applicant(person["sub"], person["name"], person["number"])
        self._applications.add(applicant, premises, business_format, items)
        return RedirectResponse("/", 303)

    async def window(self, request: Request) -> Response:
        """List every application, for the department's own officers."""
        return self.page(request, "window.html", applications=self._applications.all(), problem=None)

    async def issue(self, request: Request) -> Response:
        """Approve an application and have Hufu issue the licence; a second click issues no second one."""
        application = self._applications.get(request.path_params["number"])
        if application is None:
            return self.page(request, "problem.html", 404, title="没有这件申请", text="它可能已随系统重启而清空。")
        config = self._config
        body = licence_request(
            application,
            licence_type=config.licence_type,
            issuer_code=config.credit_code,
            department=config.department,
            matter_code=config.matter_code,
            today=date.today(),  # noqa: DTZ011 - a civil day on a licence
        )
        try:
            licence = await self._hufu.issue(body, idempotency_key=f"application-{application.number}")
        except HufuRefused as refused:
            return self.page(request, "window.html", 422, applications=self._applications.all(), problem=refused)
        except HufuAway:
            return self.page(request, "problem.html", 503, title="没有签发", text=AWAY)
        self._applications.issued(application, licence["identifier"], licence["licence_number"])
        return RedirectResponse("/window", 303)

    async def verify_page(self, request: Request) -> Response:
        """Show the form."""
        return self.page(request, "verify.html", identifier="", verdict=None, problem=None)

    async def verify(self, request: Request) -> Response:
        """Ask Hufu about an identifier."""
        identifier = str((await request.form()).get("identifier", "")).strip()[:300]
        try:
            found = await self._hufu.verify(identifier)
        except HufuRefused as refused:
            return self.page(request, "verify.html", 422, identifier=identifier, verdict=None, problem=refused)
        except HufuAway:
            return self.page(request, "problem.html", 503, title="没有核验", text=AWAY)
        return self.page(request, "verify.html", identifier=identifier, verdict=found["report"], problem=None)

    async def close(self) -> None:
        """Close the connections to Hufu."""
        await self._hufu.close()


def person_of(signed: dict[str, Any], claims: dict[str, Any]) -> dict[str, Any]:
    """Return what the portal keeps of a sign-in: from the ID token how, from userinfo who."""
    verified = claims.get("verified_claims") or {}
    evidence = (verified.get("verification") or {}).get("evidence") or [{}]
    return {
        "sub": signed["sub"],
        "name": (verified.get("claims") or {}).get("name", ""),
        "number": (verified.get("claims") or {}).get("citizen_id_number", ""),
        "acr": signed.get("acr", ""),
        "amr": signed.get("amr", []),
        "method": evidence[0].get("method", ""),
        "verified_at": str((verified.get("verification") or {}).get("time", ""))[:10],
    }


def declined(error: OAuthError) -> str:
    """Return a sentence for an answer without a code."""
    return "您没有同意登录。" if error.error == "access_denied" else "登录信息已过期或不完整，请重新登录。"


def at_window(request: Request) -> bool:
    """Tell whether the caller sits at this machine: the example has no officers' sign-in of its own."""
    try:
        return ipaddress.ip_address(request.client.host if request.client else "").is_loopback
    except ValueError:
        return False


class OwnPagesOnly:
    """Refuses posts from other sites' pages, and the officers' pages from other machines."""

    def __init__(self, app: Any, own_address: str) -> None:  # noqa: ANN401 - an ASGI application
        """Wrap an application."""
        self._app = app
        self._own = urlsplit(own_address).port

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Serve one request (ASGI)."""
        if scope["type"] == "http" and self._refused(scope):
            await Response("This request did not come from a page of this portal.", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refused(self, scope: Any) -> bool:  # noqa: ANN401 - ASGI
        if scope["path"].startswith("/window"):
            host = scope["client"][0] if scope.get("client") else ""
            with contextlib.suppress(ValueError):
                if not ipaddress.ip_address(host).is_loopback:
                    return True
        if scope["method"] != "POST":
            return False
        origin = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), "")
        found = urlsplit(origin)
        return found.hostname not in {"localhost", "127.0.0.1"} or found.port != self._own


def create_app(config: Config) -> Starlette:
    """Return the portal."""
    portal = Portal(config)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await portal.close()

    get, post = partial(Route, methods=["GET"]), partial(Route, methods=["POST"])
    routes = [
        get("/", portal.start),
        get("/login", portal.login),
        get("/callback", portal.callback),
        post("/logout", portal.logout),
        get("/apply", portal.apply_page),
        post("/apply", portal.apply),
        get("/window", portal.window),
        post("/window/{number}", portal.issue),
        get("/verify", portal.verify_page),
        post("/verify", portal.verify),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    guards = [Middleware(OwnPagesOnly, own_address=config.own_address), Middleware(Sessions)]
    return Starlette(routes=routes, middleware=guards, lifespan=lifespan)

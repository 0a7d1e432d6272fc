"""Every named error is told in one way; what is not named tells nothing."""

from __future__ import annotations

import importlib
import pkgutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from api.app import build
from api.problem_table import INTERNAL, PROBLEMS
from foundation.errors import TrustServiceError
from foundation.metrics import scraped
from foundation.settings import Settings
from hufu.launcher_place import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

PACKAGES = ("foundation", "keys", "idp", "signing", "licence_vault", "verification", "api")
NOT_IMPORTED = ("__main__", "preview_child")
SECRET = "Chen Wei 500101199003070225"


def subclasses(known: type[TrustServiceError]) -> Iterator[type[TrustServiceError]]:
    for found in known.__subclasses__():
        yield found
        yield from subclasses(found)


def every_error() -> set[type[TrustServiceError]]:
    for name in PACKAGES:
        for module in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
            if not module.name.endswith(NOT_IMPORTED):
                importlib.import_module(module.name)
    return {found for found in subclasses(TrustServiceError) if found.__module__.split(".")[0] in PACKAGES}


def test_every_error_class_has_a_row() -> None:
    missing = {f"{error.__module__}.{error.__name__}" for error in every_error() if error not in PROBLEMS}
    assert not missing


def test_a_slug_means_one_status_and_title() -> None:
    seen: dict[str, Any] = {}
    for problem in PROBLEMS.values():
        assert seen.setdefault(problem.slug, problem).status == problem.status
    assert all(problem.title and problem.title_en for problem in PROBLEMS.values())


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return application()


def application() -> FastAPI:
    made = build()
    made.state.services = SimpleNamespace(settings=Settings(), database=Broken(), cache=Broken())
    return made


class Broken:
    """Stands for a part that fails in a way nobody foresaw."""

    async def ping(self) -> None:
        raise RuntimeError(SECRET)

    async def count(self, *_: object, **__: object) -> int:
        return 1


def client(app: FastAPI) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost:8000")


async def test_an_unforeseen_error_tells_its_request_id_and_nothing_else(app: FastAPI) -> None:
    async with client(app) as http:
        answer = await http.get("/readyz")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["request_id"] == answer.headers["x-request-id"]
    assert set(body) == {"type", "title", "status", "request_id"}
    assert body["type"] == f"/problems/{INTERNAL.slug}"
    assert "Chen" not in answer.text


async def test_the_title_follows_the_language_asked_for(app: FastAPI) -> None:
    async with client(app) as http:
        chinese = await http.get("/api/v1/nothing")
        english = await http.get("/api/v1/nothing", headers={"accept-language": "en-GB,zh;q=0.5"})
    assert (chinese.json()["title"], chinese.headers["content-language"]) == ("没有找到", "zh-CN")
    assert (english.json()["title"], english.headers["content-language"]) == ("Not found", "en")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("DELETE", "/api/v1/licences", 405),
        ("GET", "/healthz?x=1", 422),
        ("GET", "/pki/crl/nothing", 404),
        ("GET", "/pki/crl/a%00b", 404),
        ("GET", "/problems/nothing", 404),
        ("GET", "/api/v1/licences", 401),
        ("GET", "/pki/ocsp/not*base64", 422),
    ],
)
async def test_what_cannot_be_served_is_a_problem_document(app: FastAPI, method: str, path: str, status: int) -> None:
    async with client(app) as http:
        answer = await http.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


async def test_every_problem_type_can_be_read_up(app: FastAPI) -> None:
    async with client(app) as http:
        for slug in {problem.slug for problem in PROBLEMS.values()}:
            answer = await http.get(f"/problems/{slug}")
            assert answer.status_code == 200
            assert answer.json()["title"]


async def test_every_answer_carries_the_security_headers(app: FastAPI) -> None:
    async with client(app) as http:
        for path in ("/healthz", "/api/v1/nothing", "/readyz", "/v"):
            headers = (await http.get(path)).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            # The verify page reads codes with WebAssembly of our own origin.
            allowed = "'wasm-unsafe-eval'" if path == "/v" else "none"
            assert "unsafe" not in headers["content-security-policy"].replace(allowed, "")
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert "strict-transport-security" not in headers


async def test_under_https_cookies_are_host_bound_and_transport_is_strict() -> None:
    made = build(https=True)
    made.state.services = SimpleNamespace(settings=Settings(issuer="https://id.example.test"), cache=Broken())
    async with client(made) as http:
        answer = await http.get("/sign-in", headers={"accept": "text/html"})
    assert "max-age" in answer.headers["strict-transport-security"]
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-hufu-form=")
    assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= {part.strip() for part in cookie.split(";")}
    assert "Domain" not in cookie


async def test_metrics_are_answered_on_a_port_of_their_own() -> None:
    app, port = application(), free_port()
    async with client(app) as http, scraped(app.state.metrics.registry, "127.0.0.1", port):
        await http.get("/healthz")
        assert (await http.get("/metrics")).status_code == 404
        async with httpx2.AsyncClient() as collector:
            numbers = await collector.get(f"http://127.0.0.1:{port}/metrics")
    assert 'hufu_http_requests_total{method="GET",route="/healthz",status="200"} 1.0' in numbers.text
    async with httpx2.AsyncClient() as collector:
        with pytest.raises(httpx2.ConnectError):
            await collector.get(f"http://127.0.0.1:{port}/metrics")


async def test_a_body_over_the_limit_is_refused_whatever_length_was_announced(app: FastAPI) -> None:
    async def endless() -> Any:  # noqa: ANN401 - an async generator of bytes
        for _ in range(40):
            yield b"x" * 65536

    async with client(app) as http:
        announced = await http.post("/api/v1/verifications/identifier", content=b"x" * 2_000_000)
        streamed = await http.post("/api/v1/verifications/qr", content=endless())
    assert (announced.status_code, streamed.status_code) == (413, 413)
    assert announced.json()["type"] == "/problems/limit-exceeded"

"""The operator's pages: overview and department systems."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.web.csrf import checked_form, text_of
from api.web.i18n import N_
from api.web.rendering import page, see_other
from foundation.errors import NotFound, ServiceUnavailable
from foundation.jobs import Jobs
from idp.oauth.model import CLIENT_SCOPES
from keys.model import KeyInfo, KeyPurpose
from licence_vault.statistics import Statistics

router = APIRouter(include_in_schema=False)

Ping = Callable[[], Awaitable[None]]
CHART_WIDTH, CHART_HEIGHT = 600, 120
WARN_DAYS = 60


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key the service signs with, and when its certificate ends."""

    purpose: str
    key_id: str
    algorithm: str
    ends_at: datetime | None
    soon: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the chart, in its own units."""

    x: float
    y: float
    width: float
    height: float
    label: str
    count: int


@router.get("/operate")
async def overview(request: Request) -> Response:
    """Show health, queues, keys, the log and what was issued."""
    services = services_of(request)
    figures = await services.vault.statistics.figures(principal_of(request))
    shown = {
        "running": [(name, await _answers(ping)) for name, ping in _parts(request)],
        "queues": await _queues(request),
        "keys": _keys(request),
        "log": await _log(request),
        "figures": figures,
        "bars": bars(figures),
        "issued": sum(figures.issued_by_day.values()),
    }
    return await page(request, "operate.html", shown)


def _parts(request: Request) -> list[tuple[str, Ping]]:
    services = services_of(request)
    return [(N_("数据库"), services.database.ping), (N_("缓存"), services.cache.ping)]


async def _answers(ping: Ping) -> bool:
    try:
        await ping()
    except ServiceUnavailable:
        return False
    return True


async def _queues(request: Request) -> list[tuple[str, str, int]]:
    async with services_of(request).database.read() as connection:
        depths = await Jobs().depths(connection)
    return [(depth.job, depth.state, depth.count) for depth in depths if depth.count]


def _keys(request: Request) -> list[KeyRow]:
    services = services_of(request)
    now = services.clock.now()
    found = [info for purpose in KeyPurpose for info in services.keys.verification_keys(purpose)]
    rows = [_key_row(info, now) for info in found if info.purpose not in {KeyPurpose.SEAL, KeyPurpose.PERSON}]
    return sorted(rows, key=lambda row: (row.ends_at is None, row.ends_at or now))


def _key_row(info: KeyInfo, now: datetime) -> KeyRow:
    ends_at = None
    if info.certificate_chain_der:
        ends_at = x509.load_der_x509_certificate(info.certificate_chain_der[0]).not_valid_after_utc
    soon = ends_at is not None and (ends_at - now).days < WARN_DAYS
    return KeyRow(info.purpose.value, info.key_id, info.algorithm, ends_at, soon)


async def _log(request: Request) -> object | None:
    try:
        return await services_of(request).verification_parts.log.checkpoint()
    except NotFound:
        return None


def bars(figures: Statistics) -> list[Bar]:
    """Return the chart of licences issued a day."""
    most = max((*figures.issued_by_day.values(), 1))
    step = CHART_WIDTH / max(len(figures.issued_by_day), 1)
    found = []
    for place, (day, count) in enumerate(figures.issued_by_day.items()):
        height = round(CHART_HEIGHT * count / most, 1)
        found.append(
            Bar(round(place * step + 1, 1), CHART_HEIGHT - height, round(step - 2, 1), height, day.isoformat(), count)
        )
    return found


@router.get("/operate/clients")
async def clients(request: Request) -> Response:
    """Show the department systems."""
    found = await services_of(request).clients.all()
    organisations = {one.credit_code: one.name for one in await services_of(request).directory.organisations()}
    shown = {"clients": found, "organisations": organisations, "scopes": CLIENT_SCOPES}
    return await page(request, "operate_clients.html", shown)


@router.post("/operate/clients/{client_id}")
async def change_client(request: Request, client_id: str) -> Response:
    """Suspend, reinstate, or give a new secret, shown this once."""
    form = await checked_form(request)
    service, principal = services_of(request).clients, principal_of(request)
    act = text_of(form, "act")
    if act == "rotate":
        secret = await service.rotate_secret(principal, client_id)
        return await page(
            request, "operate_secret.html", {"client_id": client_id, "secret": secret, "back": "/operate/clients"}
        )
    if act == "suspend":
        await service.suspend(principal, client_id)
    elif act == "reinstate":
        await service.reinstate(principal, client_id)
    return see_other("/operate/clients")

"""Names of organisations for pages that must be shown whether or not the directory knows the organisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.context import services_of
from foundation.errors import NotFound

if TYPE_CHECKING:
    from starlette.requests import Request


async def organisation_name(request: Request, credit_code: str | None) -> str:
    """Return an organisation's name, or nothing while the directory lacks it."""
    try:
        return (await services_of(request).directory.organisation(credit_code)).name if credit_code else ""
    except NotFound:
        return ""

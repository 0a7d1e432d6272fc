"""What a person would call the device at hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

SYSTEMS = (
    ("iPhone|iPad", "iOS"),
    ("Android", "Android"),
    ("HarmonyOS", "HarmonyOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
BROWSERS = (
    ("MicroMessenger", "微信"),
    ("Edg/", "Edge"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)


def device_label(request: Request) -> str:
    """Return what a person calls the device, such as `Chrome · Windows`."""
    agent = agent_of(request)
    groups = (BROWSERS, SYSTEMS)
    found = [next((name for pattern, name in names if re.search(pattern, agent)), "") for names in groups]
    return " · ".join(filter(None, found))


def agent_of(request: Request) -> str:
    """Return what the browser says of itself, unverified."""
    return request.headers.get("user-agent", "")[:400]

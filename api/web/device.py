"""What a person would call the device at hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from foundation.principal import Channel

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


PHONES = re.compile("iPhone|Android|HarmonyOS|Mobile")


def channel_of(request: Request) -> Channel:
    """Return whether somebody came by a phone's browser or another; it is recorded, and decides nothing."""
    return Channel.MOBILE if PHONES.search(_agent(request)) else Channel.WEB


def device_label(request: Request) -> str:
    """Return what a person calls the device, such as `Chrome · Windows`."""
    agent = _agent(request)
    groups = (BROWSERS, SYSTEMS)
    found = [next((name for pattern, name in names if re.search(pattern, agent)), "") for names in groups]
    return " · ".join(filter(None, found))


def _agent(request: Request) -> str:
    return request.headers.get("user-agent", "")[:400]

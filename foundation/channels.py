"""Where an act came in, decided here and nowhere else (requirement I2). Pure.

A machine in a hall, a window's system or the hotline is what its registration says; a desk's acts are
the counter's; a browser of somebody's own is a phone's or another, by what it says of itself. The
channel travels in the principal, and every audit row takes it from there.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from foundation.principal import ANONYMOUS, Channel

if TYPE_CHECKING:
    from foundation.principal import Principal

REGISTERED = (Channel.KIOSK.value, Channel.COUNTER.value, Channel.HOTLINE.value)
"""What an operator may register a client as; any other client's acts come by the API."""

_PHONES = re.compile("iPhone|Android|HarmonyOS|Mobile")


def of_client(registered: str | None) -> Channel:
    """Return where what a client does comes in."""
    return Channel(registered or Channel.API)


def of_browser(user_agent: str, client: Channel | None = None) -> Channel:
    """Return where somebody at a browser acts: at the machine whose client began this, or at his own."""
    if client is not None and client is not Channel.API:
        return client
    return Channel.MOBILE if _PHONES.search(user_agent) else Channel.WEB


def through(principal: Principal, client: Channel) -> Principal:
    """Return the person as acting where the client's request was begun, if that is no browser of his own."""
    return principal if client is Channel.API else replace(principal, channel=client)


def at_counter(principal: Principal) -> Principal:
    """Return the officer as everything done at a counter is recorded, whatever browser the desk uses."""
    return replace(principal, channel=Channel.COUNTER)


def visitor(channel: Channel) -> Principal:
    """Return somebody who has not signed in, as acting there."""
    return replace(ANONYMOUS, channel=channel)

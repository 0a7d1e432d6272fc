"""The department portal beside the service, wherever `--portal-port` puts it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2
import pytest

from hufu.demo_city import PORTAL_PORT, portal_redirects

if TYPE_CHECKING:
    from hufu.stack import Stack

pytestmark = pytest.mark.timeout(600)


def test_sign_in_of_a_portal_on_another_port_reaches_the_sign_in_page(service: Stack) -> None:
    assert urlsplit(service.portal_url).port != PORTAL_PORT
    with httpx2.Client() as browser:
        sent = browser.get(f"{service.portal_url}/login")
        assert sent.headers["location"].startswith(f"{service.settings.issuer}/oauth/authorize?")
        asked = browser.get(sent.headers["location"])
    assert (asked.status_code, asked.headers["location"].partition("?")[0]) == (303, "/sign-in")


def test_the_usual_port_stays_registered_once() -> None:
    usual = portal_redirects(PORTAL_PORT)
    assert len(usual) == 2
    assert set(usual) < set(portal_redirects(9123))

"""The channel of an act comes from one place, and every act there is in the sources is accounted for."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

import pytest

from foundation import channels
from foundation.principal import ANONYMOUS, SYSTEM, Channel, Principal, PrincipalKind
from tests.support.channels import AT_CLIENTS, AT_COUNTER, BY_PRINCIPAL, PASSED_ON, STORIES

ROOT = Path(__file__).parents[2]
PACKAGES = ("api", "foundation", "hufu", "idp", "keys", "licence_vault", "signing", "verification")
OWN_BROWSER = {Channel.WEB, Channel.MOBILE, Channel.KIOSK, Channel.COUNTER, Channel.HOTLINE, Channel.API}
DECIDES = {"foundation/channels.py", "foundation/principal.py"}
SAYS_SO = {
    "api/web/pages/department.py": "names them in a form",
    "hufu/seed.py": "the made-up citizens of the demo sign in by the web",
    "idp/people/vouching.py": "another provider's statement comes back by a browser",
}
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148"
DESKTOP = "Mozilla/5.0 (Windows NT 10.0) Chrome/130"


@lru_cache
def _sources() -> dict[str, ast.Module]:
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def _calls(name: str) -> list[tuple[str, ast.Call]]:
    return [
        (path, node)
        for path, tree in _sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == name
    ]


@pytest.mark.parametrize("registered", [None, *channels.REGISTERED])
@pytest.mark.parametrize(("agent", "own"), [(PHONE, Channel.MOBILE), (DESKTOP, Channel.WEB), ("", Channel.WEB)])
def test_the_registration_decides_and_else_the_browser(registered: str | None, agent: str, own: Channel) -> None:
    client = channels.of_client(registered)
    expected = own if registered is None else registered
    assert channels.of_browser(agent, client) == expected
    person = Principal(PrincipalKind.PERSON, "acc_1", channel=own)
    assert channels.through(person, client).channel == expected
    assert channels.of_browser(agent) == channels.visitor(own).channel == own
    assert channels.at_counter(person).channel is Channel.COUNTER
    assert channels.visitor(own).kind is ANONYMOUS.kind


def test_nothing_else_decides_a_channel() -> None:
    """Outside the one place, code passes a channel on; it names none but the system's own."""
    named = {
        path
        for path, tree in _sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "Channel"
        and node.attr in {channel.name for channel in OWN_BROWSER}
    }
    assert named - DECIDES == set(SAYS_SO)


def test_every_actor_is_made_with_its_channel() -> None:
    for path, call in _calls("Principal"):
        given = {keyword.arg for keyword in call.keywords}
        unsaid = path in {"foundation/principal.py", *API_CALLERS}
        assert "channel" in given or unsaid, f"{path}:{call.lineno} makes a principal without a channel"


API_CALLERS = {
    "idp/oauth/registration.py": "a client that registers itself does so by the API and may not say it is elsewhere",
    "hufu/seed.py": "asks in the name of the system",
}


def test_whoever_acts_is_told_to_the_audit_as_given() -> None:
    """A row takes its channel from a principal that was handed in, made with one, or moved by the one place."""
    for path, tree in _sources().items():
        for node in ast.walk(tree):
            named = isinstance(node, ast.Name) and node.id == "ANONYMOUS"
            assert not named or path in {"foundation/channels.py", "foundation/principal.py", *ANONYMOUS_CALLERS}, path


ANONYMOUS_CALLERS = {
    "api/dependencies.py": "whoever calls the JSON API without a token calls by the API",
    "idp/people/mobile_codes.py": "the default asker of a code; sending one writes no row",
}


def test_every_act_of_identity_is_in_the_table() -> None:
    known = frozenset().union(*STORIES.values(), AT_CLIENTS, BY_PRINCIPAL)
    assert known >= AT_COUNTER
    acts = {
        _name(call.args[0])
        for path, call in _calls("AuditEvent")
        if path.startswith("idp/") and not isinstance(call.args[0], ast.Name)
    }
    assert acts - known == set(), "an act nobody said how its channel is shown to be right"
    assert known - acts == PASSED_ON
    assert SYSTEM.channel is Channel.SYSTEM


def _name(argument: ast.expr) -> str:
    """Return the act an argument stands for; one put together has a star for what varies."""
    if isinstance(argument, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in argument.values)
    assert isinstance(argument, ast.Constant)
    return str(argument.value)

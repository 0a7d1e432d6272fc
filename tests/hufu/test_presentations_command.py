"""`hufu presentations`: what an operator registers is what the service reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from foundation.errors import InvalidInput, NotFound, NotPermitted
from foundation.principal import ANONYMOUS, Principal, PrincipalKind
from hufu.commands import Parser
from hufu.commands.presentations import act, add_arguments
from tests.support.wallet import ISSUER, VCT, Issuer
from verification.presentation.issuers import TrustKind
from verification.presentation.register import PresentationRegister

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.audit import Audit
    from foundation.clock import FixedClock
    from foundation.database import Database

OPERATOR = Principal(PrincipalKind.OPERATOR, "wang")
OFFICE = "115001020090030137"


async def play(register: PresentationRegister, *words: str, who: Principal = OPERATOR) -> list[str]:
    parser = Parser(prog="hufu presentations")
    add_arguments(parser)
    return list(await act(register, who, parser.parse_args(words)))


async def test_issuers_and_permissions_come_and_go(
    database: Database, clock: FixedClock, audit: Audit, tmp_path: Path
) -> None:
    register = PresentationRegister(database, clock, audit)
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": Issuer().jwks}))
    (issuer,) = await play(register, "trust", "发证机关", "--type", VCT, "--issuer", ISSUER, "--jwks", str(keys))
    await play(register, "trust", "本市机关", "--type", VCT, "--organisation", OFFICE, "--without-status")
    assert [(item.kind, item.status_required) for item in await register.issuers()] == [
        (TrustKind.JWKS, True),
        (TrustKind.TRUST_LIST, False),
    ]
    (allowed,) = await play(
        register, "allow", OFFICE, VCT, "--title", "凭证", "--claim", "name", "--claim", '["degrees", null, "type"]'
    )
    officer = Principal(PrincipalKind.OFFICER, "off_1", organisation_code=OFFICE)
    (permission,) = await register.permissions(officer)
    assert permission.claims == (("name",), ("degrees", None, "type"))
    system = Principal(PrincipalKind.CLIENT, "cli_1", organisation_code=OFFICE, client_id="cli_1")
    assert await register.permissions(system) == ()
    assert len(await play(register, "list")) == 3
    for entry in (issuer, allowed):
        await play(register, "withdraw", entry)
        with pytest.raises(NotFound):
            await play(register, "withdraw", entry)
    assert await register.permissions(officer) == ()
    assert len(await register.issuers()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("trust", "甲", "--type", VCT),
        ("trust", "甲\n乙", "--type", VCT, "--organisation", OFFICE),
        ("allow", OFFICE, VCT, "--title", "凭证", "--claim", "[]"),
        ("allow", OFFICE, VCT, "--title", "凭证", "--claim", "a", "--return-uri", "http://window.example/"),
        ("allow", OFFICE, VCT, "--title", "凭证", "--claim", "a", "--return-uri", "https://window.example/#x"),
    ],
    ids=["no key", "two lines", "no path", "plain http", "fragment"],
)
async def test_what_breaks_a_rule_is_not_registered(
    database: Database, clock: FixedClock, audit: Audit, words: tuple[str, ...]
) -> None:
    register = PresentationRegister(database, clock, audit)
    with pytest.raises(InvalidInput):
        await play(register, *words)
    with pytest.raises(NotPermitted):
        await play(register, "withdraw", "pri_1", who=ANONYMOUS)

"""An unrelated implementation of SD-JWT VC: what it issues and presents we take, what it refuses we refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support import node
from tests.support.wallet import ISSUER, VCT
from tests.verification.presentation.support import CLIENT, NONCE, SECONDS, STATUS, Party, asking
from tests.verification.presentation.test_credential import ATTACKS
from verification.presentation.credential import told
from verification.presentation.dcql import read_query

FOLDER = Path(__file__).parent / "sd_jwt_node"
PERSON = {
    "name": "陈伟",
    "address": {"province": "演示省", "city": "演示市"},
    "degrees": [{"type": "学士"}, {"type": "硕士"}],
    "nationalities": ["CN", "DE"],
}
CASES: list[tuple[dict[str, Any], dict[str, Any], list[list[str | int | None]], dict[str, Any]]] = [
    ({"_sd": ["name"]}, {"name": True}, [["name"]], {"name": "陈伟"}),
    (
        {"_sd": ["address"], "address": {"_sd": ["city", "province"]}},
        {"address": {"city": True}},
        [["address", "city"]],
        {"address": {"city": "演示市"}},
    ),
    (
        {"nationalities": {"_sd": [0, 1]}},
        {"nationalities": {"1": True}},
        [["nationalities", None]],
        {"nationalities": ["DE"]},
    ),
    (
        {"_sd": ["degrees", "name"], "_sd_decoy": 5},
        {"degrees": True},
        [["degrees", None, "type"]],
        {"degrees": [{"type": "学士"}, {"type": "硕士"}]},
    ),
    ({}, {}, [["name"]], {"name": "陈伟"}),
]
BOTH_REFUSE = (
    "algorithm_none",
    "disclosure_left_out_after_signing",
    "expired",
    "holder_signature_stripped",
    "issuer_impersonated",
    "nonce_of_another_request",
    "not_yet_valid",
    "public_key_as_hmac_secret",
    "sd_hash_of_something_else",
    "signed_by_another_holder",
)


async def play(party: Party, **task: Any) -> dict[str, Any]:  # noqa: ANN401 - a task for the script
    await node.install(FOLDER)
    said = {
        "issuer": party.issuer.key.as_dict(private=True),
        "holder": party.holder.key.as_dict(private=True),
        "status": party.issuer.status_list(str(STATUS["status_list"]["uri"]), {}, iat=SECONDS, exp=SECONDS + 600),
        "make": [],
        "judge": [],
    }
    return await node.play(FOLDER, "peer.mjs", {**said, **task})


async def test_what_the_library_issues_and_presents_we_take_and_read_alike() -> None:
    party = Party()
    claims = {
        "iss": ISSUER,
        "vct": VCT,
        "iat": SECONDS - 60,
        "exp": SECONDS + 600,
        "status": STATUS,
        "cnf": {"jwk": party.holder.key.as_dict(private=False)},
        **PERSON,
    }
    for_us = {"nonce": NONCE, "aud": CLIENT, "iat": SECONDS}
    task = [{"claims": claims, "disclosable": sd, "shown": shown, **for_us} for sd, shown, _, _ in CASES]
    made = (await play(party, make=task))["made"]
    for presentation, (_, _, pointers, expected) in zip(made, CASES, strict=True):
        query = asking(claims=[{"path": pointer} for pointer in pointers])
        examined = party.judge(presentation, query)
        assert examined.reason is None, [check.detail.en for check in examined.checks]
        assert told(examined.claims, query.credentials[0]) == expected


async def test_what_we_take_the_library_takes_and_reads_alike() -> None:
    party = Party()
    presentations = [party.present(names=names) for names in (["name"], ["name", "birthdate", "address"], [])]
    task = [{"presentation": text, "nonce": NONCE, "now": SECONDS} for text in presentations]
    for judged, text in zip((await play(party, judge=task))["judged"], presentations, strict=True):
        assert judged["accepted"], judged
        shown = [{"path": [name]} for name in ("name", "birthdate", "address") if name in judged["claims"]]
        query = read_query(
            {
                "credentials": [
                    {
                        "id": "a",
                        "format": "dc+sd-jwt",
                        "meta": {"vct_values": [VCT]},
                        **({"claims": shown} if shown else {}),
                    }
                ]
            }
        )
        examined = party.judge(text, query)
        assert examined.reason is None
        assert {name: value for name, value in judged["claims"].items() if name != "_sd_alg"} == examined.claims


async def test_the_library_refuses_with_us() -> None:
    # It lets a disclosure pass that no digest names, which RFC 9901 (7.1, step 5) refuses as we do.
    party = Party()
    built = {name: ATTACKS[name][0](party) for name in BOTH_REFUSE}
    task = [{"presentation": text, "nonce": NONCE, "now": SECONDS} for text in built.values()]
    judged = (await play(party, judge=[*task, {"presentation": party.present(), "nonce": NONCE, "now": SECONDS}]))[
        "judged"
    ]
    assert judged.pop()["accepted"]
    assert [name for name, found in zip(built, judged, strict=True) if found["accepted"]] == []
    assert [name for name, text in built.items() if party.judge(text).reason is None] == []

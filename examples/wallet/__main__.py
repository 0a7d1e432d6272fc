"""`python -m examples.wallet LINK`: answers a request for the demo's resident credential.

LINK is the text of the QR code (openid4vp://…) or a picture file of it, such as a screenshot of the page. The
wallet checks who asks before it shows anything: the request's signature, and that its certificate ends at the
service's published anchors.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import httpx2
import zxingcpp
from cryptography import x509
from PIL import Image

from examples.wallet.neighbour import VALUES, Neighbour
from tests.support.wallet import Wallet

if TYPE_CHECKING:
    from httpx2 import AsyncClient


async def answer(client: AsyncClient, link: str, *, state: str = "valid", decline: bool = False) -> str:
    """Answer the request behind a link; returns what there is to tell its owner."""
    asked_at = urlsplit(parse_qs(urlsplit(link).query)["request_uri"][0])
    anchors = await client.get(f"{asked_at.scheme}://{asked_at.netloc}/api/v1/trust-anchors")
    wallet = Wallet(client, x509.load_pem_x509_certificates(anchors.content), int(time.time()))
    asked = await wallet.take(link)
    about = asked.claims["verifier_info"][0]["data"]
    if decline:
        sent = await wallet.send(asked, {"error": "access_denied", "state": asked.claims["state"]})
        return f"{about['organisation_name']} was told no ({sent.status_code})."
    with Neighbour() as neighbour:
        credential = neighbour.issue(wallet.holder.key, state)
        (query,) = asked.queries
        names = [claim["path"][0] for claim in query.get("claims", ())]
        presented = wallet.present(asked, credential, names)
        sent = await wallet.send(asked, wallet.response(asked, {query["id"]: [presented]}))
    told = sent.json().get("redirect_uri", "")
    lines = [f"{about['organisation_name']} asked for {', '.join(names)}: {about['purpose']}"]
    return "\n".join([*lines, f"Answered ({sent.status_code}).", *([f"Go on at {told}"] if told else [])])


def _link(text: str) -> str:
    if text.startswith("openid4vp:"):
        return text
    with Image.open(Path(text)) as picture:
        found = [code.text for code in zxingcpp.read_barcodes(picture.convert("L"))]
    return next(code for code in found if code.startswith("openid4vp:"))


async def _run(arguments: argparse.Namespace) -> None:
    async with httpx2.AsyncClient(timeout=30) as client:
        said = await answer(client, _link(arguments.link), state=arguments.state, decline=arguments.decline)
        sys.stdout.write(f"{said}\n")


def main() -> None:
    """Read the arguments and answer."""
    parser = argparse.ArgumentParser(prog="python -m examples.wallet", description=__doc__)
    parser.add_argument("link", metavar="LINK", help="openid4vp://… or a picture of the code")
    parser.add_argument("--state", choices=sorted(VALUES), default="valid", help="what the issuer's list says")
    parser.add_argument("--decline", action="store_true", help="the owner does not agree")
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()

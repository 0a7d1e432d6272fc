"""`hufu keys`: the life of keys and certificates, from a terminal on the signer's machine.

Who acts is told by `--operator`; who may run this at all is decided by the machine's own
users. Destroying a key, saving the keystore, certifying a department's own key and
replacing an issuing CA take two operators: one asks with `request`, another does it within
a day.
"""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import json
import os
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from foundation.clock import SystemClock
from foundation.database import Database
from foundation.principal import Channel, Principal, PrincipalKind
from hufu.commands.key_pins import add_pin_arguments, confirmer_of, officer_passkeys, pins
from hufu.surroundings import surroundings
from keys.assembly import Keys, assemble, certificate_cipher
from keys.backup import KeystoreBackup
from keys.ca import RevocationReason
from keys.certificates import DELEGATED, Issuer
from keys.dual_control import Act
from keys.model import CERTIFIED_PURPOSES, KeyPurpose
from keys.offline_root import certify_authority, publish_root_list
from keys.rotation import rotate, rotate_authority
from keys.seal_proofs import ConfirmerKind
from signing.intentions import SealIntentions

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Callable, Coroutine

    from foundation.settings import Settings
    from keys.ca import CertificateRecord
    from keys.model import KeyInfo

PASSPHRASE_VARIABLE = "HUFU_EXPORT_PASSPHRASE"  # noqa: S105 - a variable's name
PLAIN_PURPOSES = [str(purpose) for purpose in KeyPurpose if purpose not in CERTIFIED_PURPOSES | {KeyPurpose.ROOT_CA}]
"""What a key may be made for by itself; the others go with a certificate."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)

    def act(name: str, summary: str, *, acting: bool = True) -> argparse.ArgumentParser:
        one = acts.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if acting:
            one.add_argument("--operator", required=True, metavar="NAME", help="who acts")
        return one

    one = act("list", "list the service's keys", acting=False)
    one.add_argument("--json", action="store_true", help="one JSON object a key")
    one = act("create", "make a pending key, which verifiers see before it is used")
    one.add_argument("purpose", choices=PLAIN_PURPOSES)
    one.add_argument("--algorithm", default="ES256")
    one = act("rotate", "make a key and use it at once in place of the present one")
    one.add_argument("purpose", choices=[*PLAIN_PURPOSES, "tsa", "ocsp", "presentation"])
    one.add_argument("--algorithm", default="ES256")
    one.add_argument("--issuer", type=Issuer, metavar="CA", help="whose OCSP key: persons, seals, seals-2, …")
    one = act("rotate-ca", "put a new issuing CA in the place of the present one, certified by the offline root")
    one.add_argument("role", choices=[str(issuer) for issuer in DELEGATED])
    one.add_argument("export", type=Path, metavar="ROOT_KEY_FILE")
    one.add_argument("--algorithm", default="ES256")
    for name, summary in (
        ("activate", "use a pending key from now on"),
        ("retire", "end a key's use"),
        ("destroy", "erase a key out of use, for which another operator has asked"),
    ):
        act(name, summary).add_argument("key_id")
    one = act("compromise", "mark a key compromised and revoke its certificates; final")
    one.add_argument("key_id")
    one.add_argument("--since", required=True, type=_moment, metavar="TIME", help="nothing it signed later is trusted")
    one = act("request", "ask, as the first of two operators")
    one.add_argument("for_act", choices=[str(one) for one in Act])
    one.add_argument("object_id", help="key id, client id, CA, `keystore`, or kind:identifier of a pin")
    add_pin_arguments(act)
    one = act("certificates", "search certificates", acting=False)
    one.add_argument("--subject", metavar="ID", help="credit code, person number or client id")
    one.add_argument("--key", metavar="KEY_ID")
    one.add_argument("--serial", type=_serial, metavar="HEX")
    one.add_argument("--expiring-days", type=int, metavar="N")
    one = act("revoke", "revoke a certificate; final")
    one.add_argument("serial", type=_serial, metavar="SERIAL_HEX")
    one.add_argument("--reason", required=True, choices=[str(reason) for reason in RevocationReason])
    one.add_argument("--invalid-from", type=_moment, metavar="TIME")
    one = act("certify-client", "certify a department's own TLS key, for which another operator has asked")
    one.add_argument("request", type=Path, metavar="CSR_FILE")
    one.add_argument("client_id")
    one.add_argument("--organisation", required=True)
    one.add_argument("--credit-code", required=True)
    act("anchors", "print the public CA certificates as PEM", acting=False)
    one = act("root-list", "sign a new revocation list with the offline root's exported key")
    one.add_argument("export", type=Path, metavar="ROOT_KEY_FILE")
    one = act("backup", "save the keystore, for which another operator has asked")
    one.add_argument("file", type=Path)
    one = act("restore", "bring a saved keystore back into an empty database")
    one.add_argument("file", type=Path)


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _serial(text: str) -> int:
    return int(text, 16)


def run(arguments: argparse.Namespace) -> int:
    """Do one act and print what came of it."""
    with surroundings() as settings:
        asyncio.run(_ACTS[arguments.act](settings, arguments))
    return 0


def _operator(arguments: argparse.Namespace) -> Principal:
    return Principal(PrincipalKind.OPERATOR, arguments.operator, channel=Channel.SYSTEM)


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings.database_url, pool_size=3)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def _keys(settings: Settings) -> AsyncIterator[Keys]:
    async with _database(settings) as database:
        keys = assemble(settings, database, SystemClock(), certificate_cipher(settings), intentions=SealIntentions())
        try:
            await keys.service.load()
            yield keys
        finally:
            await keys.close()


def _facts(info: KeyInfo) -> dict[str, object]:
    expires = None
    if info.certificate_chain_der:
        expires = x509.load_der_x509_certificate(info.certificate_chain_der[0]).not_valid_after_utc.isoformat()
    return {
        "key_id": info.key_id,
        "purpose": str(info.purpose),
        "owner": info.owner,
        "state": str(info.state),
        "algorithm": info.algorithm,
        "public_key_sha256": _fingerprint(info),
        "certificate_expires_at": expires,
        "not_trusted_from": info.not_trusted_from.isoformat() if info.not_trusted_from else None,
    }


def _say(info: KeyInfo, *more: str) -> None:
    print(f"{info.key_id}  {info.purpose}  {info.owner or '-'}  {info.algorithm}  {info.state}", *more, sep="  ")


def _fingerprint(info: KeyInfo) -> str:
    """Return the SHA-256 of a public key, which others pin."""
    return hashlib.sha256(info.public_key_der).hexdigest()


async def _list(settings: Settings, arguments: argparse.Namespace) -> None:
    async with _keys(settings) as keys:
        for purpose in KeyPurpose:
            for info in keys.service.verification_keys(purpose):
                if arguments.json:
                    print(json.dumps(_facts(info), ensure_ascii=False))
                else:
                    _say(info, _fingerprint(info))


async def _create(settings: Settings, arguments: argparse.Namespace) -> None:
    async with _keys(settings) as keys:
        purpose = KeyPurpose(arguments.purpose)
        _say(await keys.service.create(_operator(arguments), purpose, "", arguments.algorithm))


async def _rotate(settings: Settings, arguments: argparse.Namespace) -> None:
    async with _keys(settings) as keys:
        purpose, algorithm = KeyPurpose(arguments.purpose), arguments.algorithm
        _say(await rotate(keys, _operator(arguments), purpose, algorithm=algorithm, issuer=arguments.issuer))


async def _rotate_ca(settings: Settings, arguments: argparse.Namespace) -> None:
    principal, clock, cipher = _operator(arguments), SystemClock(), certificate_cipher(settings)
    passphrase = _passphrase("Passphrase of the root key: ")
    async with _database(settings) as database, _keys(settings) as keys:

        async def certify(key_id: str) -> KeyInfo:
            export = arguments.export
            return await certify_authority(settings, database, clock, cipher, principal, key_id, export, passphrase)

        role = Issuer(arguments.role)
        _say(await rotate_authority(keys, principal, role, certify, algorithm=arguments.algorithm))


def _on_key(name: str) -> Callable[[Settings, argparse.Namespace], Coroutine[Any, Any, None]]:
    async def act(settings: Settings, arguments: argparse.Namespace) -> None:
        async with _keys(settings) as keys:
            _say(await getattr(keys.service, name)(_operator(arguments), arguments.key_id))

    return act


async def _compromise(settings: Settings, arguments: argparse.Namespace) -> None:
    async with _keys(settings) as keys:
        _say(await keys.service.compromise(_operator(arguments), arguments.key_id, arguments.since))


async def _request(settings: Settings, arguments: argparse.Namespace) -> None:
    async with _keys(settings) as keys:
        act = Act(arguments.for_act)
        print(await keys.service.request(_operator(arguments), act, arguments.object_id))
    print("Another operator can do it within 24 hours.", file=sys.stderr)


async def _pin(settings: Settings, arguments: argparse.Namespace) -> None:
    async with _database(settings) as database, _keys(settings) as keys:
        kind, code = ConfirmerKind(arguments.kind), arguments.credit_code
        confirmer = await confirmer_of(
            database, kind, arguments.identifier, subject=arguments.subject, organisation_code=code
        )
        await keys.service.pin(_operator(arguments), confirmer)
    print(f"{confirmer.confirmer_id}  {confirmer.subject}  {code}")


async def _unpin(settings: Settings, arguments: argparse.Namespace) -> None:
    async with _keys(settings) as keys:
        await keys.service.unpin(_operator(arguments), arguments.confirmer_id)


async def _pins(settings: Settings, arguments: argparse.Namespace) -> None:
    del arguments
    async with _database(settings) as database:
        print("\n".join(await pins(database)))


async def _passkeys(settings: Settings, arguments: argparse.Namespace) -> None:
    async with _database(settings) as database:
        print("\n".join(await officer_passkeys(database, certificate_cipher(settings), arguments.officer_id)))


async def _certificates(settings: Settings, arguments: argparse.Namespace) -> None:
    days = arguments.expiring_days
    async with _keys(settings) as keys:
        found = await keys.ca.search(
            subject_id=arguments.subject,
            key_id=arguments.key,
            serial=arguments.serial,
            expiring_before=None if days is None else SystemClock().now() + timedelta(days=days),
        )
    for record in found:
        print(_line(record))


def _line(record: CertificateRecord) -> str:
    state = f"revoked {record.revocation.reason}" if record.revocation else "good"
    ends = record.not_after.date().isoformat()
    return f"{record.serial:x}  {record.issuer}  {record.profile}  {record.subject_id}  until {ends}  {state}"


async def _revoke(settings: Settings, arguments: argparse.Namespace) -> None:
    async with _keys(settings) as keys:
        reason = RevocationReason(arguments.reason)
        await keys.ca.revoke(_operator(arguments), arguments.serial, reason, invalid_from=arguments.invalid_from)
        for record in await keys.ca.search(serial=arguments.serial):
            print(_line(record))


async def _certify_client(settings: Settings, arguments: argparse.Namespace) -> None:
    given = await asyncio.to_thread(arguments.request.read_bytes)
    csr_der = x509.load_pem_x509_csr(given).public_bytes(Encoding.DER) if given.startswith(b"-----") else given
    async with _keys(settings) as keys:
        certificate_der = await keys.ca.issue_tls_client(
            _operator(arguments),
            csr_der,
            client_id=arguments.client_id,
            organisation_name=arguments.organisation,
            credit_code=arguments.credit_code,
        )
    print(x509.load_der_x509_certificate(certificate_der).public_bytes(Encoding.PEM).decode(), end="")


async def _anchors(settings: Settings, arguments: argparse.Namespace) -> None:
    del arguments
    async with _keys(settings) as keys:
        print((await keys.service.trust_anchors()).pem(), end="")


async def _root_list(settings: Settings, arguments: argparse.Namespace) -> None:
    async with _database(settings) as database:
        crl_der = await publish_root_list(
            database,
            SystemClock(),
            certificate_cipher(settings),
            _operator(arguments),
            arguments.export,
            _passphrase("Passphrase of the root key: "),
        )
    print(f"The root's new list is valid until {x509.load_der_x509_crl(crl_der).next_update_utc}.")


async def _backup(settings: Settings, arguments: argparse.Namespace) -> None:
    async with _database(settings) as database:
        backup = KeystoreBackup(settings, database, SystemClock())
        passphrase = _passphrase("Passphrase of the backup, at least 16 characters: ")
        count = await backup.save(_operator(arguments), arguments.file, passphrase)
    print(f"{count} keys were saved to {arguments.file}.")


async def _restore(settings: Settings, arguments: argparse.Namespace) -> None:
    async with _database(settings) as database:
        backup = KeystoreBackup(settings, database, SystemClock())
        count = await backup.restore(_operator(arguments), arguments.file, _passphrase("Passphrase of the backup: "))
    print(f"{count} keys were restored.")


def _passphrase(prompt: str) -> str:
    """Return a passphrase from the environment or the terminal, never from the command line.

    Operators who each know a part type them one after the other.
    """
    parts = [os.environ.get(PASSPHRASE_VARIABLE) or getpass.getpass(prompt)]
    while not os.environ.get(PASSPHRASE_VARIABLE) and (part := getpass.getpass("Next operator's part, or nothing: ")):
        parts.append(part)
    return "".join(parts)


_ACTS: dict[str, Callable[[Settings, argparse.Namespace], Coroutine[Any, Any, None]]] = {
    "list": _list,
    "create": _create,
    "rotate": _rotate,
    "rotate-ca": _rotate_ca,
    "activate": _on_key("activate"),
    "retire": _on_key("retire"),
    "destroy": _on_key("destroy"),
    "compromise": _compromise,
    "request": _request,
    "pin": _pin,
    "unpin": _unpin,
    "pins": _pins,
    "passkeys": _passkeys,
    "certificates": _certificates,
    "revoke": _revoke,
    "certify-client": _certify_client,
    "anchors": _anchors,
    "root-list": _root_list,
    "backup": _backup,
    "restore": _restore,
}

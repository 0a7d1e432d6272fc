"""What a command finds around it: settings, secrets and servers.

In production all three are given. In development whatever is missing is made once and
kept in the data directory: secrets of our own in a file of mode 0600, PostgreSQL and
Redis started from packages. While `hufu run` is up, other commands on the same data
directory find its servers by the file it leaves there.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from foundation.encryption import KEY_BYTES
from foundation.settings import Profile, load_settings
from hufu.launcher import start_servers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from foundation.settings import Settings

STATE_FILE = "servers.json"
SECRETS_FILE = "secrets.json"


def _random_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


_GENERATED = {
    "field_keys": lambda: "1:" + _random_key(),
    "index_key": _random_key,
    "keystore_passphrase": lambda: secrets.token_urlsafe(32),
    "real_name_gateway_key": _random_key,
    "sms_gateway_key": _random_key,
}


@contextmanager
def surroundings(**overrides: object) -> Iterator[Settings]:
    """Yield complete settings: with secrets, and with servers that answer.

    Raises: BadSettings, CannotStart.
    """
    settings = load_settings(**overrides)
    if settings.profile is Profile.PRODUCTION:
        yield settings
        return
    directory = settings.data_directory.resolve()
    directory.mkdir(parents=True, exist_ok=True, mode=0o711)
    made = {"data_directory": directory, **_development_secrets(settings, directory), **overrides}
    if "issuer" not in settings.model_fields_set:
        made["issuer"] = f"http://localhost:{settings.port}"
    if settings.database_url and settings.redis_url:
        yield load_settings(**made)
        return
    if found := _running(directory):
        yield load_settings(**made, **found)
        return
    with start_servers(directory, database_url=settings.database_url, redis_url=settings.redis_url) as servers:
        addresses = {"database_url": servers.database_url, "redis_url": servers.redis_url}
        with _announced(directory / STATE_FILE, addresses):
            yield load_settings(**made, **addresses)


def _development_secrets(settings: Settings, directory: Path) -> dict[str, str]:
    """Return the secrets that no variable gives, made once and kept.

    Where there is a signer process, it alone is told the signer's passphrase, by whoever starts it. A
    directory from before signers had one of their own goes on with the general passphrase, and so
    does whoever gives that by a variable.
    """
    path = directory / SECRETS_FILE
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if not kept and not settings.keystore_passphrase.get_secret_value():
        kept["signer_passphrase"] = _random_key()
    missing = {name: make() for name, make in _GENERATED.items() if name not in kept}
    if missing:
        kept |= missing
        write_private(path, json.dumps(kept, indent=1))
    if settings.signer_socket:
        kept.pop("signer_passphrase", None)
    return {name: value for name, value in kept.items() if not getattr(settings, name).get_secret_value()}


def write_private(path: Path, text: str) -> None:
    """Write a file that only we can read, whole or not at all."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)


@contextmanager
def _announced(path: Path, addresses: Mapping[str, str]) -> Iterator[None]:
    """Tell other commands where the servers are, for as long as they are there."""
    write_private(path, json.dumps(dict(addresses)))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _running(directory: Path) -> dict[str, str] | None:
    """Return the addresses a running `hufu run` announced, when they answer."""
    try:
        addresses: dict[str, str] = json.loads((directory / STATE_FILE).read_text())
        for url in addresses.values():
            socket.create_connection((urlsplit(url).hostname, urlsplit(url).port or 0), timeout=1).close()
    except (OSError, ValueError):
        return None
    return addresses


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the HUFU_* variables that give a child process the same settings."""
    values = settings.model_dump(exclude_defaults=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HUFU_")}
    for name, value in values.items():
        plain = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        environment[f"HUFU_{name.upper()}"] = ",".join(map(str, plain)) if isinstance(plain, tuple) else str(plain)
    return environment

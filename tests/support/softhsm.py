"""A SoftHSM2 token for the tests of every package; the library reads its configuration once a process."""

from __future__ import annotations

import atexit
import functools
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:
    from foundation.settings import Settings

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "246813"
LABEL = "hufu-tests"


@functools.cache
def token_label() -> str:
    """Make this process's token at the first call and return its label.

    SoftHSM writes every object through to the disk, 0.2 s a key, so the token lies in memory where it can.
    """
    memory = Path("/dev/shm")  # noqa: S108 - Linux's memory file system; the directory in it is our own
    directory = tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)
    atexit.register(directory.cleanup)
    place = Path(directory.name)
    (place / "tokens").mkdir()
    configuration = place / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {place}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    command = ["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "135724"]
    subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - fixed program, test data
    return LABEL


def with_provider(settings: Settings, provider: str) -> Settings:
    """Return settings whose signer keeps its keys with a provider."""
    update: dict[str, object] = {"key_provider": provider}
    if provider == "pkcs11":
        update |= {"pkcs11_module": SOFTHSM, "pkcs11_token": token_label(), "pkcs11_pin": SecretStr(PIN)}
    return settings.model_copy(update=update)

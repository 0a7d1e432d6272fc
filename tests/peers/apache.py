"""Apache with mod_auth_openidc (Debian's packages) as a department's system: unprivileged, on a free port."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULES = Path("/usr/lib/apache2/modules")
NEEDED = ("mpm_event", "authn_core", "authz_core", "authz_user", "dir", "mime", "env", "headers", "auth_openidc")
SERVER_USER = "nobody"
START_SECONDS = 60
PAGE = "<!doctype html><title>food</title>the bureau's own page\n"

CONFIGURATION = """
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {place}/apache.pid
ErrorLog {place}/error.log
LogLevel warn auth_openidc:info
DefaultRuntimeDir {place}
Mutex pthread
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
{modules}
TypesConfig /etc/mime.types
DocumentRoot {place}/pages
DirectoryIndex index.html

OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {client_secret}
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCRedirectURI {address}/food/callback
OIDCCryptoPassphrase {passphrase}
OIDCPKCEMethod S256
OIDCScope "openid profile offline_access"
OIDCSessionType server-cache
OIDCCacheType shm
OIDCInfoHook userinfo access_token access_token_expires id_token session
OIDCDefaultLoggedOutURL {address}/open/

<Location /food>
  AuthType openid-connect
  Require valid-user
  Header set X-Signed-In-As "%{{OIDC_CLAIM_preferred_username}}e"
</Location>
<Location /open>
  Require all granted
</Location>
"""


@dataclass(frozen=True)
class Apache:
    """A running server: where it answers, and what it logged."""

    address: str
    log: Path

    @property
    def callback(self) -> str:
        return f"{self.address}/food/callback"


def apache_executable() -> str:
    """Return the server, which CI and the README's prerequisites install."""
    found = shutil.which("apache2") or shutil.which("apache2", path="/usr/sbin")
    assert found, "apache2 is needed for the unrelated OpenID Connect client mod_auth_openidc"
    assert (MODULES / "mod_auth_openidc.so").exists(), "libapache2-mod-auth-openidc is needed"
    return found


@contextmanager
def apache(port: int, *, issuer: str, client_id: str, client_secret: str) -> Iterator[Apache]:
    """Yield Apache in front of a page that only signed-in people see."""
    executable = apache_executable()
    user = pwd.getpwnam(SERVER_USER)
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="hufu-apache-") as directory:
        place = Path(directory)
        for name in ("food", "open"):
            (place / "pages" / name).mkdir(parents=True)
            (place / "pages" / name / "index.html").write_text(PAGE, "utf-8")
        modules = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in NEEDED)
        configuration = CONFIGURATION.format(
            port=port,
            place=place,
            modules=modules,
            issuer=issuer,
            address=address,
            client_id=client_id,
            client_secret=client_secret,
            passphrase=secrets.token_urlsafe(24),
        )
        (place / "apache.conf").write_text(configuration, "utf-8")
        as_root = os.geteuid() == 0
        if as_root:
            for path in (place, *place.rglob("*")):
                os.chown(path, user.pw_uid, user.pw_gid)
        process = subprocess.Popen(  # noqa: S603 - a server of the system, on a file of ours
            [executable, "-D", "FOREGROUND", "-f", str(place / "apache.conf")],
            user=user.pw_uid if as_root else None,
            group=user.pw_gid if as_root else None,
            extra_groups=[] if as_root else None,
            cwd=place,
        )
        try:
            server = Apache(address, place / "error.log")
            _await(process, server)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS)


def _await(process: subprocess.Popen[bytes], server: Apache) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(f"{server.address}/open/", timeout=2).status_code == httpx2.codes.OK:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    logged = server.log.read_text("utf-8", "replace") if server.log.exists() else ""
    message = f"Apache did not start: {logged}"
    raise AssertionError(message)

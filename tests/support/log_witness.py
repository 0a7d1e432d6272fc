"""A witness of transparency logs (C2SP tlog-witness) that shares no code with the log it watches.

Written from the specifications; keeps what it saw in memory. `mood` makes it slow (until
`released`), silent or a liar.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.support.loopback import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Sequence


def grew(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether a consistency proof holds, by the recursive definition of RFC 6962, section 2.1.2.

    Walks the definition down from the new tree: which subtrees the proof names, in which order,
    follows from the sizes; both roots are then put together from them.
    """
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof
    given = list(proof)

    def both(m: int, n: int, whole: bool) -> tuple[bytes, bytes]:  # noqa: FBT001 - as in the RFC
        """Return the old and the new hash of a subtree of n leaves of which m are old."""
        if m == n:
            known = old_root if whole else given.pop(0)
            return known, known
        k = 1 << (n - 1).bit_length() - 1
        if m <= k:
            left_old, left_new = both(m, k, whole)
            return left_old, hashlib.sha256(b"\x01" + left_new + given.pop(0)).digest()
        right_old, right_new = both(m - k, n - k, whole=False)
        left = given.pop(0)
        return tuple(hashlib.sha256(b"\x01" + left + right).digest() for right in (right_old, right_new))  # type: ignore[return-value] # two

    try:
        found = both(old, new, whole=True)
    except IndexError:
        return False
    return not given and found == (old_root, new_root)


class LogWitness(LoopbackServer):
    """Cosigns the checkpoints of one log."""

    def __init__(self, log_key: str, name: str = "witness.example/w1") -> None:
        """Take the log's verifier key, `name+id+key`."""
        self.origin, _, encoded = log_key.split("+", 2)
        self._log_id = bytes.fromhex(log_key.split("+")[1])
        self._log = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:])
        self.name, self._private = name, Ed25519PrivateKey.generate()
        public = b"\x04" + self._private.public_key().public_bytes_raw()
        self._id = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
        self.key = f"{name}+{self._id.hex()}+{base64.b64encode(public).decode()}"
        self.size, self.root = 0, hashlib.sha256().digest()
        self.mood = ""
        self.released = threading.Event()
        self.answers: list[int] = []
        self._one_at_a_time = threading.Lock()
        super().__init__(type("Handler", (_Handler,), {"witness": self}))

    def answer(self, body: str) -> tuple[int, str]:
        """Return status and body of one submission."""
        head, _, note = body.partition("\n\n")
        first, *lines = head.split("\n")
        text, _, signatures = note.partition("\n\n")
        text += "\n"
        origin, size_text, root_text = text.split("\n")[:3]
        if origin != self.origin:
            return 404, ""
        if not any(self._is_log_signature(line, text) for line in signatures.splitlines()):
            return 403, ""
        old, size, root = int(first.removeprefix("old ")), int(size_text), base64.b64decode(root_text)
        with self._one_at_a_time:
            if old > size:
                return 400, ""
            if old != self.size:
                return 409, f"{self.size}\n"
            if not grew(old, size, self.root, root, [base64.b64decode(line) for line in lines]):
                return 422, ""
            self.size, self.root = size, root
        now = int(time.time())
        message = f"cosignature/v1\ntime {now}\n{text}".encode()
        value = self._id + now.to_bytes(8, "big") + self._private.sign(message)
        return 200, f"— {self.name} {base64.b64encode(value).decode()}\n"

    def _is_log_signature(self, line: str, text: str) -> bool:
        _, name, encoded = line.split(" ")
        value = base64.b64decode(encoded)
        if name != self.origin or value[:4] != self._log_id:
            return False
        try:
            self._log.verify(value[4:], text.encode())
        except InvalidSignature:
            return False
        return True


class _Handler(BaseHTTPRequestHandler):
    witness: ClassVar[LogWitness]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        witness = self.witness
        if witness.mood == "slow":
            witness.released.wait(10)
        if witness.mood == "away":
            self.close_connection = True
            return
        status, answer = witness.answer(body)
        if witness.mood == "liar" and status == 200:
            answer = answer[:-8] + "AAAAAA=\n"
        witness.answers.append(status)
        self.send_response(status)
        self.send_header("content-length", str(len(answer.encode())))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""

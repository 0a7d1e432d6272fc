"""A real-name gateway to test against: real HTTP, signed, with a synthetic population.

It keeps the protocol of `docs/real-name-gateway.md`, locks a bank card after three errors
in a row or ten requests a day as UnionPay does, answers the same to the same request id,
and misbehaves on request. `python -m tests.support.real_name_authority --port 9700` runs
it by itself; `POST /sandbox/behaviour {"behaviour": "down"}` then changes how it behaves.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from tests.support.loopback import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation.clock import Clock

WRONG_IN_ROW, REQUESTS_A_DAY = 3, 10
SKEW_SECONDS = 120
BODY_LIMIT = 65536

AUTHORITIES = {
    "id_card": "演示市公安局人口库",
    "social_security_card": "演示市人力资源和社会保障局",
    "bank_card": "中国银联（沙箱）",
    "telecom": "演示通信运营商",
    "housing_fund": "演示市住房公积金管理中心",
    "enterprise": "演示市市场主体登记库",
}
ELEMENTS = {
    "id_card": ("name", "citizen_id_number"),
    "social_security_card": ("name", "citizen_id_number", "card_number"),
    "bank_card": ("name", "citizen_id_number", "card_number", "mobile"),
    "telecom": ("name", "citizen_id_number", "mobile"),
    "housing_fund": ("name", "citizen_id_number", "fund_account"),
    "enterprise": ("company_name", "credit_code", "representative_name", "representative_id_number"),
}


class Behaviour(StrEnum):
    """What the authority does with the next requests."""

    NORMAL = "normal"
    SLOW = "slow"
    DOWN = "down"
    ERROR = "error"
    GARBAGE = "garbage"
    LOCKED = "locked"
    PENDING = "pending"
    BAD_SIGNATURE = "bad_signature"
    REPLAY = "replay"
    STALE = "stale"
    HUGE = "huge"


@dataclass(frozen=True)
class Citizen:
    """One synthetic person with everything the authorities know."""

    name: str
    citizen_id_number: str
    mobile: str
    bank_card: str
    social_security_card: str
    fund_account: str

    def elements(self, method: str) -> dict[str, str]:
        """Return the right elements for one method."""
        known = asdict(self) | {"card_number": self.bank_card if method == "bank_card" else self.social_security_card}
        return {name: known[name] for name in ELEMENTS[method]}


def _checked_id(first_seventeen: str) -> str:
    total = sum(int(digit) * (2 ** (17 - place) % 11) for place, digit in enumerate(first_seventeen))
    return first_seventeen + "10X98765432"[total % 11]


def _checked_card(first: str) -> str:
    doubled = (int(digit) * 2 if place % 2 == 0 else int(digit) for place, digit in enumerate(reversed(first)))
    return first + str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)


def citizen(serial: int, name: str, birth: str, *, district: str = "500101") -> Citizen:
    """Return a synthetic person; the same serial is always the same person."""
    return Citizen(
        name=name,
        citizen_id_number=_checked_id(f"{district}{birth}{serial % 1000:03d}"),
        mobile=f"139{serial:08d}",
        bank_card=_checked_card(f"622202{serial:012d}"),
        social_security_card=f"Y{serial:08d}",
        fund_account=f"5001{serial:08d}",
    )


CITIZENS = (
    citizen(22, "陈伟", "19900307"),
    citizen(31, "李明", "19850615"),
    citizen(42, "王芳", "19780923"),
    citizen(64, "张秀英", "19580214"),
    citizen(75, "买买提·吐尔逊", "19930830", district="500102"),
    citizen(88, "𬭎龘靐", "20010101", district="500103"),
)
"""The people of the demo city; the first is Chen Wei of the walk-through."""


@dataclass(frozen=True)
class Company:
    """One synthetic company of the register."""

    company_name: str
    credit_code: str
    representative: Citizen

    def elements(self) -> dict[str, str]:
        """Return the right elements."""
        return {
            "company_name": self.company_name,
            "credit_code": self.credit_code,
            "representative_name": self.representative.name,
            "representative_id_number": self.representative.citizen_id_number,
        }


COMPANIES = (
    Company("演示市东江区陈记小面馆", "92500101MA5U000R4K", CITIZENS[0]),
    Company("演示智造（演示市）有限公司", "91500101MA5U000N1A", CITIZENS[1]),
)
"""The companies of the demo city."""

_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许"
_GIVEN = "子轩雨桐浩然思远欣怡明哲文博佳宁天佑晓东"


def population(size: int) -> Iterator[Citizen]:
    """Yield synthetic people after the named ones."""
    for serial in range(1000, 1000 + size):
        name = _SURNAMES[serial % len(_SURNAMES)] + _GIVEN[serial * 7 % len(_GIVEN)] + _GIVEN[serial * 3 % len(_GIVEN)]
        yield citizen(serial, name, f"{1950 + serial % 55}{1 + serial % 12:02d}{1 + serial // 1000 % 28:02d}")


@dataclass
class _Card:
    wrong_in_row: int = 0
    requests: Counter[str] = field(default_factory=Counter)


class SandboxAuthority(LoopbackServer):
    """The gateway and the authorities behind it, in one process."""

    def __init__(self, key: bytes, clock: Clock, *, people: tuple[Citizen, ...] = CITIZENS, port: int = 0) -> None:
        super().__init__(_handler(self), port)
        self.behaviour = Behaviour.NORMAL
        self.slow_seconds = 30.0
        self.requests: list[dict[str, Any]] = []
        self._key = key
        self._clock = clock
        self._companies = {company.credit_code: company for company in COMPANIES}
        self._people = {person.citizen_id_number: person for person in people}
        self._cards: dict[str, _Card] = {}
        self._answers: dict[str, dict[str, Any]] = {}
        self._decided: dict[str, dict[str, Any]] = {}
        self._last: tuple[bytes, dict[str, str]] | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def enrol(self, known: Citizen | Company) -> None:
        """Make the authorities know one more person or company."""
        if isinstance(known, Company):
            self._companies[known.credit_code] = known
        else:
            self._people[known.citizen_id_number] = known

    def stop(self) -> None:
        """Stop serving, waking what waits, and release the port."""
        self._stopping.set()
        super().stop()

    def respond(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]] | None:
        """Return status, body and headers of an answer; None drops the connection."""
        behaviour = self.behaviour
        if behaviour is Behaviour.DOWN:
            return None
        if behaviour is Behaviour.SLOW:
            self._stopping.wait(self.slow_seconds)
            return None
        if behaviour is Behaviour.ERROR:
            return 503, b"", {}
        if behaviour is Behaviour.GARBAGE:
            return 200, "<html>系统维护中</html>".encode(), {}
        if not self._signed(path, headers, body):
            return 401, b'{"error":"signature"}', {}
        with self._lock:
            message = json.loads(body)
            self.requests.append(message)
            answer = self._query(message) if path.endswith("/query") else self._verify(message)
        return self._seal(answer, headers["hufu-nonce"])

    def _signed(self, path: str, headers: dict[str, str], body: bytes) -> bool:
        timestamp, nonce = headers.get("hufu-timestamp", ""), headers.get("hufu-nonce", "")
        lines = ("POST", path, timestamp, nonce, hashlib.sha256(body).hexdigest())
        try:
            fresh = abs((self._clock.now() - datetime.fromisoformat(timestamp)).total_seconds()) <= SKEW_SECONDS
        except (ValueError, TypeError):
            return False
        return fresh and hmac.compare_digest(self._mac(lines), headers.get("hufu-signature", ""))

    def _mac(self, lines: tuple[str, ...]) -> str:
        return base64.b64encode(hmac.new(self._key, "\n".join(lines).encode(), hashlib.sha256).digest()).decode()

    def _seal(self, answer: dict[str, Any], nonce: str) -> tuple[int, bytes, dict[str, str]]:
        if self.behaviour is Behaviour.REPLAY and self._last is not None:
            return 200, *self._last
        body = json.dumps(answer, ensure_ascii=False).encode()
        if self.behaviour is Behaviour.HUGE:
            body += b" " * 1_000_000
        stamp = datetime(2020, 1, 1, tzinfo=UTC) if self.behaviour is Behaviour.STALE else self._clock.now()
        timestamp = stamp.isoformat()
        signature = self._mac(("ANSWER", nonce, timestamp, hashlib.sha256(body).hexdigest()))
        if self.behaviour is Behaviour.BAD_SIGNATURE:
            signature = self._mac(("ANSWER", nonce, timestamp, "0" * 64))
        headers = {"Gateway-Timestamp": timestamp, "Gateway-Signature": signature}
        self._last = (body, headers)
        return 200, body, headers

    def _verify(self, message: dict[str, Any]) -> dict[str, Any]:
        request_id, method = message["request_id"], message["method"]
        if request_id not in self._answers:
            outcome, failed = self._judge(method, message["elements"])
            answer = {
                "request_id": request_id,
                "transaction_id": f"SBX{len(self._answers):08d}",
                "authority": AUTHORITIES[method],
                "outcome": outcome,
                "failed_elements": failed,
            }
            self._decided[request_id] = answer
            if self.behaviour is Behaviour.PENDING:
                answer = answer | {"outcome": "pending", "failed_elements": []}
            self._answers[request_id] = answer
        return self._answers[request_id]

    def _query(self, message: dict[str, Any]) -> dict[str, Any]:
        request_id = message["request_id"]
        if self.behaviour is Behaviour.PENDING:
            return self._answers[request_id]
        return self._decided[request_id]

    def _judge(self, method: str, elements: dict[str, str]) -> tuple[str, list[str]]:
        if self.behaviour is Behaviour.LOCKED:
            return "locked", []
        card = self._cards.setdefault(elements["card_number"], _Card()) if method == "bank_card" else None
        day = str(self._clock.now().date())
        if card is not None:
            card.requests[day] += 1
            if card.wrong_in_row >= WRONG_IN_ROW or card.requests[day] > REQUESTS_A_DAY:
                return "locked", []
        if method == "enterprise":
            company = self._companies.get(elements["credit_code"])
            known, right = company is not None, company.elements() if company else {}
        else:
            person = self._people.get(elements["citizen_id_number"])
            known, right = person is not None, person.elements(method) if person else {}
        failed = [name for name in ELEMENTS[method] if elements.get(name) != right.get(name)]
        if card is not None:
            card.wrong_in_row = card.wrong_in_row + 1 if failed else 0
        if not known:
            return "not_found", []
        return ("mismatch", failed) if failed else ("match", [])


def _handler(authority: SandboxAuthority) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), BODY_LIMIT))
            if self.path == "/sandbox/behaviour":
                authority.behaviour = Behaviour(json.loads(body)["behaviour"])
                self._send(200, b"{}", {})
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = authority.respond(self.path, headers, body)
            if answer is None:
                self.close_connection = True
                return
            self._send(*answer)

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing: requests carry personal data."""

    return Handler


class _SystemClock:
    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC)


def main() -> None:
    """Run by itself."""
    parser = argparse.ArgumentParser(description="Sandbox real-name authority with a synthetic population.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", default=os.environ.get("HUFU_REAL_NAME_GATEWAY_KEY", ""), help="base64, shared key")
    parser.add_argument("--population", type=int, default=1000, help="synthetic people besides the named ones")
    arguments = parser.parse_args()
    people = (*CITIZENS, *population(arguments.population))
    SandboxAuthority(
        base64.b64decode(arguments.key), _SystemClock(), people=people, port=arguments.port
    ).serve_forever()


if __name__ == "__main__":
    main()

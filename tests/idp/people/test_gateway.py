from __future__ import annotations

import time
from typing import TYPE_CHECKING

from idp.people.breaker import CircuitBreaker
from idp.people.gateway import RealNameGateway
from idp.people.proof import Method, Outcome
from tests.idp.people.conftest import CHEN_WEI, GATEWAY_KEY
from tests.support.real_name_authority import Behaviour, SandboxAuthority

if TYPE_CHECKING:
    from foundation.clock import FixedClock

ELEMENTS = CHEN_WEI.elements("id_card")


async def test_without_a_gateway_nobody_is_asked(clock: FixedClock) -> None:
    gateway = RealNameGateway("", b"", clock)
    answer = await gateway.verify(Method.ID_CARD, "evd_1", ELEMENTS, repeatable=True)
    assert (answer.outcome, answer.asked) == (Outcome.UNAVAILABLE, False)
    await gateway.close()


async def test_another_key_is_refused_by_the_gateway(authority: SandboxAuthority, clock: FixedClock) -> None:
    gateway = RealNameGateway(authority.url, bytes(32), clock)
    answer = await gateway.verify(Method.ID_CARD, "evd_1", ELEMENTS, repeatable=True)
    assert (answer.outcome, answer.reason) == (Outcome.UNAVAILABLE, "status 401")
    assert authority.requests == []
    await gateway.close()


async def test_after_five_failures_nobody_waits_for_a_dead_authority(
    authority: SandboxAuthority, clock: FixedClock
) -> None:
    gateway = RealNameGateway(authority.url, GATEWAY_KEY, clock, answer_seconds=0.2)
    authority.behaviour, authority.slow_seconds = Behaviour.SLOW, 1.0
    for number in range(5):
        answer = await gateway.verify(Method.BANK_CARD, f"evd_{number}", ELEMENTS, repeatable=False)
        assert answer.reason == "ReadTimeout"
    began = time.perf_counter()
    answer = await gateway.verify(Method.BANK_CARD, "evd_9", ELEMENTS, repeatable=False)
    assert (answer.reason, answer.asked) == ("circuit open", False)
    assert time.perf_counter() - began < 0.1
    authority.behaviour = Behaviour.NORMAL
    other = await gateway.verify(Method.ID_CARD, "evd_10", ELEMENTS, repeatable=True)
    assert other.outcome is Outcome.MATCH
    await gateway.close()


def test_the_breaker_lets_one_try_after_the_rest_and_closes_on_success() -> None:
    now = [0.0]
    breaker = CircuitBreaker(failures=2, rest_seconds=10, monotonic=lambda: now[0])
    for _ in range(2):
        assert breaker.allows()
        breaker.failed()
    assert not breaker.allows()
    now[0] = 10.0
    assert breaker.allows()
    assert not breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    now[0] = 20.0
    assert breaker.allows()
    breaker.abandoned()
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.allows()
    assert breaker.allows()

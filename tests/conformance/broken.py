"""Ways to break a provider, each small and plausible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.idp.oauth.support import LocalSigner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest

    from tests.conformance.op import Break


def patched(owner: object, name: str, replacement: object) -> Break:
    """Replace one attribute."""

    def apply(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(owner, name, replacement)

    return apply


def all_of(*breaks: Break) -> Break:
    """Break several things at once."""

    def apply(monkeypatch: pytest.MonkeyPatch) -> None:
        for each in breaks:
            each(monkeypatch)

    return apply


def always(value: object) -> Callable[..., object]:
    """Return a function that ignores what it is given."""

    def function(*_: object, **__: object) -> object:
        return value

    return function


def always_async(value: object) -> Callable[..., object]:
    """Return a coroutine function that ignores what it is given."""

    async def function(*_: object, **__: object) -> object:
        return value

    return function


def signed_claims(change: Callable[[dict[str, Any]], dict[str, Any]], *, typ: str = "JWT") -> Break:
    """Sign other claims than the provider meant to."""

    def apply(monkeypatch: pytest.MonkeyPatch) -> None:
        sign = LocalSigner.sign

        def other(self: LocalSigner, claims: Mapping[str, Any], *, typ: str, algorithm: str | None = None) -> str:
            meant = dict(claims)
            return sign(self, change(meant) if typ == wanted else meant, typ=typ, algorithm=algorithm)

        wanted = typ
        monkeypatch.setattr(LocalSigner, "sign", other)

    return apply


def without(name: str) -> Break:
    """Leave a claim out of ID tokens."""
    return signed_claims(lambda claims: {key: value for key, value in claims.items() if key != name})


def with_claim(name: str, value: object) -> Break:
    """Put a wrong value into ID tokens."""
    return signed_claims(lambda claims: {**claims, name: value})


def discovery_with(**members: object) -> Break:
    """Change the discovery document; None removes a member."""

    def apply(monkeypatch: pytest.MonkeyPatch) -> None:
        from idp.oauth import provider  # noqa: PLC0415 - patched where it is used

        sound = provider.__dict__["metadata"]

        def other(*arguments: Any, **named: Any) -> dict[str, Any]:  # noqa: ANN401 - passed on
            changed = {**sound(*arguments, **named), **members}
            return {name: value for name, value in changed.items() if value is not None}

        monkeypatch.setattr(provider, "metadata", other)

    return apply

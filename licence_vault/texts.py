"""What text on a licence may hold: nothing invisible, nothing that reorders what is read."""

from __future__ import annotations

import unicodedata
from typing import Any

from foundation.errors import InvalidInput
from licence_vault.errors import FaceTooLarge, InvalidFace

_REFUSED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
MAX_DEPTH = 6
MAX_VALUES = 2000
MAX_TOTAL = 60_000
"""Characters of all texts of a face together."""


def describe(character: str) -> str:
    """Return a character with its code point, fit for an error text."""
    return f"“{character}” (U+{ord(character):04X})" if character.isprintable() else f"U+{ord(character):04X}"


def first_refused(text: str, *, lines: bool = False) -> str | None:
    """Return the first control, format or surrogate character; line feeds pass when `lines`."""
    if text.isprintable():
        # What the interpreter calls printable holds none of the refused; almost every text ends here.
        return None
    for character in text:
        if unicodedata.category(character) in _REFUSED and not (lines and character == "\n"):
            return character
    return None


def check_text(unverified: str, field: str, *, max_length: int) -> str:
    """Return a name or short text, NFC and trimmed; raises InvalidInput naming the field."""
    text = unicodedata.normalize("NFC", unverified).strip()
    if not text:
        raise InvalidInput("不能为空 / must not be empty.", field=field)
    if len(text) > max_length:
        raise InvalidInput(f"最多 {max_length} 个字符 / at most {max_length} characters.", field=field)
    refused = first_refused(text)
    if refused is not None:
        raise InvalidInput(
            f"含不可见或控制字符 {describe(refused)} / holds a character that is not shown.", field=field
        )
    return text


def normalise_face(value: Any, field: str = "face") -> Any:  # noqa: ANN401 - any JSON value
    """Return JSON face data with every text NFC; line feeds stay, other controls are refused.

    Raises: InvalidFace, FaceTooLarge.
    """
    budget = _Budget()
    return _walk(value, field, 0, budget)


class _Budget:
    """Counts what a face holds, so that a hostile one ends early."""

    def __init__(self) -> None:
        self.values = 0
        self.characters = 0

    def spend(self, characters: int, field: str) -> None:
        self.values += 1
        self.characters += characters
        if self.values > MAX_VALUES or self.characters > MAX_TOTAL:
            raise FaceTooLarge("照面信息过大 / the face data is too large.", field=field)


def _walk(value: Any, field: str, depth: int, budget: _Budget) -> Any:  # noqa: ANN401
    if depth > MAX_DEPTH:
        raise FaceTooLarge(f"照面信息嵌套超过 {MAX_DEPTH} 层 / nested too deeply.", field="face")
    if isinstance(value, str):
        budget.spend(len(value), "face")
        text = unicodedata.normalize("NFC", value.replace("\r\n", "\n"))
        refused = first_refused(text, lines=True)
        if refused is not None:
            raise InvalidFace(
                f"含不可见或控制字符 {describe(refused)} / holds a character that is not shown.", field=field
            )
        return text
    budget.spend(0, "face")
    if isinstance(value, dict):
        return {key: _walk(inner, f"{field}.{key}", depth + 1, budget) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_walk(inner, f"{field}.{index}", depth + 1, budget) for index, inner in enumerate(value)]
    return value

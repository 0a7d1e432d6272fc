"""Officers as `signing` sees them, for tests without the people of `idp`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from foundation.principal import Principal


class Officers:
    """`signing.ports.SealOfficers`: everybody named is in post everywhere, and some keep seals."""

    def __init__(self, in_post: Collection[str] = (), keepers: Collection[str] = ()) -> None:
        """Take officers' identifiers; keepers are in post too."""
        self._keepers = frozenset(keepers)
        self._in_post = frozenset(in_post) | self._keepers
        self.forbidden: set[str] = set()
        """Whose authority to seal was withdrawn."""

    async def keeps_seals(self, principal: Principal, organisation_code: str) -> bool:
        """Tell whether the officer is named as a keeper, of the own organisation."""
        return principal.subject_id in self._keepers and principal.organisation_code == organisation_code

    async def may_seal(self, principal: Principal, matter_code: str | None) -> bool:
        """Tell whether the officer is named, and not forbidden to seal."""
        del matter_code
        return principal.subject_id in self._in_post - self.forbidden

    async def in_post(self, officer_id: str, organisation_code: str) -> bool:
        """Tell whether the officer is named."""
        del organisation_code
        return officer_id in self._in_post

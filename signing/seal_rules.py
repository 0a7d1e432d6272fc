"""Rules on seals, without I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.errors import InvalidInput, NotPermitted
from foundation.principal import PrincipalKind
from signing.errors import FourEyesRequired, GlyphMissing, SealNotActive, SealNotFound, SealUseNotGranted
from signing.model import SealKind, SealState
from signing.seal_image import MAX_CHARACTERS, missing_characters

if TYPE_CHECKING:
    from foundation.principal import Principal
    from signing.model import Seal, SealApplication
    from signing.ports import SealOfficers

MAX_LOWER_TEXT = 16
MAX_HOLDER_NAME = 6
LIVE_STATES = frozenset(SealState) - {SealState.REJECTED, SealState.CANCELLED}
SCOPE_SEAL, SCOPE_ISSUE = "seal:apply", "licence:issue"


def require_operator(principal: Principal) -> None:
    """Let operators pass; raises NotPermitted."""
    if principal.kind is not PrincipalKind.OPERATOR:
        raise NotPermitted("Only an operator may do this.")


async def require_keeper(officers: SealOfficers, principal: Principal, organisation_code: str) -> None:
    """Let operators and the organisation's own seal keepers pass; raises NotPermitted."""
    if principal.kind is PrincipalKind.OPERATOR:
        return
    own = principal.kind is PrincipalKind.OFFICER and principal.organisation_code == organisation_code
    if not own or not await officers.keeps_seals(principal, organisation_code):
        raise NotPermitted("Only an operator or a seal keeper of the seal's organisation may do this.")


def require_reader(principal: Principal, seal: Seal) -> None:
    """Let operators and the seal's own organisation pass; raises SealNotFound, as for a seal that is not there."""
    own = principal.organisation_code == seal.organisation_code and principal.kind in {
        PrincipalKind.OFFICER,
        PrincipalKind.CLIENT,
    }
    if principal.kind not in {PrincipalKind.OPERATOR, PrincipalKind.SYSTEM} and not own:
        raise SealNotFound("There is no such seal.")


def require_other_person(principal: Principal, seal: Seal) -> None:
    """Keep who applied from approving; raises FourEyesRequired."""
    if seal.applied_by in principal.audit_names:
        raise FourEyesRequired("Who applied for a seal may not approve it.")


def check_application(application: SealApplication, organisation_name: str) -> str:
    """Check an application's words and return the seal's name.

    Raises: InvalidInput, GlyphMissing.
    """
    personal = application.kind is SealKind.PERSONAL
    if personal != (application.holder_name is not None):
        raise InvalidInput("A personal name seal, and no other, names its holder.", field="holder_name")
    if personal and not 1 <= len(application.holder_name or "") <= MAX_HOLDER_NAME:
        raise InvalidInput(f"A holder's name has 1 to {MAX_HOLDER_NAME} characters.", field="holder_name")
    _check_lower_text(application)
    if not 1 <= len(organisation_name) <= MAX_CHARACTERS:
        raise InvalidInput(f"A seal holds a name of up to {MAX_CHARACTERS} characters.", field="organisation_code")
    drawn = (application.holder_name or "") if personal else organisation_name + application.lower_text
    if missing := missing_characters(drawn):
        # A person's rare character is named; the name around it is not.
        raise GlyphMissing(
            f"No font at hand can draw {'、'.join(missing)} ({', '.join(f'U+{ord(each):04X}' for each in missing)}).",
            field="holder_name" if personal else "organisation_code",
        )
    return organisation_name + ("个人名章" if personal else application.lower_text)


def _check_lower_text(application: SealApplication) -> None:
    text = application.lower_text
    plain = application.kind in {SealKind.STATUTORY, SealKind.PERSONAL}
    if plain and text:
        raise InvalidInput("This kind of seal has no line beneath the star.", field="lower_text")
    if not plain and not 1 <= len(text) <= MAX_LOWER_TEXT:
        raise InvalidInput(f"The line beneath the star has 1 to {MAX_LOWER_TEXT} characters.", field="lower_text")
    if text != text.strip() or any(not character.isprintable() for character in text):
        raise InvalidInput("The line beneath the star holds printable characters only.", field="lower_text")


def not_usable(seal: Seal) -> Exception:
    """Return why an intention was not written."""
    if seal.state is not SealState.ACTIVE:
        return SealNotActive(f"The seal is {seal.state}.")
    return SealUseNotGranted("You hold no grant of this seal for this matter now.")

from __future__ import annotations

import pytest

from tests.verification.pki import Pki
from verification.trust import TrustMaterial


@pytest.fixture(scope="session")
def pki() -> Pki:
    return Pki()


@pytest.fixture(scope="session")
def material(pki: Pki) -> TrustMaterial:
    return TrustMaterial(roots_der=(pki.root.der,), intermediates_der=(pki.issuing.der,), crls_der=pki.crls())

"""`docs/conformance.md` names exactly the modules that are run, by what, and in which variants."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conformance.test_config_dynamic_logout import ASSURANCE, CONFIG, DYNAMIC, LOGOUT
from tests.conformance.test_fapi2_flow import FAPI
from tests.conformance.test_fapi2_requests import REQUESTS
from tests.conformance.test_fapi2_tokens import TOKENS
from tests.conformance.test_fapi2_variants import FRONT, MORE
from tests.conformance.test_fapi_ciba import CIBA
from tests.conformance.test_fapi_ciba_signed import SIGNED
from tests.conformance.test_oidc_basic import BASIC

PLANS = (BASIC, CONFIG, DYNAMIC, LOGOUT, FAPI, REQUESTS, TOKENS, CIBA, SIGNED, ASSURANCE, MORE, FRONT)
DOCUMENT = Path(__file__).parents[2] / "docs" / "conformance.md"
ROW = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \|(?: ([1-9 ]+) \|)?$", flags=re.MULTILINE)


def test_every_module_stands_in_the_document_with_its_variants_and_no_other() -> None:
    documented = [match.groups(default="") for match in ROW.finditer(DOCUMENT.read_text())]
    run = [
        (module.name, getattr(module.run, "__name__", ""), numbers if len(plan.variants) > 1 else "")
        for plan in PLANS
        for module in plan.modules
        for numbers in (" ".join(str(plan.variants.index(variant) + 1) for variant in module.variants),)
    ]
    assert sorted(documented) == sorted(run)

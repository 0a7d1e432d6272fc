"""`docs/conformance.md` names exactly the modules that are run."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conformance.test_config_dynamic_logout import ASSURANCE, CONFIG, DYNAMIC, LOGOUT
from tests.conformance.test_fapi2_flow import FAPI
from tests.conformance.test_fapi2_requests import REQUESTS
from tests.conformance.test_fapi2_tokens import TOKENS
from tests.conformance.test_fapi2_variants import FRONT, MORE, MTLS, PING
from tests.conformance.test_fapi_ciba import CIBA
from tests.conformance.test_oidc_basic import BASIC

PLANS = (BASIC, CONFIG, DYNAMIC, LOGOUT, FAPI, REQUESTS, TOKENS, CIBA, ASSURANCE, MTLS, MORE, PING, FRONT)
DOCUMENT = Path(__file__).parents[2] / "docs" / "conformance.md"


def test_every_module_stands_in_the_document_and_no_other() -> None:
    documented = re.findall(r"^\| `([^`]+)` \| ", DOCUMENT.read_text(), flags=re.MULTILINE)
    run = [module.name for plan in PLANS for module in plan.modules]
    assert sorted(documented) == sorted(run)

"""The README says what is true of the settings and the demo city."""

from __future__ import annotations

import re
from pathlib import Path

from foundation.settings import Settings
from hufu import demo_city

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def test_the_settings_table_names_every_setting_and_no_other() -> None:
    table = README.partition("## Settings")[2].partition("## In production")[0]
    named = set(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))
    variables = {name for cell in named for name in re.findall(r"`HUFU_([A-Z0-9_]+)`", cell)}
    assert variables == {name.upper() for name in Settings.model_fields}


def test_the_tour_uses_the_demo_city() -> None:
    assert demo_city.PORTAL.client_id in README
    assert demo_city.MARKET_BUREAU.credit_code in README
    assert demo_city.CITIZENS[0].citizen_id_number in README

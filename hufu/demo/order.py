"""What the food bureau's system sends when it issues a licence."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from hufu import demo_city


def food_licence(type_code: str) -> dict[str, Any]:
    """Return the data of one synthetic food business licence, with numbers of its own."""
    citizen = demo_city.CITIZENS[0]
    today = (datetime.now(UTC) + timedelta(hours=8)).date()
    return {
        "type_code": type_code,
        "issuer_code": demo_city.MARKET_BUREAU.credit_code,
        "holders": [{"name": citizen.name, "code_type": "111", "code": citizen.citizen_id_number}],
        "face": {
            "legal_representative": citizen.name,
            "residence": "演示市东江区滨江路 18 号",
            "business_premises": "演示市东江区滨江路 18 号附 2 号",
            "main_business_format": "餐饮服务经营者",
            "business_items": ["热食类食品制售", "冷食类食品制售"],
            "supervision_authority": "演示市东江区市场监督管理局",
            "complaint_telephone": "12315",
            "signed_by": "李明",
        },
        "licence_number": f"JY2{demo_city.MARKET_BUREAU.district_code}{secrets.randbelow(10**7):07d}",
        "valid_from": today.isoformat(),
        "valid_to": (today + timedelta(days=5 * 365 - 1)).isoformat(),
        "matter_code": demo_city.MATTER_FOOD,
        "case_number": f"SP-{today.year}-{secrets.randbelow(10**6):06d}",
    }

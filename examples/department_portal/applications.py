"""The department's own data: applications for a food business licence. In memory; this is an example."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

FORMATS = ("食品销售经营者", "餐饮服务经营者", "单位食堂")
ITEMS = ("热食类食品制售", "冷食类食品制售", "糕点类食品制售", "自制饮品制售", "预包装食品销售")
DISTRICT = "500101"
YEARS = 5
MAX_ADDRESS_CHARS = 120
MIN_ADDRESS_CHARS = 5


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who applies: the name and number that Hufu vouches for, not what somebody typed."""

    subject: str
    name: str
    citizen_id_number: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Application:
    """One application and what became of it."""

    number: str
    applicant: Applicant
    premises: str
    business_format: str
    items: tuple[str, ...]
    applied_at: datetime
    licence: str | None = None
    licence_number: str | None = None


class Applications:
    """Keeps applications."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: dict[str, Application] = {}

    def add(self, applicant: Applicant, premises: str, business_format: str, items: tuple[str, ...]) -> Application:
        """Accept an application that passed `problems`."""
        number = f"{date.today():%Y%m%d}-{secrets.randbelow(10**7):07d}"  # noqa: DTZ011 - a civil day on a form
        made = Application(number, applicant, premises, business_format, items, datetime.now(UTC))
        self._kept[number] = made
        return made

    def of(self, subject: str) -> list[Application]:
        """Return one person's applications, newest first."""
        return [item for item in self.all() if item.applicant.subject == subject]

    def all(self) -> list[Application]:
        """Return every application, newest first."""
        return sorted(self._kept.values(), key=lambda item: item.applied_at, reverse=True)

    def get(self, number: str) -> Application | None:
        """Return an application."""
        return self._kept.get(number)

    def issued(self, application: Application, identifier: str, licence_number: str) -> Application:
        """Note the licence that came of an application."""
        done = replace(application, licence=identifier, licence_number=licence_number)
        self._kept[application.number] = done
        return done


def problems(premises: str, business_format: str, items: tuple[str, ...]) -> dict[str, str]:
    """Return what is wrong with a form, by field."""
    found = {}
    if not MIN_ADDRESS_CHARS <= len(premises) <= MAX_ADDRESS_CHARS:
        found["premises"] = f"请填写完整的经营场所地址，{MIN_ADDRESS_CHARS} 到 {MAX_ADDRESS_CHARS} 个字。"
    if business_format not in FORMATS:
        found["business_format"] = "请选择主体业态。"
    if not items or any(item not in ITEMS for item in items):
        found["items"] = "请至少选择一项经营项目。"
    return found


def licence_request(
    application: Application, *, licence_type: str, issuer_code: str, department: str, matter_code: str, today: date
) -> dict[str, object]:
    """Return the body that asks Hufu for the licence of an application."""
    person = application.applicant
    end = date(today.year + YEARS, today.month, min(today.day, 28))
    return {
        "type_code": licence_type,
        "issuer_code": issuer_code,
        "holders": [{"name": person.name, "code_type": "111", "code": person.citizen_id_number}],
        "face": {
            "legal_representative": person.name,
            "residence": application.premises,
            "business_premises": application.premises,
            "main_business_format": application.business_format,
            "business_items": list(application.items),
            "supervision_authority": department,
            "signed_by": "审批科",
        },
        "licence_number": f"JY2{DISTRICT}{application.number[-7:]}",
        "valid_from": today.isoformat(),
        "valid_to": end.isoformat(),
        "matter_code": matter_code,
        "case_number": application.number,
    }

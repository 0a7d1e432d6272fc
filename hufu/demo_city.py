"""The demo city: synthetic districts, organisations, officers and clients.

Every number has valid check digits and belongs to nobody. The passwords and one-time-code
secrets are printed by `make run` and written here for all to read, so the seed refuses the
production profile.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

CITY = "演示市"
DISTRICTS = (
    ("500100", "演示市", None),
    ("500101", "演示市东江区", "500100"),
    ("500102", "演示市西山区", "500100"),
    ("500103", "演示市南湖区", "500100"),
)


@dataclass(frozen=True, slots=True)
class DemoOrganisation:
    """A department: credit code, name, district, level."""

    credit_code: str
    name: str
    district_code: str
    level: str


MARKET_BUREAU = DemoOrganisation("11500100009001018B", "演示市市场监督管理局", "500100", "city")
LAND_BUREAU = DemoOrganisation("115001000090010266", "演示市规划和自然资源局", "500100", "city")
SERVICE_OFFICE = DemoOrganisation("115001000090010341", "演示市政务服务管理办公室", "500100", "city")
EAST_APPROVAL = DemoOrganisation("115001010090020108", "演示市东江区行政审批局", "500101", "district")
WEST_HALL = DemoOrganisation("115001020090030137", "演示市西山区政务服务中心", "500102", "district")
ORGANISATIONS = (MARKET_BUREAU, LAND_BUREAU, SERVICE_OFFICE, EAST_APPROVAL, WEST_HALL)

MATTER_FOOD = "500100-0131-001"
MATTER_BUSINESS = "500100-0131-002"
MATTER_LAND = "500100-0115-001"
MATTERS = (
    (MATTER_FOOD, "食品经营许可（新办）", MARKET_BUREAU.credit_code),
    (MATTER_BUSINESS, "个体工商户设立登记", MARKET_BUREAU.credit_code),
    (MATTER_LAND, "不动产首次登记", LAND_BUREAU.credit_code),
)


@dataclass(frozen=True, slots=True)
class DemoOfficer:
    """An officer and how to sign in as one."""

    username: str
    password: str
    totp_secret_base32: str
    name: str
    organisation: DemoOrganisation
    post: str
    keeps_seals: bool = True


OFFICER_PASSWORD = "Hufu-demo-2026!"  # noqa: S105 - published on purpose, demonstration only
OFFICERS = (
    DemoOfficer("liming", OFFICER_PASSWORD, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "李明", MARKET_BUREAU, "审批科科员"),
    DemoOfficer("zhouqin", OFFICER_PASSWORD, "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU", "周琴", LAND_BUREAU, "登记科科员"),
    DemoOfficer("wangfang", OFFICER_PASSWORD, "MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK", "王芳", WEST_HALL, "综合窗口"),
    DemoOfficer("hanmei", OFFICER_PASSWORD, "PFXXK4TTMVRXEZLUPFXXK4TTMVRXEZLU", "韩梅", WEST_HALL, "复核窗口", False),
    DemoOfficer("sunli", OFFICER_PASSWORD, "NVXXE5LTMUQGC3TENVXXE5LTMUQGC3TE", "孙丽", SERVICE_OFFICE, "督查科科员"),
)
FURTHER_POSTS = ((OFFICERS[4], EAST_APPROVAL, "挂职副科长"),)
"""Officers who work for a second organisation as well, and what they are there."""


@dataclass(frozen=True, slots=True)
class DemoOperator:
    """An operator and how to sign in as one."""

    username: str
    password: str
    totp_secret_base32: str


OPERATORS = (
    DemoOperator("operator1", OFFICER_PASSWORD, "ONSWG4TFOQQHI2DFONSWG4TFOQQHI2DF"),
    DemoOperator("operator2", OFFICER_PASSWORD, "OBQXG43XN5ZGIIDUOBQXG43XN5ZGIIDU"),
)


@dataclass(frozen=True, slots=True)
class DemoCitizen:
    """A citizen the sandbox authority knows: the elements of a bank-card proof."""

    username: str
    name: str
    citizen_id_number: str
    card_number: str
    mobile: str


CITIZEN_PASSWORD = "Tally-demo-2026!"  # noqa: S105 - published on purpose, demonstration only
CITIZENS = (
    DemoCitizen("chenwei", "陈伟", "500101199003070225", "6222020000000000224", "13900000022"),
    DemoCitizen("zhangxiuying", "张秀英", "50010119580214064X", "6222020000000000646", "13900000064"),
    DemoCitizen("rarename", "𬭎龘靐", "500103200101010881", "6222020000000000885", "13900000088"),
)


@dataclass(frozen=True, slots=True)
class DemoClient:
    """A department system registered in the demo; `bound` ties its access tokens to a key of its own."""

    client_id: str
    name: str
    organisation: DemoOrganisation
    scopes: frozenset[str]
    portal: bool = False
    bound: bool = False


SEALING_SCOPES = frozenset({"seal:apply"})
PORTAL = DemoClient(
    "food-bureau-portal",
    "演示市食品经营许可系统",
    MARKET_BUREAU,
    frozenset(
        {
            "openid",
            "profile",
            "phone",
            "real_name",
            "licence:issue",
            "licence:read",
            "licence:status",
            "verify:read",
        }
    ),
    portal=True,
)
WINDOW = DemoClient(
    "west-hall-window",
    "西山区综合窗口系统",
    WEST_HALL,
    frozenset({"licence:read", "verify:read", "verify:present"}),
)
LAND_SYSTEM = DemoClient(
    "land-bureau-system",
    "演示市不动产登记系统",
    LAND_BUREAU,
    frozenset({"licence:issue", "licence:read", "licence:status", "verify:read"}),
)
FOOD_SEALING = DemoClient("food-bureau-sealing", "演示市食品经营用章系统", MARKET_BUREAU, SEALING_SCOPES, bound=True)
LAND_SEALING = DemoClient("land-bureau-sealing", "演示市不动产用章系统", LAND_BUREAU, SEALING_SCOPES, bound=True)
CLIENTS = (PORTAL, WINDOW, LAND_SYSTEM, FOOD_SEALING, LAND_SEALING)
PORTAL_PORT = 8100

RESIDENT_TYPE = "https://neighbour.example/credentials/resident"
RESIDENT_TITLE = "邻市居民凭证"
RESIDENT_CLAIMS = (("name",), ("birthdate",), ("address",))
NEIGHBOUR = "邻市公安局"
NEIGHBOUR_KEY = int.from_bytes(hashlib.sha256("邻市演示根证书".encode()).digest(), "big")
"""The private key of the neighbouring city's authority, for all to know: `examples/wallet` issues under it."""
NEIGHBOUR_ANCHOR_PEM = """-----BEGIN CERTIFICATE-----
MIIBbjCCARWgAwIBAgIBATAKBggqhkjOPQQDAjAtMQswCQYDVQQGEwJDTjEeMBwG
A1UEAwwV6YK75biC5ryU56S65qC56K+B5LmmMB4XDTI2MDEwMTAwMDAwMFoXDTQ2
MDEwMTAwMDAwMFowLTELMAkGA1UEBhMCQ04xHjAcBgNVBAMMFemCu+W4gua8lOek
uuagueivgeS5pjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEOZKnQlngbcXWMK
+J3iL7v3raa1fh6An2XHXVOMaGh39h9H0MYHxfXoDM4afZoNX/sHEIzSjbt5DCOr
i8v6zTCjJjAkMBIGA1UdEwEB/wQIMAYBAf8CAQAwDgYDVR0PAQH/BAQDAgEGMAoG
CCqGSM49BAMCA0cAMEQCICOMjQdII3XVKNMrswJ69VBznkvUrUH272NwP5oz60bg
AiAf6Nu4loAe3D9yLircPQZwXAw+FdZSqII3fFjeWmOsQQ==
-----END CERTIFICATE-----
"""


def portal_redirects(port: int) -> tuple[str, ...]:
    """Return where the portal takes people back; the usual port stays registered beside another."""
    ports = dict.fromkeys((PORTAL_PORT, port))
    return tuple(f"http://{host}:{each}/callback" for each in ports for host in ("localhost", "127.0.0.1"))

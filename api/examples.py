"""Examples in `openapi.yaml`: the demo city's, with valid check digits; a test sends the requests."""

from __future__ import annotations

from typing import Any

IDENTIFIER = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"

ISSUE: dict[str, Any] = {
    "type_code": "11100000MB0143028R031",
    "issuer_code": "11500100009001018B",
    "holders": [{"name": "陈伟", "code_type": "111", "code": "500101199003070225"}],
    "face": {
        "legal_representative": "陈伟",
        "residence": "演示市东江区滨江路 18 号",
        "business_premises": "演示市东江区滨江路 18 号一层",
        "main_business_format": "餐饮服务经营者",
        "business_items": ["热食类食品制售", "冷食类食品制售"],
        "supervision_authority": "演示市东江区市场监督管理局",
        "signed_by": "李明",
    },
    "licence_number": "JY25001010000042",
    "valid_from": "2026-03-02",
    "valid_to": "2031-03-01",
    "matter_code": "500100-0131-001",
    "case_number": "2026-0131-000042",
}
CHANGE = {
    "state": "suspended",
    "reason_code": "investigation",
    "reason_text": "涉嫌超范围经营，立案调查期间暂扣",
    "legal_basis": "《食品经营许可和备案管理办法》",
}
REVISE = {
    "kind": "correction",
    "reason_text": "许可证编号打印有误，予以更正",
    "legal_basis": "《食品经营许可和备案管理办法》",
    "licence_number": "JY25001010000043",
    "matter_code": "500100-0131-001",
    "case_number": "2026-0131-000044",
}
SEARCH = {
    "holder_code_type": "111",
    "holder_code": "500101199003070225",
    "type_code": "11100000MB0143028R031",
    "matter_code": "500100-0131-001",
    "case_number": "2026-0131-000043",
    "reason": "审查变更申请时核对现有许可",
    "operator": "xs0017",
}
BY_IDENTIFIER = {"identifier": IDENTIFIER, "compare": {"holder_name": "陈伟"}}
BY_QR = {"text": "http://localhost:8000/v#HF1PDNI…"}
BY_RECEIPT = {"receipt": "eyJhbGciOiJFUzI1NiIsInR5cCI6InZlcmlmaWNhdGlvbi1yZWNlaXB0K2p3dCJ9.…"}
SCAN = {
    "code": "HUFU-SHOW:4820175936…",
    "matter_code": "500100-0131-001",
    "case_number": "2026-0131-000042",
    "reason": "核对经营许可原件",
    "operator": "xs0017",
}

PRESENTATION = {
    "query": {
        "credentials": [
            {
                "id": "licence",
                "format": "dc+sd-jwt",
                "meta": {"vct_values": ["https://credentials.example/licence"]},
                "claims": [{"path": ["name"]}, {"path": ["licence_number"]}],
            }
        ]
    },
    "purpose": "核对食品经营许可",
    "response_mode": "direct_post.jwt",
}
COLLECTION = {"response_code": "wK2rA6oZ0m8Xq1bTnq3p5uYc7sVdFhJk"}

BATCH = {"rows": [{"ref": "A-1", "identifier": BY_IDENTIFIER["identifier"]}]}

CONFIRM = {"document_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}

SEAL_DIGEST = {
    "seal_id": "sea_06f2k8m4n1p7q3r9s5t0v2c4d8",
    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "matter_code": "500100-0131-001",
    "level": "B-T",
}

EXAMPLES: dict[tuple[str, str], tuple[Any, Any]] = {
    ("POST", "/api/v1/licences"): (ISSUE, None),
    ("POST", "/api/v1/licences/{identifier}/states"): (CHANGE, None),
    ("POST", "/api/v1/licences/{identifier}/revisions"): (REVISE, None),
    ("POST", "/api/v1/licence-searches"): (SEARCH, None),
    ("POST", "/api/v1/shows"): (SCAN, None),
    ("POST", "/api/v1/verifications/identifier"): (BY_IDENTIFIER, None),
    ("POST", "/api/v1/verifications/qr"): (BY_QR, None),
    ("POST", "/api/v1/verifications/receipt"): (BY_RECEIPT, None),
    ("POST", "/api/v1/verifications/receipt/document"): (BY_RECEIPT, None),
    ("POST", "/api/v1/verification-batches"): (BATCH, None),
    ("POST", "/api/v1/presentations"): (PRESENTATION, None),
    ("POST", "/api/v1/presentations/{transaction_id}/collection"): (COLLECTION, None),
    ("POST", "/api/v1/document-confirmations"): (CONFIRM, None),
    ("POST", "/api/v1/sealed-digests"): (SEAL_DIGEST, None),
}
"""By method and path: what to send, what comes back."""

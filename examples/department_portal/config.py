"""What the portal must know about itself and about Hufu."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Config:
    """Addresses, the client's credentials, and who this department is."""

    hufu: str
    own_address: str
    client_id: str
    client_secret: str = field(repr=False)
    department: str = "演示市市场监督管理局"
    credit_code: str = "11500100009001018B"
    licence_type: str = "11100000MB0143028R031"
    matter_code: str = "500100-0131-001"
    level: str = "L2"

    @property
    def redirect_uri(self) -> str:
        """Return the address registered for sign-in."""
        return f"{self.own_address}/callback"

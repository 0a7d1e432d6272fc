"""Settings: `HUFU_*` variables or a file, validated once at start.

The file is named by `HUFU_SETTINGS_FILE` and holds `HUFU_NAME=value` lines;
variables win over it. A bad value stops the start and is named. The production
profile refuses what only a demonstration may use.
"""

from __future__ import annotations

import base64
import binascii
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from foundation.encryption import KEY_BYTES


class Profile(StrEnum):
    """What the process may assume about its surroundings."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class BadSettings(Exception):
    """One or more settings are missing or wrong; the message names each."""


class UpstreamProvider(BaseModel):
    """Another OpenID Provider people may sign in by.

    `levels` says what its `acr` values, trust frameworks and assurance levels stand for here; a
    sign-in with none of them is refused. With `vouches` its `verified_claims` on name and ID number
    are kept as evidence at that level. `private_key_jwt` is signed by our token key, whose public
    half the other side reads from our JWKS.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    name: str = Field(min_length=1, max_length=40)
    issuer: str = Field(pattern=r"^https?://[^\s?#]+[^/\s?#]$")
    client_id: str = Field(min_length=1, max_length=200)
    authentication: Literal["client_secret_basic", "client_secret_post", "private_key_jwt"] = "client_secret_basic"
    client_secret: SecretStr | None = None
    assertion_audience: Literal["issuer", "token_endpoint"] = "issuer"
    scope: str = "openid"
    levels: dict[str, Annotated[str, Field(pattern="^L[0-4]$")]] = Field(min_length=1)
    vouches: bool = False

    @model_validator(mode="after")
    def _proves_itself(self) -> Self:
        if (self.client_secret is None) is not (self.authentication == "private_key_jwt"):
            message = "client_secret belongs to client_secret_basic and client_secret_post, and only to them"
            raise ValueError(message)
        return self


class Settings(BaseSettings):
    """Everything that differs between deployments."""

    model_config = SettingsConfigDict(env_prefix="HUFU_", extra="ignore", frozen=True)

    profile: Profile = Profile.DEVELOPMENT
    issuer: str = Field(
        "http://localhost:8000", description="Public base address and OpenID issuer, no trailing slash."
    )
    verify_url: str = Field("", description="Address in QR codes; the issuer followed by /v when empty.")
    host: str = Field("127.0.0.1", description="Address `hufu serve` listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port `hufu serve` listens on.")
    metrics_host: str = Field("127.0.0.1", description="Address the metrics of every process are answered on.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Where `hufu serve` answers Prometheus; 0 is nowhere.")
    worker_metrics_port: int = Field(
        0, ge=0, le=65535, description="Where `hufu worker` answers Prometheus; 0 is nowhere."
    )
    database_url: str = Field("", description="postgresql://user:password@host:port/name")
    redis_url: str = Field("", description="redis://host:port/0")
    database_pool_size: Annotated[int, Field(ge=1, le=200)] = 10
    data_directory: Path = Field(Path("data"), description="Embedded servers, blobs and keystore live here.")
    blob_url: str = Field("", description="file:///path or s3://bucket/prefix; data directory when empty.")
    field_keys: SecretStr = Field(
        SecretStr(""), description="number:base64 pairs, comma separated; the highest encrypts."
    )
    index_key: SecretStr = Field(SecretStr(""), description="Base64 of 32 bytes; keys the blind indexes.")
    keystore_passphrase: SecretStr = Field(SecretStr(""), description="Wraps the software provider's keys.")
    key_provider: str = Field("software", pattern="^(software|pkcs11)$")
    signer_passphrase: SecretStr = Field(
        SecretStr(""), description="Wraps the signer's keys; set it for the signer process alone."
    )
    signer_socket: str = Field("", description="Path of the signer's socket; without it this process signs itself.")
    signer_clients: Annotated[tuple[int, ...], NoDecode] = Field(
        (), description="Numbers of the users that may ask the signer, comma separated; its own when empty."
    )
    seal_proof: str = Field(
        "",
        pattern="^(|recorded|required)$",
        description="What the signer asks for beside the stored intention; required in production, else recorded.",
    )
    pki_url: str = Field(
        "", description="Base address in certificates, plain http as RFC 5280 advises; the issuer when empty."
    )
    timestamp_policy: str = Field(
        "2.25.221938572011325936724127085417262131479", pattern=r"^[0-2](\.[0-9]+)+$", description="TSA policy OID."
    )
    pkcs11_module: str = Field("", description="Path of the PKCS #11 library.")
    pkcs11_token: str = Field("", description="Label of the token.")
    pkcs11_pin: SecretStr = Field(SecretStr(""), description="User PIN of the token; for the signer process alone.")
    real_name_gateway_url: str = Field("", description="Base address of the real-name authorities' gateway.")
    real_name_gateway_key: SecretStr = Field(SecretStr(""), description="Shared key for request signatures, base64.")
    level_policy: str = Field(
        "", description="Real-name levels as JSON: levels and days by method, what several sources make; docs/settings."
    )
    person_anchors: Path | None = Field(
        None, description="Directory of CA certificates (*.pem) and their revocation lists (*.crl) of natural persons."
    )
    client_certificate_header: str = Field(
        "",
        pattern="^[A-Za-z0-9-]{0,60}$",
        description="Header in which a trusted proxy passes on the TLS client certificate a person signs in by.",
    )
    sms_gateway_url: str = Field("", description="Base address of the SMS gateway; without one no codes are sent.")
    sms_gateway_key: SecretStr = Field(SecretStr(""), description="Shared key for the SMS gateway, base64.")
    outbound_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="CIDR blocks outbound calls may reach besides public addresses, comma separated."
    )
    batch_results_days: int = Field(
        7,
        ge=1,
        le=90,
        description="How long the results of a verification batch can be fetched before they are deleted.",
    )
    gate_sample: int | None = Field(
        None,
        ge=0,
        description="One in so many ordinary licence sealings is judged as verification would; 0 is none, 500 usual.",
    )
    upstream_providers: tuple[UpstreamProvider, ...] = Field(
        (), description="Other OpenID Providers people may sign in by: a JSON array, see docs/connect.md."
    )
    log_witnesses: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Who cosigns our transparency log: verifier key, a space and the address, comma separated.",
    )
    witnessed_logs: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Verifier keys of the logs whose witness we are, comma separated."
    )
    city_name: str = "演示市"
    service_id: str = Field("CN-5000", pattern=r"^[A-Z]{2}-[0-9]{4,6}$", description="Short name in QR codes.")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    password_hash_workers: Annotated[int, Field(ge=1, le=64)] = 2
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="CIDR blocks whose X-Forwarded-* count."
    )

    @field_validator(
        *("outbound_networks", "trusted_proxies", "signer_clients", "log_witnesses", "witnessed_logs"), mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")) or value.endswith("/") or "?" in value or "#" in value:
            message = "must be an http(s) address without trailing slash, query or fragment"
            raise ValueError(message)
        return value

    @field_validator("field_keys", "index_key")
    @classmethod
    def _decodable(cls, value: SecretStr) -> SecretStr:
        for part in filter(None, value.get_secret_value().split(",")):
            _decode_key(part.rpartition(":")[2])
        return value

    @model_validator(mode="after")
    def _production(self) -> Self:
        if self.profile is not Profile.PRODUCTION:
            return self
        rules = {
            "issuer must be https in production": self.issuer.startswith("https://"),
            "database_url must name a server in production": bool(self.database_url),
            "redis_url must name a server in production": bool(self.redis_url),
            "field_keys must be set in production": bool(self.field_keys.get_secret_value()),
            "index_key must be set in production": bool(self.index_key.get_secret_value()),
            "signer_socket must name the signer process in production": bool(self.signer_socket),
            "keystore_passphrase must be set for the software provider in production": (
                self.key_provider != "software" or bool(self.keystore_passphrase.get_secret_value())
            ),
        }
        broken = [rule for rule, kept in rules.items() if not kept]
        if broken:
            raise ValueError("; ".join(broken))
        return self

    @property
    def seal_proof_required(self) -> bool:
        """Tell whether the signer wants a seal's use shown by an officer's passkey or a client's key."""
        usual = "required" if self.profile is Profile.PRODUCTION else "recorded"
        return (self.seal_proof or usual) == "required"

    @property
    def gate_one_in(self) -> int:
        """Return one in how many ordinary licence sealings passes the full gate."""
        if self.gate_sample is None:
            return 1 if self.profile is Profile.TEST else 500
        return self.gate_sample

    @property
    def pki_base(self) -> str:
        """Return the base address of revocation data and CA certificates."""
        return self.pki_url or self.issuer

    @property
    def verify_page(self) -> str:
        """Return the address QR codes open."""
        return self.verify_url or f"{self.issuer}/v"

    def field_key_map(self) -> dict[int, bytes]:
        """Return the field keys by number."""
        pairs = (part.partition(":") for part in self.field_keys.get_secret_value().split(",") if part)
        return {int(number): _decode_key(encoded) for number, _, encoded in pairs}

    def index_key_bytes(self) -> bytes | None:
        """Return the index key; None when it is not set."""
        encoded = self.index_key.get_secret_value()
        return _decode_key(encoded) if encoded else None


def _decode_key(encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        message = "is not base64"
        raise ValueError(message) from error
    if len(key) != KEY_BYTES:
        message = f"must hold {KEY_BYTES} bytes"
        raise ValueError(message)
    return key


def load_settings(**overrides: object) -> Settings:
    """Read the settings; raises BadSettings with one line for each bad field, never its value."""
    try:
        return Settings(_env_file=os.environ.get("HUFU_SETTINGS_FILE"), **overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_input=False, include_url=False):
            name = "_".join(str(part) for part in problem["loc"]).upper()
            lines.append(f"HUFU_{name}: {problem['msg']}" if name else str(problem["msg"]))
        raise BadSettings("\n".join(lines)) from None

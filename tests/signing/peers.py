"""Other people's tools judging our output."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from asn1crypto import crl, ocsp, pem, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature, async_validate_pdf_timestamp
from pyhanko.sign.validation.ades import (
    ades_basic_validation,
    ades_lta_validation,
    ades_with_time_validation,
    simulate_future_ades_lta_validation,
)
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.policy_decl import (
    LocalKnowledge,
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator.context import CertValidationPolicySpec, ValidationContext
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo
from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, CertRevTrustPolicy, NonRevokedStatusAssertion
from pyhanko_certvalidator.registry import SimpleTrustManager
from pyhanko_certvalidator.revinfo.archival import CRLContainer, OCSPContainer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    from signing.long_term import ValidationData


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a peer; its absence is a failure, not a reason to skip."""
    found = shutil.which(command[0])
    assert found is not None, f"{command[0]} is not installed"
    return subprocess.run([found, *command[1:]], capture_output=True, text=True, check=False)  # noqa: S603 - fixed commands


def qpdf_is_content(path: Path) -> bool:
    """Tell whether qpdf finds neither error nor warning."""
    return run("qpdf", "--check", str(path)).returncode == 0


def pdfsig_verdicts(path: Path) -> list[tuple[bool, bool]]:
    """Return for each signature whether pdfsig finds it valid, and whether it covers the whole file."""
    output = run("pdfsig", "-nocert", str(path)).stdout
    blocks = re.split(r"^Signature #\d+:$", output, flags=re.MULTILINE)[1:]
    return [
        ("Signature is Valid." in block, re.search(r"^\s+- Total document signed$", block, re.MULTILINE) is not None)
        for block in blocks
    ]


async def pyhanko_statuses(document: bytes, roots: list[bytes], at: datetime) -> list[Any]:
    """Return pyHanko's status of each signature, in the order of the file."""
    reader = PdfFileReader(io.BytesIO(document))
    context = ValidationContext(
        trust_roots=[x509.Certificate.load(root) for root in roots], moment=at, allow_fetching=False
    )
    return [
        await (
            async_validate_pdf_timestamp(signature, context)
            if signature.sig_object_type == "/DocTimeStamp"
            else async_validate_pdf_signature(signature, context, ts_validation_context=context)
        )
        for signature in reader.embedded_signatures
    ]


def timestamp_of(document: bytes) -> tuple[bytes, bytes]:
    """Return the last seal's timestamp token and the signature it is over."""
    signature = PdfFileReader(io.BytesIO(document)).embedded_regular_signatures[-1]
    signer_info = signature.signer_info
    for attribute in signer_info["unsigned_attrs"]:
        if attribute["type"].native == "signature_time_stamp_token":
            return attribute["values"][0].dump(), signer_info["signature"].native
    message = "the signature has no timestamp"
    raise AssertionError(message)


def ades_spec(root: bytes, knowledge: LocalKnowledge = LocalKnowledge()) -> PdfSignatureValidationSpec:  # noqa: B008 - immutable
    """Return a policy that asks for revocation data of every certificate and fetches none."""
    policy = CertValidationPolicySpec(
        trust_manager=SimpleTrustManager.build(trust_roots=[x509.Certificate.load(root)]),
        revinfo_policy=CertRevTrustPolicy(REQUIRE_REVINFO),
    )
    return PdfSignatureValidationSpec(
        SignatureValidationSpec(
            cert_validation_policy=policy,
            revinfo_gathering_policy=RevocationInfoGatheringSpec(
                online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY
            ),
            local_knowledge=knowledge,
            key_usage_settings=KeyUsageConstraints(key_usage={"non_repudiation"}),
        )
    )


async def ades_lta(document: bytes, root: bytes, at: datetime, *, number: int = 0) -> Any:  # noqa: ANN401 - pyHanko's result
    """Return what EN 319 102-1 clause 5.6.3 says of a seal, the first unless told, at a moment."""
    reader = PdfFileReader(io.BytesIO(document))
    timing = ValidationTimingInfo(validation_time=at, best_signature_time=at, point_in_time_validation=True)
    return await ades_lta_validation(reader.embedded_regular_signatures[number], ades_spec(root), timing_info=timing)


async def ades_lta_in_the_future(document: bytes, root: bytes, timestamp_ca: bytes, now: datetime, at: datetime) -> Any:  # noqa: ANN401 - pyHanko's result
    """Return what the same procedure will say at a later time.

    The one thing a document cannot hold is the later status of its newest timestamp's issuer;
    a verifier will fetch it, and here it is asserted.
    """
    reader = PdfFileReader(io.BytesIO(document))
    issuer = NonRevokedStatusAssertion(x509.Certificate.load(timestamp_ca).sha256, at=at)
    spec = ades_spec(root, LocalKnowledge(nonrevoked_assertions=[issuer]))
    return await simulate_future_ades_lta_validation(reader.embedded_regular_signatures[0], spec, at, now)


def _known(certificates: Iterable[bytes], responses: Iterable[bytes], lists: Iterable[bytes]) -> LocalKnowledge:
    return LocalKnowledge(
        known_certs=[x509.Certificate.load(each) for each in certificates],
        known_ocsps=[
            container for each in responses for container in OCSPContainer.load_multi(ocsp.OCSPResponse.load(each))
        ],
        known_crls=[CRLContainer(crl.CertificateList.load(each)) for each in lists],
    )


def _within(reader: PdfFileReader) -> LocalKnowledge:
    """Return the validation data that a document holds itself."""
    store = DocumentSecurityStore.read_dss(reader)
    held = (entry.get_object().data for entry in store.certs.values())
    return _known(held, *((entry.get_object().data for entry in kind) for kind in (store.ocsps, store.crls)))


async def ades_with_time(
    document: bytes, root: bytes, at: datetime, *, data: ValidationData | None = None, number: int = 0
) -> Any:  # noqa: ANN401 - pyHanko's result
    """Return what EN 319 102-1 clause 5.5 says of a seal, by the validation data in the document or by `data`."""
    return await _ades(ades_with_time_validation, document, root, at, data, number)


async def ades_basic(
    document: bytes, root: bytes, at: datetime, *, data: ValidationData | None = None, number: int = 0
) -> Any:  # noqa: ANN401 - pyHanko's result
    """Return what EN 319 102-1 clause 5.3 says of a seal, which asks for no timestamp."""
    return await _ades(ades_basic_validation, document, root, at, data, number)


async def _ades(
    procedure: Callable[..., Awaitable[Any]],
    document: bytes,
    root: bytes,
    at: datetime,
    data: ValidationData | None,
    number: int,
) -> Any:  # noqa: ANN401 - pyHanko's result
    reader = PdfFileReader(io.BytesIO(document))
    knowledge = _within(reader) if data is None else _known(data.certificates, data.ocsp_responses, data.crls)
    seal = reader.embedded_regular_signatures[number]
    timing = ValidationTimingInfo(validation_time=at, best_signature_time=at, point_in_time_validation=True)
    spec = ades_spec(root, knowledge).signature_validation_spec
    return await procedure(seal.signed_data, spec, timing_info=timing, raw_digest=seal.compute_digest())


def openssl_accepts_timestamp(
    document: bytes, root: bytes, untrusted: bytes, at: datetime, directory: Path
) -> subprocess.CompletedProcess[str]:
    """Have openssl check the last seal's timestamp; "Verification: OK" is in what it writes."""
    token, signature = timestamp_of(document)
    paths = {name: directory / name for name in ("token", "signature", "root.pem", "issuers.pem")}
    paths["token"].write_bytes(token)
    paths["signature"].write_bytes(signature)
    paths["root.pem"].write_bytes(pem.armor("CERTIFICATE", root))
    paths["issuers.pem"].write_bytes(pem.armor("CERTIFICATE", untrusted))
    return run(
        "openssl", "ts", "-verify", "-in", str(paths["token"]), "-token_in", "-data", str(paths["signature"]),
        "-CAfile", str(paths["root.pem"]), "-untrusted", str(paths["issuers.pem"]),
        "-attime", str(int(at.timestamp())),
    )  # fmt: skip

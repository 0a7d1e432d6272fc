"""The AdES procedures of ETSI EN 319 102-1 by pyHanko, called with explicit data only.

Which procedure a seal has to pass follows from what it carries: none of its own time
(clause 5.3), a signature timestamp (5.5), document timestamps after it (5.6). Nothing is
fetched here. What comes back is checked a second time by `verification.pdf.recheck`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from asn1crypto import x509
from pyhanko.sign.ades.report import AdESIndeterminate, AdESPassed, AdESStatus, AdESSubIndic
from pyhanko.sign.diff_analysis import DEFAULT_DIFF_POLICY
from pyhanko.sign.validation import ades, generic_cms
from pyhanko.sign.validation.policy_decl import (
    CertificateFetchingRule,
    LocalKnowledge,
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo
from pyhanko_certvalidator.policy_decl import (
    NO_REVOCATION,
    CertRevTrustPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)
from pyhanko_certvalidator.registry import SimpleTrustManager
from pyhanko_certvalidator.revinfo.archival import CRLContainer, OCSPContainer
from pyhanko_certvalidator.sig_validate import (
    DEFAULT_VALIDATION_CONTEXT,
    DefaultSignatureValidator,
    SignatureValidationContext,
)

from verification.model import Indication
from verification.pdf.event_loop import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from asn1crypto import cms
    from asn1crypto.keys import PublicKeyInfo
    from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
    from pyhanko_certvalidator.path import ValidationPath

    from verification.pdf.recheck import Knowledge
    from verification.trust import TrustMaterial

    Result = ades.AdESBasicValidationResult[Any]

_INDICATIONS = {
    AdESStatus.PASSED: Indication.TOTAL_PASSED,
    AdESStatus.FAILED: Indication.TOTAL_FAILED,
    AdESStatus.INDETERMINATE: Indication.INDETERMINATE,
}
_REVOCATION = RevocationCheckingPolicy(
    ee_certificate_rule=RevocationCheckingRule.CHECK_IF_DECLARED,
    intermediate_ca_cert_rule=RevocationCheckingRule.CHECK_IF_DECLARED,
)
"""Decision 0041: where a certificate names a revocation service, fresh data of it are a must."""

_VAGUE = frozenset({"CERTIFICATE_CHAIN_GENERAL_FAILURE", "TRY_LATER", "GENERIC"})

SEAL_PURPOSES = frozenset(
    {
        "email_protection",
        "document_signing",
        "any_extended_key_usage",
        "microsoft_document_signing",
        "adobe_authentic_documents_trust",
        "1.3.6.1.5.5.7.3.36",
        "1.2.840.113583.1.1.5",
        "1.3.6.1.4.1.311.10.3.12",
    }
)
"""Extended key usages that fit a seal, where a certificate has any."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What pyHanko's procedure concludes about one seal or timestamp.

    `proven_at` is the earliest time a valid timestamp proves the signature to have
    existed, or with `by_log` the transparency log does; `path` leads from the anchor to the signer, empty when
    there is none.
    """

    indication: Indication
    sub_indication: str
    procedure: str
    proven_at: datetime | None
    path: tuple[x509.Certificate, ...]
    timestamp_path: tuple[x509.Certificate, ...] = ()
    by_log: bool = False

    @property
    def passed(self) -> bool:
        """Tell whether the procedure passes."""
        return self.indication is Indication.TOTAL_PASSED


class _Remembering(DefaultSignatureValidator):
    """Verifies a signature over the same bytes once: the seals of a document share issuers and lists."""

    def __init__(self) -> None:
        self._held: set[tuple[object, ...]] = set()

    def validate_signature(
        self,
        signature: bytes,
        signed_data: bytes,
        public_key_info: PublicKeyInfo,
        signature_algorithm: cms.SignedDigestAlgorithm,
        context: SignatureValidationContext = DEFAULT_VALIDATION_CONTEXT,
    ) -> None:
        """Return where a signature holds; raises as pyHanko does, each time, where it does not."""
        asked = signature, signed_data, public_key_info.dump(), signature_algorithm.dump(), context
        if asked not in self._held:
            super().validate_signature(signature, signed_data, public_key_info, signature_algorithm, context)
            self._held.add(asked)


class AdesJudge:
    """Runs the procedures for the seals of one document."""

    def __init__(self, material: TrustMaterial, knowledge: Knowledge, at: datetime) -> None:
        """Take the anchors, the data at hand and the moment to judge at."""
        self._at = at
        self._local = LocalKnowledge(
            known_ocsps=[part for response in knowledge.ocsps for part in OCSPContainer.load_multi(response)],
            known_crls=[CRLContainer(crl_data=item) for item in knowledge.crls],
            known_certs=list(knowledge.certificates),
        )
        self._signatures = _Remembering()
        self._roots = self._tsa_roots = _trusting(material.roots_der)
        if material.tsa_roots_der:
            self._tsa_roots = _trusting(material.tsa_roots_der)
        self._spec = self._build(CertRevTrustPolicy(_REVOCATION))

    @cached_property
    def _retroactive(self) -> SignatureValidationSpec:
        return self._build(CertRevTrustPolicy(_REVOCATION, retroactive_revinfo=True))

    @cached_property
    def _unrevoked(self) -> SignatureValidationSpec:
        return self._build(CertRevTrustPolicy(NO_REVOCATION))

    def _build(self, revocation: CertRevTrustPolicy) -> SignatureValidationSpec:
        return SignatureValidationSpec(
            cert_validation_policy=CertValidationPolicySpec(
                trust_manager=self._roots, revinfo_policy=revocation, signature_validator=self._signatures
            ),
            ts_cert_validation_policy=CertValidationPolicySpec(
                trust_manager=self._tsa_roots, revinfo_policy=revocation, signature_validator=self._signatures
            ),
            revinfo_gathering_policy=RevocationInfoGatheringSpec(
                online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY,
                certificate_fetching_rule=CertificateFetchingRule.NEVER_FETCH,
            ),
            local_knowledge=self._local,
            key_usage_settings=KeyUsageConstraints(
                key_usage={"digital_signature", "non_repudiation"},
                match_all_key_usages=False,
                extd_key_usage=SEAL_PURPOSES,
                explicit_extd_key_usage_required=False,
            ),
        )

    def seal(self, seal: EmbeddedPdfSignature, *, later_timestamps: bool, existed_at: datetime | None = None) -> Judged:
        """Run the procedure that fits a seal signature.

        Args:
            seal: as pyHanko read it.
            later_timestamps: whether document timestamps follow.
            existed_at: when the log proves it to have existed; asked where its own times do not suffice.
        """
        judged = run(self._seal(seal, later_timestamps=later_timestamps))
        if existed_at is None or judged.indication is Indication.TOTAL_FAILED:
            return judged
        if judged.passed:
            return judged if judged.proven_at is not None else replace(judged, proven_at=existed_at, by_log=True)
        return run(self._at_logged_time(seal, judged, existed_at))

    def document_timestamp(self, seal: EmbeddedPdfSignature, *, later_timestamps: bool) -> Judged:
        """Run the timestamp procedure (clause 5.4) for a document timestamp."""
        return run(self._document_timestamp(seal, later_timestamps=later_timestamps))

    async def _seal(self, seal: EmbeddedPdfSignature, *, later_timestamps: bool) -> Judged:
        now = _timing(self._at)
        digest = seal.compute_digest()
        basic = await ades.ades_basic_validation(seal.signed_data, self._spec, timing_info=now, raw_digest=digest)
        stamps = [
            await self._timestamp(token, generic_cms.message_imprint_checker(seal.signer_info))
            for token in generic_cms.extract_tst_data_iter(seal.signer_info, signed=False)
        ]
        good = [stamp for stamp in stamps if stamp.passed and stamp.proven_at is not None]
        best = min(good, key=lambda stamp: stamp.proven_at or self._at, default=None)
        if not stamps:
            first = _judged(basic, "EN 319 102-1, 5.3", None, ())
        elif best is None:
            # The level asks for a timestamp: without a good one the seal does not pass, whatever else holds.
            failed = basic.ades_subindic if basic.ades_subindic.status is AdESStatus.FAILED else None
            first = (
                _judged(basic, "EN 319 102-1, 5.5", None, ())
                if failed
                else _replaced(stamps[-1], procedure="EN 319 102-1, 5.5", path=_path(basic))
            )
        else:
            first = await self._with_time(seal, basic, digest, best)
        if not first.passed and first.indication is Indication.INDETERMINATE and later_timestamps:
            first = await self._long_term(seal, first)
        return await self._explained(first, seal.signed_data, digest)

    async def _explained(self, judged: Judged, signed_data: cms.SignedData, digest: bytes) -> Judged:
        """Name missing revocation data as such: pyHanko calls it a general failure of the chain.

        A path that stands when revocation is left aside is short of nothing else; the verdict
        stays INDETERMINATE, only its name and the path, which says where to fetch, are better.
        """
        if judged.sub_indication not in _VAGUE:
            return judged
        result = await ades.ades_basic_validation(
            signed_data, self._unrevoked, timing_info=_timing(self._at), raw_digest=digest
        )
        if result.ades_subindic is not AdESPassed.OK:
            return judged
        return Judged(
            judged.indication, "TRY_LATER", judged.procedure, judged.proven_at, _path(result), judged.timestamp_path
        )

    async def _with_time(self, seal: EmbeddedPdfSignature, basic: Result, digest: bytes, stamp: Judged) -> Judged:
        procedure = "EN 319 102-1, 5.5"
        assert stamp.proven_at is not None  # noqa: S101 - only good timestamps come here
        if basic.ades_subindic is AdESPassed.OK:
            return _judged(basic, procedure, stamp.proven_at, stamp.path)
        result: Result = await ades.ades_with_time_validation(
            seal.signed_data, self._spec, timing_info=_timing(self._at), raw_digest=digest
        )
        if result.ades_subindic is AdESIndeterminate.TRY_LATER:
            # Revocation data at hand are not of today. They need only be of the proven time: issued
            # for it, or afterwards.
            result = await ades.ades_basic_validation(
                seal.signed_data, self._retroactive, timing_info=_timing(stamp.proven_at), raw_digest=digest
            )
        return _judged(result, procedure, stamp.proven_at, stamp.path)

    async def _at_logged_time(self, seal: EmbeddedPdfSignature, first: Judged, existed_at: datetime) -> Judged:
        """Judge a seal as of a moment that is proven for it from outside (EN 319 102-1, 5.6)."""
        result: Result = await ades.ades_basic_validation(
            seal.signed_data, self._retroactive, timing_info=_timing(existed_at), raw_digest=seal.compute_digest()
        )
        if result.ades_subindic is not AdESPassed.OK:
            return first
        return Judged(Indication.TOTAL_PASSED, "", "EN 319 102-1, 5.6", existed_at, _path(result), by_log=True)

    async def _long_term(self, seal: EmbeddedPdfSignature, first: Judged) -> Judged:
        seal.compute_integrity_info(DEFAULT_DIFF_POLICY)  # type: ignore[no-untyped-call] # pyHanko is partly typed
        result = await ades.ades_lta_validation(
            seal, PdfSignatureValidationSpec(self._spec), timing_info=_timing(self._at)
        )
        if result.ades_subindic is not AdESPassed.OK:
            return first
        proven = [
            moment
            for moment in (result.oldest_evidence_record_timestamp, result.best_signature_time)
            if moment is not None
        ]
        path = _path(result)
        return Judged(
            Indication.TOTAL_PASSED, "", "EN 319 102-1, 5.6", min(proven), path or first.path, first.timestamp_path
        )

    async def _timestamp(self, token: cms.SignedData, imprint: Callable[[str], bytes]) -> Judged:
        result = await ades.ades_timestamp_validation(
            token, self._spec, timing_info=_timing(self._at), expected_tst_imprint=imprint
        )
        moment = token["encap_content_info"]["content"].parsed["gen_time"].native
        return _judged(result, "EN 319 102-1, 5.4", moment, ())

    async def _document_timestamp(self, seal: EmbeddedPdfSignature, *, later_timestamps: bool) -> Judged:
        def imprint(algorithm: str) -> bytes:
            return seal.compute_digest(algorithm)

        first = await self._timestamp(seal.signed_data, imprint)
        if first.passed or first.indication is not Indication.INDETERMINATE or not later_timestamps:
            return first
        # An aged timestamp still counts while a later, valid one renews it: pyHanko walks that chain
        # when it validates any seal before it, so the seal's own long-term procedure decides.
        return _replaced(first, procedure="EN 319 102-1, 5.6", path=first.path)


def _trusting(roots_der: tuple[bytes, ...]) -> SimpleTrustManager:
    return SimpleTrustManager.build(trust_roots=[x509.Certificate.load(der) for der in roots_der])


def _timing(moment: datetime) -> ValidationTimingInfo:
    return ValidationTimingInfo(validation_time=moment, best_signature_time=moment, point_in_time_validation=False)


def _judged(
    result: Result,
    procedure: str,
    proven_at: datetime | None,
    timestamp_path: tuple[x509.Certificate, ...],
) -> Judged:
    found: AdESSubIndic = result.ades_subindic
    sub = "" if found is AdESPassed.OK else found.standard_name
    return Judged(_INDICATIONS[found.status], sub, procedure, proven_at, _path(result), timestamp_path)


def _replaced(judged: Judged, *, procedure: str, path: tuple[x509.Certificate, ...]) -> Judged:
    return Judged(judged.indication, judged.sub_indication, procedure, None, path, judged.path)


def _path(result: Result) -> tuple[x509.Certificate, ...]:
    """Return the certificates from the anchor to the signer."""
    status = result.api_status
    path: ValidationPath | None = None if status is None else status.validation_path
    return () if path is None else tuple(path)

"""The words of every answer: verdicts, indications and reasons, each with a sentence in Chinese and English."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class Sentence:
    """The same statement in Chinese and in English."""

    zh: str
    en: str


def paper_sentence(signers: Collection[str] = ()) -> Sentence:
    """Say what the seal on a paper that is no licence proves, and what it does not."""
    by_zh, by_en = f"由{'、'.join(signers)}盖章且" if signers else "", f"of {', '.join(signers)} " if signers else ""
    return Sentence(
        f"印章证明此文件{by_zh}未被改动；文件中如附有证照，须另行核验该证照。",
        f"The seal {by_en}proves this file unaltered; a licence within has to be verified by itself.",
    )


class Verdict(StrEnum):
    """The three answers there are."""

    VALID = "VALID"
    INVALID = "INVALID"
    UNDETERMINED = "UNDETERMINED"

    @property
    def sentence(self) -> Sentence:
        """Return what a page prints in large type."""
        return _VERDICTS[self]


_VERDICTS = {
    Verdict.VALID: Sentence("有效", "Valid"),
    Verdict.INVALID: Sentence("无效", "Invalid"),
    Verdict.UNDETERMINED: Sentence("无法确认", "Cannot be confirmed"),
}


class Indication(StrEnum):
    """Main status indication of ETSI EN 319 102-1, clause 5.1.3."""

    TOTAL_PASSED = "TOTAL-PASSED"
    TOTAL_FAILED = "TOTAL-FAILED"
    INDETERMINATE = "INDETERMINATE"

    @property
    def verdict(self) -> Verdict:
        """Return the verdict this indication amounts to."""
        return {
            Indication.TOTAL_PASSED: Verdict.VALID,
            Indication.TOTAL_FAILED: Verdict.INVALID,
            Indication.INDETERMINATE: Verdict.UNDETERMINED,
        }[self]


class Reason(StrEnum):
    """Why the verdict is what it is; one word for programs, a sentence for people."""

    ALL_CHECKS_PASSED = "all_checks_passed"
    # The licence.
    LICENCE_PENDING = "licence_pending"
    LICENCE_NOT_YET_VALID = "licence_not_yet_valid"
    LICENCE_SUSPENDED = "licence_suspended"
    LICENCE_EXPIRED = "licence_expired"
    LICENCE_SUPERSEDED = "licence_superseded"
    LICENCE_CANCELLED = "licence_cancelled"
    LICENCE_WITHDRAWN = "licence_withdrawn"
    LICENCE_REVOKED = "licence_revoked"
    LICENCE_TRANSFERRED = "licence_transferred"
    LICENCE_ERRONEOUS = "licence_erroneous"
    COPY_EXPIRED = "copy_expired"
    LICENCE_NOT_IN_FORCE = "licence_not_in_force"
    LICENCE_STATE_NOT_CHECKED = "licence_state_not_checked"
    LICENCE_UNKNOWN = "licence_unknown"
    LICENCE_OF_ANOTHER_CITY = "licence_of_another_city"
    HOLDER_DIFFERS = "holder_differs"
    # The identifier or code as typed or scanned.
    IDENTIFIER_MALFORMED = "identifier_malformed"
    CODE_MALFORMED = "code_malformed"
    CODE_FORGED = "code_forged"
    CODE_ISSUER_UNKNOWN = "code_issuer_unknown"
    CODE_LEADS_ELSEWHERE = "code_leads_elsewhere"
    # The seal and the document.
    SEAL_FORGED = "seal_forged"
    DOCUMENT_CHANGED = "document_changed"
    DOCUMENT_DIFFERS_FROM_RECORD = "document_differs_from_record"
    LICENCE_SEALED_BY_ANOTHER = "licence_sealed_by_another"
    LICENCE_SEALER_UNKNOWN = "licence_sealer_unknown"
    LICENCE_NOT_VOUCHED_FOR = "licence_not_vouched_for"
    LICENCE_ONLY_NAMED = "licence_only_named"
    PARSERS_DISAGREE = "parsers_disagree"
    CONTENT_CAN_CHANGE = "content_can_change"
    PICTURE_NOT_DRAWN = "picture_not_drawn"
    LICENCE_COVERED = "licence_covered"
    PAGES_NOT_SEARCHED = "pages_not_searched"
    FORMAT_FAILURE = "format_failure"
    CERTIFICATE_REVOKED = "certificate_revoked"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    CERTIFICATE_UNSUITABLE = "certificate_unsuitable"
    KEY_COMPROMISED = "key_compromised"
    ALGORITHM_TOO_WEAK = "algorithm_too_weak"
    REVOCATION_DATA_MISSING = "revocation_data_missing"
    REVOCATION_NOT_OFFERED = "revocation_not_offered"
    TIMESTAMP_INVALID = "timestamp_invalid"
    TIME_UNPROVEN = "time_unproven"
    DATA_STALE = "data_stale"
    DATA_MISSING = "data_missing"
    NOT_KNOWN_THEN = "not_known_then"
    SEALED_LATER = "sealed_later"
    # A credential presented from a wallet.
    PRESENTATION_MALFORMED = "presentation_malformed"
    PRESENTATION_REPLAYED = "presentation_replayed"
    HOLDER_NOT_PROVEN = "holder_not_proven"
    CREDENTIAL_FORGED = "credential_forged"
    CREDENTIAL_ISSUER_UNKNOWN = "credential_issuer_unknown"
    CREDENTIAL_NOT_YET_VALID = "credential_not_yet_valid"
    CREDENTIAL_EXPIRED = "credential_expired"
    CREDENTIAL_REVOKED = "credential_revoked"
    CREDENTIAL_SUSPENDED = "credential_suspended"
    CREDENTIAL_NOT_ASKED_FOR = "credential_not_asked_for"
    DISCLOSED_TOO_MUCH = "disclosed_too_much"
    # Receipts and packs.
    PACK_SIGNER_NOT_PINNED = "pack_signer_not_pinned"
    RECEIPT_FORGED = "receipt_forged"
    RECEIPT_ISSUER_UNKNOWN = "receipt_issuer_unknown"
    RECEIPT_TIME_UNPROVEN = "receipt_time_unproven"
    RECEIPT_GENUINE = "receipt_genuine"

    @property
    def sentence(self) -> Sentence:
        """Return the reason as one sentence."""
        return _REASONS[self]


_REASONS = {
    Reason.ALL_CHECKS_PASSED: Sentence("全部核验项目均通过。", "Every check passed."),
    Reason.LICENCE_PENDING: Sentence("该证照尚未签发生效。", "The licence has not been issued yet."),
    Reason.LICENCE_NOT_YET_VALID: Sentence(
        "该证照的有效期尚未开始。", "The licence's period of validity has not begun."
    ),
    Reason.LICENCE_SUSPENDED: Sentence("该证照已被暂扣。", "The licence is suspended."),
    Reason.LICENCE_EXPIRED: Sentence("该证照已超过有效期。", "The licence has expired."),
    Reason.LICENCE_SUPERSEDED: Sentence("该证照已变更，被新版本替代。", "The licence was replaced by a newer version."),
    Reason.LICENCE_CANCELLED: Sentence("该证照已注销。", "The licence was cancelled."),
    Reason.LICENCE_WITHDRAWN: Sentence("该证照已被撤销。", "The licence was withdrawn."),
    Reason.LICENCE_REVOKED: Sentence("该证照已被吊销。", "The licence was revoked."),
    Reason.LICENCE_TRANSFERRED: Sentence("该证照已转出。", "The licence was transferred elsewhere."),
    Reason.LICENCE_ERRONEOUS: Sentence("该证照签发有误，已作废。", "The licence was issued in error and is void."),
    Reason.LICENCE_STATE_NOT_CHECKED: Sentence(
        "印章和内容真实完整；证照现状未查，请联网或用离线包再验。",
        "Seal and content are genuine; the licence's present state was not looked up.",
    ),
    Reason.COPY_EXPIRED: Sentence(
        "该加注件已超过其使用期限。", "The purpose-bound copy is past the date it was made for."
    ),
    Reason.LICENCE_NOT_IN_FORCE: Sentence(
        "该证照已被撤回，不再有效。", "The licence was withdrawn and is no longer in force."
    ),
    Reason.LICENCE_UNKNOWN: Sentence("没有这一标识的证照。", "There is no licence with this identifier."),
    Reason.LICENCE_OF_ANOTHER_CITY: Sentence(
        "该证照由未接入的其他机构签发，本系统没有其记录。",
        "The licence was issued by an authority whose records are not held here.",
    ),
    Reason.HOLDER_DIFFERS: Sentence(
        "提供的持证主体信息与证照不一致。", "The holder data supplied differ from the licence."
    ),
    Reason.IDENTIFIER_MALFORMED: Sentence(
        "证照标识不符合规定的格式。", "The licence identifier breaks the rules of its format."
    ),
    Reason.CODE_MALFORMED: Sentence("二维码内容无法识别。", "The code cannot be read."),
    Reason.CODE_FORGED: Sentence(
        "二维码的签名不正确，系伪造或被篡改。", "The code's signature is wrong: forged or altered."
    ),
    Reason.CODE_ISSUER_UNKNOWN: Sentence(
        "二维码的签发密钥不在信任列表内。", "The key that signed the code is not on the trust list."
    ),
    Reason.CODE_LEADS_ELSEWHERE: Sentence(
        "码中证照有效；但码上印的网址不属于签发方或任何已接入的城市，请勿打开，并查明此码由谁印制。",
        "The licence in the code is valid; but the address printed with it belongs to no service known here: "
        "do not open it, and find out who printed the code.",
    ),
    Reason.SEAL_FORGED: Sentence("电子签章不正确，系伪造或被篡改。", "The seal signature is wrong: forged or altered."),
    Reason.DOCUMENT_CHANGED: Sentence("文件在盖章之后被修改。", "The document was changed after it was sealed."),
    Reason.DOCUMENT_DIFFERS_FROM_RECORD: Sentence(
        "文件内容与登记的证照不一致。", "The document differs from the licence on record."
    ),
    Reason.LICENCE_SEALER_UNKNOWN: Sentence(
        "无法确认盖章单位是否为该证照的颁发机构。",
        "It cannot be told whether the seal is that of the licence's issuer.",
    ),
    Reason.LICENCE_NOT_VOUCHED_FOR: Sentence(
        "印章真实，但页面所示证照不由该印章证明，不能当作证照使用。",
        "The seal is genuine, but it does not vouch for the licence shown: the file is no licence.",
    ),
    Reason.LICENCE_ONLY_NAMED: Sentence(
        "文件和印章真实；文件提到的证照不由该印章证明，请另行核验。",
        "File and seal are genuine; the seal does not vouch for the licence that the file names.",
    ),
    Reason.LICENCE_SEALED_BY_ANOTHER: Sentence(
        "文件所附证照并非由其颁发机构盖章：印章属于其他单位。",
        "The licence in the file is not sealed by its issuer: the seal is another organisation's.",
    ),
    Reason.PARSERS_DISAGREE: Sentence(
        "不同的阅读程序会显示不同内容，文件不可信。",
        "Different readers would show different content; the file cannot be relied on.",
    ),
    Reason.CONTENT_CAN_CHANGE: Sentence(
        "签章正确，但文件含脚本、动作或可开关的图层，盖章时所见内容无法确认。",
        "The seal holds, but scripts, actions or layers leave open what was seen when it was applied.",
    ),
    Reason.LICENCE_COVERED: Sentence(
        "证照签发后，页面上又加了别的印章或内容，请以签发机构发出的原件为准。",
        "After the licence was issued, a seal or something else was put on its pages; rely on the file as issued.",
    ),
    Reason.PICTURE_NOT_DRAWN: Sentence(
        "签章正确，但文件中有图像或绘图无法解码，其内容未能看到；其他阅读程序可能显示。",
        "The seal holds, but a picture cannot be decoded: what another reader may show there was not seen.",
    ),
    Reason.PAGES_NOT_SEARCHED: Sentence(
        "签章有效；但文件过长，未逐页查找其中的证照，页面上如有证照须另行核验。",
        "The seal holds; not every page was searched for licences: one that is shown has to be verified by itself.",
    ),
    Reason.FORMAT_FAILURE: Sentence(
        "文件结构损坏或不合规，无法核验。", "The file's structure is damaged or not conforming."
    ),
    Reason.CERTIFICATE_REVOKED: Sentence("盖章证书已被吊销。", "The sealing certificate was revoked."),
    Reason.CERTIFICATE_EXPIRED: Sentence(
        "盖章证书不在有效期内。", "The sealing certificate was outside its validity period."
    ),
    Reason.CERTIFICATE_UNTRUSTED: Sentence(
        "盖章证书不能追溯到受信任的机构。", "The sealing certificate does not lead to a trusted authority."
    ),
    Reason.CERTIFICATE_UNSUITABLE: Sentence("该证书不得用于盖章。", "The certificate may not be used for sealing."),
    Reason.KEY_COMPROMISED: Sentence("该密钥已被宣布泄露。", "The key was declared compromised."),
    Reason.ALGORITHM_TOO_WEAK: Sentence(
        "使用的密码算法已不再可信。", "The cryptographic algorithm is no longer trusted."
    ),
    Reason.REVOCATION_DATA_MISSING: Sentence(
        "暂时无法取得证书的吊销信息。", "Revocation data for the certificate are not available now."
    ),
    Reason.REVOCATION_NOT_OFFERED: Sentence(
        "印章和内容真实完整；证书未注明吊销查询地址，是否被吊销无从查证。",
        "Seal and content are genuine; the certificate names no revocation service, so nobody can look it up.",
    ),
    Reason.TIMESTAMP_INVALID: Sentence("时间戳不正确。", "The timestamp is wrong."),
    Reason.TIME_UNPROVEN: Sentence(
        "无法证明盖章发生在证书失效之前。", "Nothing proves that the seal was applied before its certificate ended."
    ),
    Reason.DATA_STALE: Sentence("核验所用的数据已过时。", "The data to check against are out of date."),
    Reason.DATA_MISSING: Sentence("缺少核验所需的数据。", "Data needed for the check are missing."),
    Reason.NOT_KNOWN_THEN: Sentence(
        "无法确认在所问的时点当时掌握的情况。", "What was known at the moment asked about cannot be confirmed."
    ),
    Reason.SEALED_LATER: Sentence(
        "该文件在所问的时点之后才盖章，当时还没有这份文件。",
        "The file was sealed after the moment asked about: it did not exist then.",
    ),
    Reason.PRESENTATION_MALFORMED: Sentence(
        "出示的凭证结构不合规，无法核验。", "What was presented breaks the rules of its format."
    ),
    Reason.PRESENTATION_REPLAYED: Sentence(
        "出示的凭证不是为本次请求签署的。", "What was presented was not signed for this request."
    ),
    Reason.HOLDER_NOT_PROVEN: Sentence(
        "出示者未能证明凭证是他的。", "Whoever presents the credential has not proven to be its holder."
    ),
    Reason.CREDENTIAL_FORGED: Sentence(
        "凭证的签名不正确，系伪造或被篡改。", "The credential's signature is wrong: forged or altered."
    ),
    Reason.CREDENTIAL_ISSUER_UNKNOWN: Sentence(
        "凭证的签发者未被登记为可信。", "The credential's issuer is not registered as trusted for it."
    ),
    Reason.CREDENTIAL_NOT_YET_VALID: Sentence("凭证尚未生效。", "The credential is not valid yet."),
    Reason.CREDENTIAL_EXPIRED: Sentence("凭证已过有效期。", "The credential has expired."),
    Reason.CREDENTIAL_REVOKED: Sentence("凭证已被签发者撤销。", "The credential was revoked by its issuer."),
    Reason.CREDENTIAL_SUSPENDED: Sentence("凭证已被签发者暂停。", "The credential is suspended by its issuer."),
    Reason.CREDENTIAL_NOT_ASKED_FOR: Sentence(
        "出示的不是所要的凭证或内容。", "The credential or its content is not what was asked for."
    ),
    Reason.DISCLOSED_TOO_MUCH: Sentence(
        "出示的内容超出了请求范围，未予接收。", "More was disclosed than was asked for; it was not taken."
    ),
    Reason.PACK_SIGNER_NOT_PINNED: Sentence(
        "没有核对离线包由谁签名，其中的数据不能作准。",
        "Nobody has checked whose key signed the offline pack, so nothing rests on its data.",
    ),
    Reason.RECEIPT_FORGED: Sentence("回执的签名不正确。", "The receipt's signature is wrong."),
    Reason.RECEIPT_ISSUER_UNKNOWN: Sentence(
        "出具该回执的系统不在信任范围内，无法核对其签名。",
        "The receipt is of a service that is not trusted here; its signature cannot be checked.",
    ),
    Reason.RECEIPT_TIME_UNPROVEN: Sentence(
        "出具该回执的密钥已被宣布泄露，无法证明回执出具在此之前；请核验盖章的回执文件。",
        "The receipt's key was declared compromised and nothing proves that it is older; verify the sealed receipt.",
    ),
    Reason.RECEIPT_GENUINE: Sentence(
        "回执真实，当时的结论是有效；它不说明现在的状态。",
        "The receipt is genuine and the verdict then was valid; it says nothing of the present.",
    ),
}

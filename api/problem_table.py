"""How each error class is told to a caller: status, type and title, one row a class."""

from __future__ import annotations

from dataclasses import dataclass

from api.web import csrf
from foundation import encryption, outbound
from foundation import errors as base
from idp.oauth import errors as oauth
from idp.people import errors as people
from keys import der
from keys import errors as keys
from licence_vault import backfill_rows
from licence_vault import errors as vault
from signing import errors as signing
from verification import errors as verification
from verification import trust_lists


@dataclass(frozen=True, slots=True)
class Problem:
    """One row: how an error class is told to a caller."""

    status: int
    slug: str
    title: str
    title_en: str


INTERNAL = Problem(500, "internal", "服务内部错误", "Internal error")
NOT_FOUND = Problem(404, "not-found", "没有找到", "Not found")
METHOD = Problem(405, "method-not-allowed", "不支持这种请求方法", "Method not allowed")
INVALID = Problem(422, "invalid-input", "填写的内容不符合规则", "Invalid input")
MALFORMED = Problem(400, "malformed-request", "请求无法读取", "Malformed request")
TOO_LARGE = Problem(413, "limit-exceeded", "内容超过上限", "Limit exceeded")
OAUTH = Problem(400, "oauth-request", "应用发来的授权请求有误", "The application's request is refused")
UNSUPPORTED = Problem(415, "unsupported-media-type", "不支持这种内容类型", "Unsupported media type")

PROBLEMS: dict[type[base.TrustServiceError], Problem] = {
    base.InvalidInput: INVALID,
    base.NotFound: NOT_FOUND,
    base.Conflict: Problem(409, "conflict", "与当前状态冲突", "Conflict with the current state"),
    base.NotAuthenticated: Problem(401, "not-authenticated", "没有有效的登录或令牌", "Not authenticated"),
    base.NotPermitted: Problem(403, "not-permitted", "没有权限", "Not permitted"),
    base.StepUpRequired: Problem(403, "step-up-required", "需要更高的认证等级", "Stronger authentication required"),
    base.TooManyRequests: Problem(429, "too-many-requests", "请求过于频繁", "Too many requests"),
    base.LimitExceeded: TOO_LARGE,
    base.UpstreamUnavailable: Problem(503, "upstream-unavailable", "外部机构暂时没有应答", "Upstream unavailable"),
    base.ServiceUnavailable: Problem(503, "service-unavailable", "服务暂时不可用", "Service unavailable"),
    csrf.ForeignForm: Problem(403, "foreign-form", "表单不是从本站页面提交的", "Form from elsewhere"),
    encryption.UndecryptableField: INTERNAL,
    outbound.OutboundRefused: Problem(
        503, "outbound-refused", "外部地址不允许访问", "The outside address is not called"
    ),
    oauth.OAuthError: OAUTH,
    oauth.AuthorizationRefused: OAUTH,
    oauth.ClientUnknown: OAUTH,
    oauth.AddressNotRegistered: OAUTH,
    oauth.RequestSpent: OAUTH,
    oauth.InteractionExpired: Problem(
        410, "interaction-expired", "本次登录已过期，请回到应用重新开始", "Sign-in expired"
    ),
    oauth.UpstreamRefused: Problem(
        403, "upstream-refused", "其他平台的登录没有通过核验", "Sign-in by another provider refused"
    ),
    oauth.InvalidAccessToken: Problem(401, "invalid-access-token", "访问令牌无效或已过期", "Access token not valid"),
    oauth.DpopNonceNeeded: Problem(401, "invalid-access-token", "访问令牌无效或已过期", "Access token not valid"),
    oauth.InsufficientScope: Problem(403, "insufficient-scope", "访问令牌没有所需的权限范围", "Scope missing"),
    people.AccountClosed: Problem(401, "account-closed", "账号已停用", "Account closed"),
    people.AuthorityMissing: Problem(403, "authority-missing", "没有这项授权", "Authority missing"),
    people.CodeRefused: Problem(401, "code-refused", "验证码不正确", "Code refused"),
    people.RecoveryRefused: Problem(401, "recovery-refused", "找回账号没有通过", "Recovery refused"),
    people.MandateRefused: Problem(403, "mandate-refused", "授权不包括这件事或已失效", "Mandate refused"),
    people.PasskeyRefused: Problem(401, "passkey-refused", "通行密钥没有通过", "Passkey refused"),
    people.RealNameConflict: Problem(409, "real-name-conflict", "与已有实名信息不一致", "Contradicts the proven name"),
    people.RealNameQuotaExhausted: Problem(
        429, "real-name-quota-exhausted", "实名核对次数已用完", "Real-name attempts used up"
    ),
    people.SecondFactorRefused: Problem(401, "second-factor-refused", "动态码不正确", "Second factor refused"),
    people.SecondFactorRequired: Problem(401, "second-factor-required", "还需要动态码", "Second factor required"),
    people.SignInRefused: Problem(401, "sign-in-refused", "用户名或密码不正确", "Sign-in refused"),
    people.MessageJustSent: Problem(429, "code-just-sent", "验证码刚刚发出", "A code was just sent"),
    people.SignInThrottled: Problem(429, "sign-in-throttled", "登录尝试过多", "Too many sign-in attempts"),
    people.UsernameTaken: Problem(409, "username-taken", "用户名已被使用", "User name taken"),
    people.WeakPassword: Problem(422, "weak-password", "密码强度不够", "Password too weak"),
    der.MalformedDer: Problem(422, "malformed-der", "DER 结构不正确", "Malformed DER"),
    keys.BackupUnreadable: Problem(422, "backup-unreadable", "备份无法读取", "Backup unreadable"),
    keys.CertificateAlreadyRevoked: Problem(
        409, "certificate-already-revoked", "证书已经吊销", "Certificate already revoked"
    ),
    keys.CertificateNotFound: Problem(404, "certificate-not-found", "没有这张证书", "Certificate not found"),
    keys.ClockNotTrusted: Problem(503, "clock-not-trusted", "时钟异常，暂停签发时间戳", "Clock not trusted"),
    keys.FileNotWritten: Problem(409, "file-not-written", "文件无法写入", "File not written"),
    keys.IntentionMissing: Problem(403, "intention-missing", "没有对应的用章意图", "No matching intention"),
    keys.KeyNotFound: Problem(404, "key-not-found", "没有可用的密钥", "Key not found"),
    keys.KeyNotUsable: Problem(409, "key-not-usable", "密钥当前状态不可用", "Key not usable"),
    keys.KeystoreExists: Problem(409, "keystore-exists", "密钥仪式已经举行过", "Key ceremony already held"),
    keys.KeystoreLocked: Problem(503, "keystore-locked", "密钥库未打开", "Keystore locked"),
    keys.KeystoreMissing: Problem(503, "keystore-missing", "尚未举行密钥仪式", "Key ceremony not held yet"),
    keys.ProviderUnavailable: Problem(503, "provider-unavailable", "密钥设备没有应答", "Key provider unavailable"),
    keys.SecondOperatorRequired: Problem(
        403, "second-operator-required", "需要第二位操作员批准", "Second operator required"
    ),
    keys.UnsupportedAlgorithm: Problem(422, "unsupported-algorithm", "不支持这种算法", "Algorithm not supported"),
    keys.WrongPurpose: Problem(403, "wrong-purpose", "密钥不得用于此目的", "Wrong key purpose"),
    backfill_rows.UnreadableFile: Problem(422, "unreadable-file", "文件无法读取", "File cannot be read"),
    vault.AccessQuotaExceeded: Problem(
        429, "access-quota-exceeded", "查阅证照的次数已达上限", "Reading quota exceeded"
    ),
    vault.FaceTooLarge: Problem(413, "face-too-large", "照面内容超过上限", "Face too large"),
    vault.IdempotencyMismatch: Problem(
        409, "idempotency-mismatch", "幂等键已用于其他内容", "Idempotency key used for other data"
    ),
    vault.InvalidFace: Problem(
        422, "invalid-face", "照面数据不符合证照类型的规则", "Face data breaks the type's rules"
    ),
    vault.InvalidHolder: Problem(422, "invalid-holder", "持证主体信息不正确", "Holder not acceptable"),
    vault.InvalidLicenceIdentifier: Problem(
        422, "invalid-licence-identifier", "证照标识不正确", "Not a licence identifier"
    ),
    vault.InvalidTypeDefinition: Problem(
        422, "invalid-type-definition", "证照类型定义不正确", "Type definition not acceptable"
    ),
    vault.IssueInProgress: Problem(409, "issue-in-progress", "同一请求正在处理", "Same request in progress"),
    vault.LicenceNotFound: Problem(404, "licence-not-found", "没有这件证照", "Licence not found"),
    vault.MissingGlyph: Problem(422, "missing-glyph", "字体缺少某个字", "A character cannot be drawn"),
    vault.NoUsableSeal: Problem(409, "no-usable-seal", "签发机构没有可用的印章", "No usable seal"),
    vault.RenderingFailed: Problem(503, "rendering-failed", "证照暂时无法生成", "Rendering failed"),
    vault.SerialsExhausted: Problem(409, "serials-exhausted", "流水号已用完", "Serial numbers exhausted"),
    vault.ShowNotFound: Problem(404, "show-not-found", "亮证码无效、已使用或已过期", "Code unknown, spent or expired"),
    vault.ShowNotReleased: Problem(
        409, "show-not-released", "持证人尚未同意或亮证已结束", "Not released by the holder"
    ),
    vault.StateTransitionRefused: Problem(
        409, "state-transition-refused", "当前状态不允许这样变更", "State change refused"
    ),
    vault.UnknownLicenceType: Problem(404, "unknown-licence-type", "没有这种证照类型", "Licence type unknown"),
    signing.ActiveContent: Problem(422, "active-content", "文件含有可能变化的内容", "Document holds active content"),
    signing.BadPlacement: Problem(422, "bad-placement", "印章放不到这个位置", "Seal does not fit there"),
    signing.BrokenExistingSignature: Problem(
        422, "broken-existing-signature", "已有的签章被改动过", "Existing signature altered"
    ),
    signing.BrokenPdf: Problem(422, "broken-pdf", "PDF 结构损坏", "PDF damaged"),
    signing.CertifiedAgainstChange: Problem(
        422, "certified-against-change", "文件已锁定，不能再盖章", "Certified against change"
    ),
    signing.EncryptedPdf: Problem(422, "encrypted-pdf", "PDF 有密码保护", "PDF encrypted"),
    signing.FourEyesRequired: Problem(403, "four-eyes-required", "申请人不能批准自己的申请", "Four eyes required"),
    signing.GlyphMissing: Problem(422, "glyph-missing", "字体缺少某个字", "A character cannot be drawn"),
    signing.HybridCrossReference: Problem(
        422, "hybrid-cross-reference", "PDF 含混合交叉引用", "Hybrid cross-reference"
    ),
    signing.IntentionExpired: Problem(409, "intention-expired", "准备好的盖章已过期", "Prepared sealing expired"),
    signing.IntentionNotFound: Problem(
        404, "intention-not-found", "没有这次准备好的盖章", "Prepared sealing not found"
    ),
    signing.IntentionSpent: Problem(409, "intention-spent", "这次盖章已完成或取消", "Prepared sealing already used"),
    signing.KeywordNotFound: Problem(422, "keyword-not-found", "文件里找不到关键字", "Keyword not found"),
    signing.NotAPdfDocument: Problem(415, "not-a-pdf", "不是 PDF 文件", "Not a PDF"),
    signing.PdfTooLarge: Problem(413, "pdf-too-large", "PDF 超过上限", "PDF over a limit"),
    signing.SealKeyUnusable: Problem(503, "seal-key-unusable", "印章密钥暂时不可用", "Seal key unusable"),
    signing.SealNotActive: Problem(409, "seal-not-active", "印章未启用", "Seal not active"),
    signing.SealNotFound: Problem(404, "seal-not-found", "没有这枚印章", "Seal not found"),
    signing.SealNotPinned: Problem(
        409, "seal-not-pinned", "这枚印章没有登记为可批量使用", "Seal not pinned for batches"
    ),
    signing.SealStateConflict: Problem(409, "seal-state-conflict", "印章状态不允许这一步", "Seal state conflict"),
    signing.SealUseNotGranted: Problem(403, "seal-use-not-granted", "没有这枚印章的使用授权", "Seal use not granted"),
    signing.RefusedByVerification: Problem(
        422, "refused-by-verification", "盖章后的文件不能通过核验", "Verification would refuse the sealed document"
    ),
    signing.SealedDocumentNotFound: Problem(
        404, "sealed-document-not-found", "没有这份盖章文件", "Sealed document not found"
    ),
    signing.SealingFailed: Problem(500, "sealing-failed", "盖章自检没有通过", "Sealing failed its self-check"),
    signing.SecondFactorRequired: Problem(
        403, "seal-second-factor-required", "盖章需要第二重验证", "Sealing needs a second factor"
    ),
    signing.UnexaminablePdf: Problem(422, "unexaminable-pdf", "文件无法在限定内检查", "Document cannot be examined"),
    signing.UnsealablePdf: Problem(422, "unsealable-pdf", "文件不能盖章", "Document cannot be sealed"),
    trust_lists.BadTrustList: Problem(422, "bad-trust-list", "信任列表不可用", "Trust list not acceptable"),
    verification.DocumentEncrypted: Problem(422, "document-encrypted", "PDF 需要密码", "Document encrypted"),
    verification.DocumentOverLimit: Problem(413, "document-over-limit", "文件超过上限", "Document over a limit"),
    verification.NoCodeFound: Problem(422, "no-code-found", "图片中没有二维码", "No code found"),
    verification.NoSealFound: Problem(422, "no-seal-found", "文件中没有电子签章", "No seal found"),
    verification.NotAPdf: Problem(415, "not-a-pdf", "不是 PDF 文件", "Not a PDF"),
    verification.SandboxUnavailable: Problem(
        503, "sandbox-unavailable", "文件检查服务正忙", "File checker unavailable"
    ),
}

BY_STATUS: dict[int, Problem] = {
    400: MALFORMED,
    401: PROBLEMS[base.NotAuthenticated],
    403: PROBLEMS[base.NotPermitted],
    404: NOT_FOUND,
    405: METHOD,
    406: Problem(406, "not-acceptable", "无法提供所要求的格式", "Not acceptable"),
    413: TOO_LARGE,
    415: UNSUPPORTED,
    422: INVALID,
    429: PROBLEMS[base.TooManyRequests],
    503: PROBLEMS[base.ServiceUnavailable],
}

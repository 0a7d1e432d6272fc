"""What a page says about an error: which field, which rule, the way out; in Chinese, translated where shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.web.csrf import ForeignForm
from api.web.i18n import N_
from foundation import errors as base
from idp.oauth import errors as oauth
from idp.oauth.errors import InteractionExpired
from idp.people import errors as people
from licence_vault import errors as vault
from signing import errors as signing
from verification import errors as verification

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELD_RULES: Mapping[str, str] = {
    "username": N_("用户名须为 4 到 32 个字母、数字、汉字或 . _ -，且不能全是数字。"),
    "mobile": N_("手机号须为 11 位，以 13 至 19 开头。"),
    "name": N_("请填写证件上的姓名，不加空格或符号。"),
    "citizen_id_number": N_("公民身份号码须为 18 位，请检查日期和末位校验码。"),
    "card_number": N_("卡号不对，请照卡面检查是否漏输。"),
    "fund_account": N_("公积金账号不对，请检查是否漏输。"),
    "code": N_("动态码是 6 位数字。"),
    "document": N_("请选择一个 PDF 文件。"),
    "identifier": N_("请输入证照标识。"),
    "text": N_("请粘贴二维码的文字。"),
    "matter_code": N_("没有这个事项编码。"),
    "case_number": N_("请填写办件号。"),
    "reason": N_("请填写理由。"),
    "purpose": N_("请写明用途，写在一行里，最多 200 个字。"),
    "x": N_("请填毫米数，例如 120 或 120.5。"),
    "y": N_("请填毫米数，例如 60 或 60.5。"),
    "size": N_("直径在 3 到 500 毫米之间。"),
    "lower_text": N_("内设机构章、分支机构章和业务专用章填 1 到 16 个字；法定名称章和个人名章不填。"),
    "holder_name": N_("个人名章填 1 到 6 个字的姓名；其他印章不填。"),
    "filing_number": N_("备案号由 1 到 32 位字母和数字组成。"),
    "valid_to": N_("请选择今天以后、不早于开始日期的一天。"),
    "keyword": N_("请填写文件里的几个字，例如“盖章处”，最多 60 个字。"),
}

SENTENCES: Mapping[type[base.TrustServiceError], str] = {
    people.UsernameTaken: N_("这个用户名已经有人用了，请换一个。"),
    people.SignInRefused: N_("用户名或密码不对。请检查大小写后再试。"),
    people.SecondFactorRefused: N_("动态码不对或已经用过。请等下一个动态码再输。"),
    people.SignInThrottled: N_("试的次数太多，为保护您的账号已暂停。没有锁定，也可以换一种方式登录。"),
    people.MessageJustSent: N_("验证码刚刚已经发出，请看手机短信。"),
    people.PasskeyRefused: N_("这把通行密钥没有通过验证。请重试，或换一种方式登录。"),
    people.CodeRefused: N_("验证码不对或已经过期。请重新获取。"),
    people.MandateRefused: N_("这份授权不包括这件事，或者已经失效。"),
    base.StepUpRequired: N_("这件事需要更高的实名等级，或者刚刚登录过。请先实名或重新登录。"),
    people.AccountClosed: N_("这个账号已停用。请到办事大厅咨询。"),
    people.RealNameQuotaExhausted: N_("为防止卡被锁住，今天不能再试了。请换一种方式，或到办事大厅现场核验。"),
    people.RecoveryRefused: N_("填写的内容对不上。为了保护您，不会说明是哪一项。请逐项检查，也可以到办事大厅办理。"),
    people.SecondFactorRequired: N_("请先用动态码或通行密钥重新登录，再做这一步。"),
    people.RealNameConflict: N_("核对结果与您已有的实名信息不一致。请带身份证到办事大厅办理。"),
    people.AuthorityMissing: N_("您没有办理这件事的授权。请联系本单位管理员。"),
    oauth.ClientUnknown: N_("发来请求的系统没有在本平台登记，或者已经停用。请联系该系统的管理员。"),
    oauth.AddressNotRegistered: N_(
        "该系统要求返回的地址没有登记。为了您的安全，没有跳转。请联系该系统的管理员核对返回地址。"
    ),
    oauth.RequestSpent: N_("该系统发来的登录请求已经用过或已经过期。请回到该系统重新开始。"),
    oauth.AuthorizationRefused: N_("该系统发来的登录请求有误，没有跳转。请联系该系统的管理员。"),
    oauth.UpstreamRefused: N_("从其他平台登录没有成功。请重新试一次，或换一种方式登录。"),
    InteractionExpired: N_("这次登录已经过期或已经完成。请回到办事系统重新开始。"),
    ForeignForm: N_("这一页打开太久或不是从本站打开的。请刷新后重新填写。"),
    verification.NotAPdf: N_("这个文件不是 PDF，也不是 JPG 或 PNG 照片。请选盖章的 PDF、二维码的照片或核验回执。"),
    verification.DocumentEncrypted: N_("这个 PDF 设了打开密码，无法核验。请向对方要没有密码的文件。"),
    verification.NoSealFound: N_("这个 PDF 里没有任何电子签章。如果是纸质件的扫描件，请核验上面的证照标识或二维码。"),
    verification.NoCodeFound: N_("图片里没有认出证照上的二维码。请对准、拍清楚后再选一次。"),
    verification.DocumentOverLimit: N_("文件太大、页数太多或结构太复杂。最大 50 MB。"),
    verification.SandboxUnavailable: N_("检查文件的服务正忙。请过一会儿再试。"),
    signing.NotAPdfDocument: N_("这个文件不是 PDF。"),
    signing.BrokenPdf: N_("这个 PDF 的结构已损坏。请用原来的软件重新导出。"),
    signing.EncryptedPdf: N_("这个 PDF 有密码保护。请去掉密码后再上传。"),
    signing.HybridCrossReference: N_("这个 PDF 由旧版办公软件生成，不同阅读器会显示不同内容。请重新导出。"),
    signing.BrokenExistingSignature: N_("这个 PDF 里已有的签章被改动过，不能再盖章。"),
    signing.CertifiedAgainstChange: N_("这个 PDF 已被锁定，不允许再盖章。"),
    signing.PdfTooLarge: N_("文件太大、页数太多或结构太复杂。最大 50 MB。"),
    signing.ActiveContent: N_("文件里有盖章后仍可能变化的内容（如表单、脚本、图层）。请“打印成 PDF”后再上传。"),
    signing.KeywordNotFound: N_(
        "文件里没有找到这个关键字。请照文件原文填写；扫描件的字是图片，找不到，请改为指定位置。"
    ),
    signing.BadPlacement: N_("印章放不到这个位置。请把它完整地放在纸面以内。"),
    signing.GlyphMissing: N_("有字库里没有的字，印章画不出来。请联系管理员补字。"),
    signing.FourEyesRequired: N_("这一步要由另一个人来办：不能批准自己的申请，也不能给自己授权。"),
    signing.SealNotPinned: N_("这枚印章没有在签名机上登记为可批量使用。请联系平台操作员登记。"),
    signing.SealStateConflict: N_("印章当前的状态不允许这一步，请刷新后再看。"),
    signing.SealNotActive: N_("这枚印章现在不能使用（未启用、停用或已注销）。"),
    signing.SealUseNotGranted: N_("您没有在这个事项上使用这枚印章的授权。"),
    signing.SecondFactorRequired: N_("盖章需要输入动态码。"),
    signing.IntentionExpired: N_("准备好的盖章已过期，请重新放印章。"),
    signing.IntentionSpent: N_("这次盖章已经完成或取消。请到用章记录查看。"),
    signing.SealKeyUnusable: N_("印章的密钥暂时不能使用。请稍后再试。"),
    signing.RefusedByVerification: N_("盖章后的文件不能通过核验，没有发出。请检查原文件。"),
    signing.SealingFailed: N_("盖章后的自检没有通过，文件没有发出。请联系管理员。"),
    vault.LicenceNotFound: N_("没有找到这件证照，或者它不在您名下。"),
    vault.ShowNotFound: N_("亮证码无效、已用过或已过期。请申请人重新出示。"),
    vault.ShowNotReleased: N_("申请人还没有同意，或者已经查看过。"),
    vault.AccessQuotaExceeded: N_("查阅次数已达上限。"),
    base.TooManyRequests: N_("操作太频繁。"),
    base.LimitExceeded: N_("内容超过上限。"),
    base.NotFound: N_("没有找到您要的内容，或者您无权查看。"),
    base.NotPermitted: N_("您没有权限打开这一页。"),
    base.NotAuthenticated: N_("请先登录。"),
    base.Conflict: N_("当前状态不允许这样做。请刷新后再看。"),
    base.InvalidInput: N_("有内容不符合要求，请检查后再试。"),
    base.UpstreamUnavailable: N_("外部机构暂时没有应答。您填的内容没有问题，请过几分钟再试。"),
    base.ServiceUnavailable: N_("服务暂时不可用，请过几分钟再试。您的内容没有丢失。"),
    base.TrustServiceError: N_("没有办成，请稍后再试。"),
}


PASSWORD_FLAWS: Mapping[people.PasswordFlaw, str] = {
    people.PasswordFlaw.TOO_SHORT: N_("密码太短：至少 8 个字符。可以用几个不相干的词，例如“竹子-早班车-蓝伞”。"),
    people.PasswordFlaw.TOO_LONG: N_("密码太长：最多 128 个字符。"),
    people.PasswordFlaw.ACCOUNT_NAME: N_("密码里有您的用户名或手机号，别人会先猜它。请换成不相干的几个词。"),
    people.PasswordFlaw.COMMON: N_("这是很多人用过、已经泄露的密码。请换成几个不相干的词。"),
    people.PasswordFlaw.DATE: N_("密码像是生日或日期，容易被猜到。请换成几个不相干的词。"),
    people.PasswordFlaw.SEQUENCE: N_("密码是连续或重复的字符（如 abcd、1111）。请换成几个不相干的词。"),
    people.PasswordFlaw.KEYBOARD: N_("密码是键盘上相邻的键（如 qwer）。请换成几个不相干的词。"),
    people.PasswordFlaw.GUESSABLE: N_("密码太容易猜到。请再加长，或换成几个不相干的词。"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What to show: at a field, or above the form when `field` is empty."""

    field: str
    text: str

    def as_errors(self) -> dict[str, str]:
        """Return the form's error map."""
        return {self.field or "_form": self.text}


def told(error: base.TrustServiceError, fields: frozenset[str] = frozenset()) -> Told:
    """Return the sentence for an error; at its field when the form has that field."""
    field = (error.field or "").rpartition(".")[2]
    sentence = sentence_of(error)
    generic = sentence == SENTENCES[base.InvalidInput]
    if field in fields:
        return Told(field, FIELD_RULES.get(field, sentence) if generic else sentence)
    return Told("", sentence)


def sentence_of(error: base.TrustServiceError) -> str:
    """Return the sentence of the error's class or of its nearest ancestor."""
    if isinstance(error, people.WeakPassword):
        return PASSWORD_FLAWS[error.flaw]
    for ancestor in type(error).__mro__:
        found = SENTENCES.get(ancestor)
        if found is not None:
            return found
    return SENTENCES[base.TrustServiceError]

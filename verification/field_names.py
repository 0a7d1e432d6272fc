"""What the fields that are compared are called, for people."""

from __future__ import annotations

from verification.model import Sentence

_NAMES = {
    "holder_name": Sentence("持证主体名称", "holder's name"),
    "holder_code": Sentence("证件号码", "holder's number"),
    "holder_names": Sentence("持证主体名称", "holders' names"),
    "holder_code_tail": Sentence("证件号码末四位", "last four of the holder's number"),
    "type_name": Sentence("证照名称", "name of the licence"),
    "issuer_name": Sentence("签发机构", "issuer"),
    "valid_from": Sentence("有效期起", "valid from"),
    "valid_to": Sentence("有效期止", "valid to"),
    "identifier": Sentence("证照标识", "licence identifier"),
    # GB/T 36903
    "ZZMC": Sentence("证照名称", "name of the licence"),
    "ZZLXDM": Sentence("证照类型代码", "code of the licence type"),
    "ZZBH": Sentence("证照编号", "licence number"),
    "ZZBS": Sentence("证照标识", "licence identifier"),
    "ZZBFJG": Sentence("证照颁发机构", "issuer"),
    "ZZBFJGDM": Sentence("证照颁发机构代码", "issuer's code"),
    "ZZBFRQ": Sentence("证照颁发日期", "date of issue"),
    "CZZT": Sentence("持证主体", "holder"),
    "CZZTDM": Sentence("持证主体代码", "holder's number"),
    "CZZTDMLX": Sentence("持证主体代码类型", "kind of the holder's number"),
    "CZZTDMLXDM": Sentence("持证主体代码类型代码", "code of the kind of the holder's number"),
    "ZZYXQQSRQ": Sentence("证照有效期起始日期", "valid from"),
    "ZZYXQJZRQ": Sentence("证照有效期截止日期", "valid to"),
}
_DRAWN = {
    "code": Sentence("加注件的二维码", "the code of a purpose-bound copy"),
    "pages": Sentence("页数", "number of pages"),
    "text": Sentence("第{page}页文字", "text of page {page}"),
    "picture": Sentence("第{page}页图样", "looks of page {page}"),
}


def drawn_name(what: str, page: int) -> Sentence:
    """Return what differs on a page: `what` is `code`, `pages`, `text` or `picture`; pages count from 1."""
    named = _DRAWN[what]
    return Sentence(named.zh.format(page=page), named.en.format(page=page))


def field_name(field: str) -> Sentence:
    """Return what a compared field is called; a licence type's own field has its short name."""
    if field.startswith("rendering."):
        _, what, page = field.split(".")
        return drawn_name(what, int(page))
    own = field.removeprefix("KZ_")
    return _NAMES.get(field) or Sentence(f"证照内容“{own}”", f"field “{own}” of the licence")

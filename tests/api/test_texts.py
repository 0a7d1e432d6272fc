"""Every text of the pages exists in both languages, and the templates carry no script or style."""

from __future__ import annotations

import re
from pathlib import Path

from babel.messages.extract import extract_from_dir

from api.web import i18n
from api.web.rendering import environment

WEB = Path(i18n.__file__).parent
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def texts() -> set[str]:
    found = extract_from_dir(
        WEB,
        method_map=[("**.py", "python"), ("**.html", "jinja2.ext.babel_extract")],
        keywords={"_": None, "N_": None},
        options_map={"**.html": {"encoding": "utf-8", "newstyle_gettext": "true"}},
    )
    return {message if isinstance(message, str) else message[0] for _, _, message, _, _ in found}


def test_english_has_every_text_and_nothing_stale() -> None:
    assert texts() == set(i18n.english_texts())


def test_placeholders_survive_translation() -> None:
    for chinese, english in i18n.english_texts().items():
        assert set(PLACEHOLDER.findall(chinese)) == set(PLACEHOLDER.findall(english)), chinese


def test_no_chinese_stands_in_a_template_outside_the_catalogue() -> None:
    for path in (WEB / "templates").glob("*.html"):
        source = re.sub(r'_\((".*?"|\'.*?\')', "", path.read_text("utf-8"))
        source = source.replace("中文", "").replace("，{{ name }}", "")
        assert not CHINESE.search(source), path.name


def test_templates_hold_no_inline_script_style_or_foreign_address() -> None:
    for path in (WEB / "templates").glob("*.html"):
        source = path.read_text("utf-8")
        assert not re.search(r"<script(?![^>]*\bsrc=)", source), path.name
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|https?://", source), path.name


def test_every_form_that_changes_something_carries_the_token() -> None:
    open_forms = {"/v/identifier", "/v/pdf", "/v/qr", "/v/receipt", "/v/receipt/file", "/v/receipt/document", "/log"}
    for path in (WEB / "templates").glob("*.html"):
        for form in re.findall(r"<form method=\"post\".*?</form>", path.read_text("utf-8"), re.DOTALL):
            action = re.search(r'action="([^"]*)"', form)
            assert action is not None, path.name
            assert action.group(1) in open_forms or "token()" in form or "form_token" in form, (path.name, action)


def test_templates_compile_in_both_languages() -> None:
    for language in i18n.LANGUAGES:
        for name in environment(language).list_templates():
            environment(language).get_template(name)

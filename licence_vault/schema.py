"""Face data against a type's JSON Schema (2020-12): errors name the field and the rule, never the value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema_rs

from licence_vault.errors import InvalidFace, InvalidTypeDefinition

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FIELDS = 80
_BOUNDED = ("maxLength", "enum", "const", "format")

_RULES: dict[str, tuple[str, str]] = {
    "required": ("缺少必填项", "is required"),
    "additionalProperties": ("含未定义的字段", "holds a field the type does not define"),
    "type": ("类型应为 {limit}", "must be of type {limit}"),
    "minLength": ("至少 {limit} 个字符", "needs at least {limit} characters"),
    "maxLength": ("最多 {limit} 个字符", "takes at most {limit} characters"),
    "pattern": ("格式不符合 {limit}", "must match {limit}"),
    "format": ("应为 {limit} 格式", "must be a {limit}"),
    "enum": ("只能是:{limit}", "must be one of: {limit}"),
    "const": ("只能是 {limit}", "must be {limit}"),
    "minimum": ("不得小于 {limit}", "must be at least {limit}"),
    "maximum": ("不得大于 {limit}", "must be at most {limit}"),
    "exclusiveMinimum": ("须大于 {limit}", "must be greater than {limit}"),
    "exclusiveMaximum": ("须小于 {limit}", "must be less than {limit}"),
    "multipleOf": ("须为 {limit} 的倍数", "must be a multiple of {limit}"),
    "minItems": ("至少 {limit} 项", "needs at least {limit} items"),
    "maxItems": ("最多 {limit} 项", "takes at most {limit} items"),
    "uniqueItems": ("不得重复", "must not repeat"),
}


def _no_remote(uri: str) -> Any:  # noqa: ANN401 - the retriever's protocol
    message = f"remote references are not followed: {uri}"
    raise ValueError(message)


class FaceSchema:
    """A compiled schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Compile; raises InvalidTypeDefinition for what is no acceptable schema."""
        self._schema = schema
        check_schema(schema)
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                dict(schema),
                validate_formats=True,
                retriever=_no_remote,
                pattern_options=jsonschema_rs.RegexOptions(),
            )
        except (jsonschema_rs.ValidationError, ValueError) as error:
            raise InvalidTypeDefinition("The schema does not compile.", field="schema") from error

    def check(self, face: Mapping[str, Any]) -> None:
        """Raise InvalidFace for the first broken rule, in the order of the fields."""
        errors = sorted(self._validator.iter_errors(dict(face)), key=self._order)
        if errors:
            raise self._explain(errors[0], face)

    def _order(self, error: jsonschema_rs.ValidationError) -> tuple[int, str]:
        names = list(self._schema["properties"])
        head = error.instance_path[0] if error.instance_path else ""
        return (names.index(head) if head in names else -1, "/".join(map(str, error.schema_path)))

    def _explain(self, error: jsonschema_rs.ValidationError, face: Mapping[str, Any]) -> InvalidFace:
        rule = str(error.schema_path[-1])
        path = [str(part) for part in error.instance_path]
        limit: Any = self._limit(error.schema_path)
        if rule == "required":
            path.append(_missing(limit, _at(face, error.instance_path)))
        chinese, english = _RULES.get(rule, ("不符合规则 " + rule, "breaks the rule " + rule))
        shown = "、".join(map(str, limit)) if isinstance(limit, list) else str(limit)
        title = self._title(path)
        detail = f"{title}{chinese} / {'.'.join(path) or 'face'} {english}.".replace("{limit}", shown)
        return InvalidFace(detail, field=".".join(["face", *path]))

    def _limit(self, schema_path: list[str | int]) -> Any:  # noqa: ANN401 - any JSON value
        node: Any = self._schema
        for part in schema_path:
            node = node[part]
        return node

    def _title(self, path: list[str]) -> str:
        node: Any = self._schema
        title = ""
        for part in path:
            node = node.get("items", {}) if part.isdigit() else node.get("properties", {}).get(part, {})
            title = str(node.get("title", title))
        return title


def _at(face: Mapping[str, Any], path: list[str | int]) -> Any:  # noqa: ANN401 - any JSON value
    node: Any = face
    for part in path:
        node = node[part]
    return node


def _missing(required: list[str], instance: Mapping[str, Any]) -> str:
    return next((name for name in required if name not in instance), required[0])


def check_schema(schema: Mapping[str, Any]) -> None:
    """Refuse a face schema that is open, unbounded, untitled or points outside; raises InvalidTypeDefinition."""
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        raise InvalidTypeDefinition("The schema must describe an object with properties.", field="schema")
    if len(schema["properties"]) > MAX_FIELDS:
        raise InvalidTypeDefinition(f"A face has at most {MAX_FIELDS} fields.", field="schema.properties")
    _check_node(schema, "schema")


def _check_node(node: Any, where: str) -> None:  # noqa: ANN401 - any JSON value
    if isinstance(node, list):
        for index, inner in enumerate(node):
            _check_node(inner, f"{where}.{index}")
    if not isinstance(node, dict):
        return
    for broken, rule in _broken_rules(node):
        if broken:
            raise InvalidTypeDefinition(rule, field=where)
    for keyword, inner in node.items():
        if keyword != "properties":
            _check_node(inner, f"{where}.{keyword}")
    for name, inner in node.get("properties", {}).items():
        if not isinstance(inner, dict) or not inner.get("title"):
            raise InvalidTypeDefinition("Every field needs a title.", field=f"{where}.properties.{name}")
        _check_node(inner, f"{where}.properties.{name}")


def _broken_rules(node: Mapping[str, Any]) -> tuple[tuple[bool, str], ...]:
    kind = node.get("type")
    references = (str(node.get(keyword, "#")) for keyword in ("$ref", "$dynamicRef"))
    return (
        (not all(text.startswith("#") for text in references), "References to other documents are not followed."),
        (kind == "object" and node.get("additionalProperties") is not False, "additionalProperties must be false."),
        (
            kind == "string" and not any(keyword in node for keyword in _BOUNDED),
            "A text needs maxLength, enum, const or format.",
        ),
        (kind == "array" and "maxItems" not in node, "A list needs maxItems."),
    )

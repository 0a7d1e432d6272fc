"""`openapi.yaml` is the application's own word, complete, and its examples work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from api.access import ACCESS, Way
from api.openapi import document, document_yaml

FILE = Path(__file__).parents[2] / "openapi.yaml"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document()


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_file_is_what_the_application_says() -> None:
    assert FILE.read_text("utf-8") == document_yaml(), "run `make openapi`"


def test_the_file_reads_back_as_the_document(described: dict[str, Any]) -> None:
    assert yaml.safe_load(FILE.read_text("utf-8")) == described


def test_every_operation_says_what_it_does_and_how_it_fails(described: dict[str, Any]) -> None:
    for method, path, operation in operations(described):
        assert operation["summary"], (method, path)
        if not path.startswith("/api/v1"):
            continue
        answers = set(operation["responses"])
        access = ACCESS[method, path]
        if access.per_minute:
            assert "429" in answers, (method, path)
        if access.way is Way.BEARER:
            assert {"401", "403"} <= answers, (method, path)
            assert operation["security"] == [{"department": [access.scope] if access.scope else []}]
        if "requestBody" in operation:
            assert {"400", "422"} <= answers, (method, path)


def test_every_json_request_has_an_example(described: dict[str, Any]) -> None:
    for method, path, operation in operations(described):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is not None:
            assert "example" in body, (method, path)


def test_references_lead_somewhere(described: dict[str, Any]) -> None:
    names = set(described["components"]["schemas"])

    def walk(value: object) -> None:
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str):
                assert reference.rpartition("/")[2] in names, reference
            for member in value.values():
                walk(member)
        elif isinstance(value, list):
            for member in value:
                walk(member)

    walk(described)

"""`openapi.yaml`, written from the application: routes, schemas, problems, security, examples."""

from __future__ import annotations

from typing import Any

import yaml
from fastapi.openapi.utils import get_openapi

from api.access import ACCESS, Way
from api.app import TITLE, VERSION, build
from api.examples import EXAMPLES
from api.schemas.common import ProblemDocument

DESCRIPTION = """Identity, electronic seals, electronic licences and their verification for a city.

Department systems authenticate with an OAuth 2.0 access token (client credentials). Errors are
problem documents (RFC 9457) that name the field and the rule. Examined and found bad is a
successful request: the verdict says so.
"""
SCOPES = {
    "licence:issue": "Issue licences of the client's own organisation.",
    "licence:read": "Read licences the sharing list opens to the client's organisation.",
    "licence:status": "Change the state of licences the client's organisation issued.",
    "seal:apply": "Apply the seals of the client's organisation.",
    "verify:read": "Verify without the limit for strangers.",
    "verify:present": "Ask a person's wallet for credentials the client is registered for.",
}
SECURITY_SCHEMES = {
    "department": {
        "type": "oauth2",
        "description": "RFC 9068 access token, audience the API; scopes are bound to the client's organisation.",
        "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": SCOPES}},
    }
}

TEXT = {"type": "string"}
OAUTH_FORMS: dict[str, tuple[str, ...]] = {
    "/oauth/token": ("grant_type", "scope", "code", "redirect_uri", "code_verifier", "refresh_token", "client_id"),
    "/oauth/introspect": ("token", "token_type_hint"),
    "/oauth/revoke": ("token", "token_type_hint"),
}
OAUTH_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": TEXT, "error_description": TEXT},
}


class _Plain(yaml.SafeDumper):
    """Writes what is used twice twice: anchors confuse readers of an OpenAPI file."""

    def ignore_aliases(self, _data: object) -> bool:
        """Never refer back."""
        return True


def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    app = build()
    found = get_openapi(title=TITLE, version=VERSION, description=DESCRIPTION, routes=app.routes)
    components = found.setdefault("components", {})
    components["securitySchemes"] = SECURITY_SCHEMES
    schemas = components.setdefault("schemas", {})
    schema = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas["ProblemDocument"] = schema
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            _complete(operation, method.upper(), path)
    found["components"]["schemas"] = dict(sorted(schemas.items()))
    return found


def _complete(operation: dict[str, Any], method: str, path: str) -> None:
    """Add what FastAPI cannot know: security from the access table, examples, our form of 422."""
    if method == "POST" and path in OAUTH_FORMS:
        _oauth(operation, OAUTH_FORMS[path])
    access = ACCESS.get((method, path)) or ACCESS.get((method, path.replace("}", ":path}")))
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422", "")):
        responses.pop("422")
    if access and access.way is Way.BEARER:
        operation["security"] = [{"department": [access.scope] if access.scope else []}]
    elif access and access.way is Way.EITHER:
        operation["security"] = [{}, {"department": [access.scope]}]
    request_example, answer_example = EXAMPLES.get((method, path), (None, None))
    if request_example is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = request_example
    if answer_example is not None:
        status = "201" if "201" in responses else "200"
        responses[status]["content"]["application/json"]["example"] = answer_example


def _oauth(operation: dict[str, Any], fields: tuple[str, ...]) -> None:
    """Describe a back-channel endpoint: a form in, JSON out, errors in the form of RFC 6749."""
    form = {"type": "object", "required": [fields[0]], "properties": dict.fromkeys(fields, TEXT)}
    operation["requestBody"] = {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": form}}}
    operation["responses"]["200"]["content"] = {"application/json": {"schema": {"type": "object"}}}
    for status, meaning in (("400", "The request is refused."), ("401", "The client is not authenticated.")):
        content = {"application/json": {"schema": OAUTH_ERROR}}
        operation["responses"][status] = {"description": meaning, "content": content}


def document_yaml() -> str:
    """Return the document as it stands in `openapi.yaml`."""
    return yaml.dump(document(), Dumper=_Plain, allow_unicode=True, sort_keys=False, width=110)

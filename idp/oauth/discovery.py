"""What this provider can do, told to clients (OpenID Connect Discovery 1.0, RFC 8414).

Only what works stands here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from idp.oauth.authorization_details import DETAIL_TYPES
from idp.oauth.authorization_request import LEVELS, PROMPTS
from idp.oauth.client import AuthenticationMethod, GrantType
from idp.oauth.client_authentication import ASSERTION_ALGORITHMS
from idp.oauth.client_metadata import DELIVERY_MODES, ENCRYPTION_ALGORITHMS, ENCRYPTION_METHODS, FAPI_ALGORITHMS
from idp.oauth.model import CLIENT_SCOPES, SIGNED_MODES, USER_SCOPES, ResponseMode
from idp.people.verified_claims import RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence


def metadata(issuer: str, id_token_algorithms: Sequence[str], *, certificates: bool, vouches: bool) -> dict[str, Any]:
    """Return the discovery document.

    `certificates` tells whether a proxy passes client certificates on, `vouches` whether another provider's word
    may stand in `verified_claims`.
    """
    methods = [
        method.value for method in AuthenticationMethod if certificates or method is not AuthenticationMethod.TLS
    ]
    confidential = [method for method in methods if method != AuthenticationMethod.NONE]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "userinfo_endpoint": f"{issuer}/oauth/userinfo",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "device_authorization_endpoint": f"{issuer}/oauth/device_authorization",
        "backchannel_authentication_endpoint": f"{issuer}/oauth/bc-authorize",
        "backchannel_token_delivery_modes_supported": list(DELIVERY_MODES),
        "backchannel_user_code_parameter_supported": False,
        "backchannel_authentication_request_signing_alg_values_supported": list(FAPI_ALGORITHMS),
        "registration_endpoint": f"{issuer}/oauth/register",
        "end_session_endpoint": f"{issuer}/oauth/logout",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
        "scopes_supported": sorted(USER_SCOPES | CLIENT_SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": [*(mode.value for mode in ResponseMode), *SIGNED_MODES],
        "grant_types_supported": [grant.value for grant in GrantType],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["pairwise"],
        "acr_values_supported": list(LEVELS),
        "prompt_values_supported": sorted(PROMPTS),
        "id_token_signing_alg_values_supported": list(id_token_algorithms),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
        "claims_supported": [
            "sub",
            "iss",
            "aud",
            "exp",
            "iat",
            "auth_time",
            "nonce",
            "acr",
            "amr",
            "at_hash",
            "sid",
            "preferred_username",
            "name",
            "post",
            "organisation_code",
            "district_code",
            "authorities",
            "phone_number",
            "phone_number_verified",
            "verified_claims",
        ],
        "verified_claims_supported": True,
        "trust_frameworks_supported": ["cn_hufu_real_name"],
        "claims_in_verified_claims_supported": ["name", "citizen_id_number", "document_number"],
        "evidence_supported": ["electronic_record", *(["vouch"] if vouches else [])],
        "electronic_records_supported": sorted(RECORD_TYPES.values()),
        **({"attestations_supported": ["digital_attestation"]} if vouches else {}),
        "authorization_response_iss_parameter_supported": True,
        "tls_client_certificate_bound_access_tokens": certificates,
        "claims_parameter_supported": True,
        "userinfo_signing_alg_values_supported": list(id_token_algorithms),
        "id_token_encryption_alg_values_supported": list(ENCRYPTION_ALGORITHMS),
        "id_token_encryption_enc_values_supported": list(ENCRYPTION_METHODS),
        "userinfo_encryption_alg_values_supported": list(ENCRYPTION_ALGORITHMS),
        "userinfo_encryption_enc_values_supported": list(ENCRYPTION_METHODS),
        "introspection_signing_alg_values_supported": list(id_token_algorithms),
        "request_parameter_supported": True,
        "request_object_signing_alg_values_supported": list(FAPI_ALGORITHMS),
        "pushed_authorization_request_endpoint": f"{issuer}/oauth/par",
        "require_pushed_authorization_requests": False,
        "authorization_signing_alg_values_supported": list(id_token_algorithms),
        "dpop_signing_alg_values_supported": list(FAPI_ALGORITHMS),
        "request_uri_parameter_supported": False,
        "authorization_details_types_supported": list(DETAIL_TYPES),
        "ui_locales_supported": ["zh-CN", "en"],
    }

"""Which acts are recorded, and by what their channel is shown to be right: the table of the channel tests."""

from __future__ import annotations


def _acts(package: str, names: str) -> frozenset[str]:
    return frozenset(f"{package}.{name}" for name in names.split())


STORIES = {
    "credentials": _acts(
        "people",
        "register sign_in sign_in_refused mobile_verify totp_begin totp_confirm totp_remove second_factor "
        "second_factor_refused passkey_add passkey_remove change_password",
    ),
    "keeping": _acts(
        "people",
        "prove level export device_forget sign_out_everywhere sign_out merge merge_undo evidence_withdraw "
        "recover account_close",
    ),
    "acting": _acts(
        "people",
        "mandate_propose mandate_accept mandate_decline mandate_use mandate_revoke enterprise_verify "
        "agency_appoint agency_accept agency_dismiss act_for",
    ),
    "phone": _acts("people", "qr_approve qr_refuse"),
    "paper": _acts(
        "people", "counter_examine counter_decide assisted_draft assisted_confirm assisted_present assisted_redeem"
    ),
}
"""The stories of `tests/idp/people/test_channels.py` and what each of them writes."""

AT_COUNTER = STORIES["paper"] - {"people.assisted_redeem"}
"""What only happens at a counter, whatever browser the desk uses."""

AT_CLIENTS = _acts("idp", "consent ciba_ask *_* code_reused refresh_token_reused")
"""What `tests/idp/oauth/test_channels.py` writes at kiosks, windows and the hotline, and elsewhere."""

BY_PRINCIPAL = _acts(
    "idp",
    "document_confirm consent_withdraw client_initial_token client_rotate_secret client_status client_register "
    "client_replace client_request_* token_exchange client_self_register client_self_change client_self_remove "
    "token_revoke grant_revoke upstream_link upstream_unlink client_request client_change client_approve",
) | _acts(
    "people",
    "conflict_resolve import_start import_batch import_finish officer_add operator_add authority_grant "
    "authority_approve authority_revoke officer_leave officer_appoint officer_names post_taken "
    "workstation_register workstation_retire",
)
"""Acts of officers, operators, clients and the shell: rows take the channel of whoever acts, as handed in."""

PASSED_ON = _acts("people", "mandate_accept mandate_decline") | _acts(
    "idp", "code_reused refresh_token_reused client_request client_change client_approve"
)
"""Acts whose name reaches the audit as an argument."""

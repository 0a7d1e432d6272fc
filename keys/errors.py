"""What can go wrong with keys, certificates, timestamps and revocation data."""

from __future__ import annotations

from foundation.errors import Conflict, InvalidInput, NotFound, NotPermitted, ServiceUnavailable, TrustServiceError


class KeyNotFound(NotFound):
    """No key has this identifier, or none is active for this purpose and owner."""


class KeyNotUsable(Conflict):
    """The key's state forbids this use (pending, retired, compromised or destroyed)."""


class WrongPurpose(NotPermitted):
    """The key was made for another purpose."""


class IntentionMissing(NotPermitted):
    """No stored, confirmed intention covers this key and digest, so the signer refuses."""


class SecondOperatorRequired(NotPermitted):
    """The act needs the approval of a second, different operator."""


class KeystoreLocked(ServiceUnavailable):
    """The passphrase, key file or PIN is missing or does not open the keystore."""


class KeystoreMissing(ServiceUnavailable):
    """The key ceremony (`hufu init`) has not been held yet."""


class KeystoreExists(Conflict):
    """The key ceremony has already been held."""


class ProviderUnavailable(ServiceUnavailable):
    """The key provider (token, signer process) does not answer now."""


class UnsupportedAlgorithm(InvalidInput):
    """No algorithm profile of this name serves this purpose."""


class CertificateNotFound(NotFound):
    """No certificate with this serial number was issued here."""


class CertificateAlreadyRevoked(Conflict):
    """The certificate is revoked already, and a revocation is final."""


class ClockNotTrusted(ServiceUnavailable):
    """The clock jumped or drifted beyond the limit, so no timestamp is issued."""


class BackupUnreadable(TrustServiceError):
    """The backup file is damaged, or the passphrase does not open it."""


class FileNotWritten(Conflict):
    """An export could not be written: the file exists already, or the disk is full or not writable."""

"""TLS on a machine whose clock may be lost: what a certificate's own dates prove about it.

Central began the station's certificate at a time it knew. A clock that shows an earlier time is therefore wrong, and
would find every certificate "not yet valid"; then the dates are not looked at, everything else is. Only so can a
station without a clock connect at all, and hear the time.
"""

from __future__ import annotations

import ssl
import time
from pathlib import Path

from cryptography import x509

NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which the module ssl does not name."""


def clock_is_lost(certificate: Path, now_s: float | None = None) -> bool:
    """Say whether the clock is certainly behind: earlier than this machine's own certificate (PEM) begins.

    `now_s`: Unix seconds, the system's clock if None. Says no where the certificate cannot be read.
    """
    try:
        begins = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_before_utc
    except (OSError, ValueError):
        return False
    return (time.time() if now_s is None else now_s) < begins.timestamp()


def without_dates(context: ssl.SSLContext) -> None:
    """Let a context verify everything about certificates but their dates."""
    context.verify_flags = ssl.VerifyFlags(context.verify_flags | NO_CHECK_TIME)

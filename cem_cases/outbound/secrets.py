"""Secrets that are not in the database: derived from one of the site's, when needed.

A row keeps a random key and the fingerprint of its secret. Whoever reads the database
learns neither tokens nor signing secrets; whoever has the site's secret as well gets the
same again after a crash.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable

SIGNING_PREFIX = "whsec_"


def link_token(site_secret: str, key: str) -> str:
    """Return the token in an invitation's link: 256 bits, in letters for URLs."""
    found = _derive(site_secret, "invitation", key)
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode()


def signing_secret(site_secret: str, key: str) -> str:
    """Return the secret of a webhook, as Standard Webhooks writes it."""
    found = _derive(site_secret, "webhook", key)
    return SIGNING_PREFIX + base64.b64encode(found).decode()


def fingerprint(secret: str) -> str:
    """Return by what a secret is recognised: its SHA-256."""
    return hashlib.sha256(secret.encode()).hexdigest()


def recover(
    derive: Callable[[str, str], str],
    site_secrets: Iterable[str],
    key: str,
    known: str,
) -> str | None:
    """Return the secret with this fingerprint; None: the site's secret has changed.

    The site's former secrets are tried, too.
    """
    for site_secret in site_secrets:
        found = derive(site_secret, key)
        if hmac.compare_digest(fingerprint(found), known):
            return found
    return None


def _derive(site_secret: str, purpose: str, key: str) -> bytes:
    """Each purpose has its own: a token of one is worth nothing to another."""
    salt = hashlib.sha256(f"cem_cases.{purpose}:{site_secret}".encode()).digest()
    return hmac.digest(salt, key.encode(), "sha256")

"""Signatures by Standard Webhooks (https://www.standardwebhooks.com), version 1."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping

from cem_cases.outbound.secrets import SIGNING_PREFIX


def headers(secret: str, message_id: str, at: int, body: bytes) -> Mapping[str, str]:
    """Return the headers by which the receiver knows us: id, second and signature."""
    key = base64.b64decode(secret.removeprefix(SIGNING_PREFIX))
    signed = f"{message_id}.{at}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{signature}",
    }

"""The hash chain of the audit: pure functions from events to hashes and back."""

from cem_cases.audit.chain import (
    GENESIS,
    Fault,
    Link,
    canonical,
    commitment,
    link,
    seal_hash,
    verify,
)

__all__ = [
    "GENESIS",
    "Fault",
    "Link",
    "canonical",
    "commitment",
    "link",
    "seal_hash",
    "verify",
]

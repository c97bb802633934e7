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
from cem_cases.audit.kinds import KINDS

__all__ = [
    "GENESIS",
    "KINDS",
    "Fault",
    "Link",
    "canonical",
    "commitment",
    "link",
    "seal_hash",
    "verify",
]

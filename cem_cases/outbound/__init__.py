"""What goes out, as values: where to, with which words, under whose signature.

Pure: no row, no setting, no network. `channels` does what is decided here.
"""

from cem_cases.outbound import addresses, placeholders, secrets, signing, urls

__all__ = ["addresses", "placeholders", "secrets", "signing", "urls"]

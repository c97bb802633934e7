"""The door for programs: JSON over HTTP, beneath a prefix of the host's choosing.

Views ask who may, read strictly what was sent, call the loop and show the result; what
the domain allows is decided there, not here. Nothing depends on the host's REST settings
but its ways of authentication and its throttles.
"""

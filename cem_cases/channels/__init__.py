"""The channels: the only code of ours that talks to the network.

A channel finds its work in rows, takes it by lease, does it outside any transaction, and
marks it. It knows the rows, and nothing of the loop.
"""

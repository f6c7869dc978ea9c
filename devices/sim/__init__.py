"""The devices themselves, as far as a driver can tell: physics, memory and faults, on a pty, in their own process.

Written from the specifications. Nothing of `framing`, `protocol`, `driver` or `service` may be imported here, so that a
misreading of a specification is not made twice in the same words.
"""

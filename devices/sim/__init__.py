"""The devices themselves, as far as a driver can tell: physics, memory and faults, on a pty, in their own process.

Written from the specifications. Nothing of `framing`, `protocol`, `driver` or `service` may be imported here, so that a
misreading of a specification is not made twice in the same words.
"""

from __future__ import annotations

#: name → module beside this file, what it is, what `--put` puts into it. Those that are not here have their own options
SIMULATORS: dict[str, tuple[str, str, str]] = {
    "ccnet": ("ccnet", "A CashCode bill validator (CCNET).", "notes that a customer puts in, 100,50"),
    "id003": ("id003", "A JCM bill acceptor (ID-003).", "notes that a customer puts in, 100,50"),
    "ebds": ("ebds", "A CPI/MEI bill acceptor (EBDS, extended notes).", "notes that a customer puts in, 100,50"),
    "sam": ("sam", "A reader of second-generation resident ID cards (SDT/SAM).", "how often a card is laid down, 1"),
    "ioboard": ("ioboard", "An I/O board with shutter, doors, lamps and proximity (Modbus RTU).", "inputs on, 0,4"),
}

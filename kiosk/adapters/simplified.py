"""Traditional characters written in the Simplified way, which the flows' examples and the readers know.

The tables of `zhconv` come under the GPL (docs/licences.md), so nothing but an adapter loads them, when it is used.
"""

from __future__ import annotations


def simplified(text: str) -> str:
    """`text` in the characters of the mainland; what is Simplified already stays as it is."""
    import zhconv

    return str(zhconv.convert(text, "zh-hans"))

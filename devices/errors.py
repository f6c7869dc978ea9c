"""The operator's mistake: one exception type, told in one sentence with its remedy. A bug is never one of these."""

from __future__ import annotations


class OperatorError(Exception):
    """`where` names the file or port, `remedy` the thing to do; the command line prints it and exits with 2."""

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}. {self.remedy}" if self.remedy else head

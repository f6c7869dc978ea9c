"""Which flows a session runs on: a reload swaps all of them at once or none, and an open session keeps its own.

Every house that was ever in service is kept as a copy of its files beside the journal, so that a session that a power
cut interrupted is settled by the very flows that it began with, whatever was edited since.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from kiosk.adapters.flowfile import load_house
from kiosk.core.flow import House, Verb
from kiosk.core.fold import digests
from kiosk.values import OperatorError


class Houses:
    """The flows in service (`current`), and those that open sessions may still need.

    Raises:
        OperatorError: the flows are not proven, or no copy of them can be kept.
    """

    def __init__(self, folder: Path, verbs: Mapping[str, Verb], shelf: Path) -> None:
        self._folder = folder
        self._verbs = dict(verbs)
        self._shelf = shelf
        self.current = self._load()

    def reload(self) -> House:
        """Put what now lies in the folder into service, for sessions that begin from now on.

        Raises:
            OperatorError: it is not proven; then nothing has changed.
        """
        self.current = self._load()
        return self.current

    def of(self, flows: Mapping[str, str]) -> House:
        """The house whose flows have these digests (as every journal entry names them); the current one if none has."""
        if digests(self.current) == dict(flows):
            return self.current
        kept = self._shelf / _name(flows)
        try:
            return load_house(kept, self._verbs) if kept.is_dir() else self.current
        except OperatorError:  # the bank's map changed since: the fold will say that it cannot explain the session
            return self.current

    def _load(self) -> House:
        """Copy first, then prove the copy: what is in service is what was proven, even while somebody edits."""
        part = self._shelf / ".part"
        try:
            shutil.rmtree(part, ignore_errors=True)
            for file in sorted(self._folder.glob("*/*.yaml")):
                target = part / file.relative_to(self._folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
        except OSError as e:
            raise OperatorError(
                f"the flows cannot be copied: {e.strerror}", where=str(self._shelf), remedy="Check space and rights."
            ) from e
        if not part.is_dir():
            raise OperatorError("no flow.yaml in any folder", where=str(self._folder), remedy="Check the path.")
        try:
            house = load_house(part, self._verbs)
        except OperatorError as e:
            shutil.rmtree(part, ignore_errors=True)
            where = e.where.replace(str(part), str(self._folder), 1)
            raise OperatorError(e.what, where=where, remedy=e.remedy) from e
        kept = self._shelf / _name(digests(house))
        if kept.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.rename(kept)
        return house


def _name(flows: Mapping[str, str]) -> str:
    text = "\n".join(f"{name} {digest}" for name, digest in sorted(flows.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]

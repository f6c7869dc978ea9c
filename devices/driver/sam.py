"""CardReader on an SDT/SAM reader of resident ID cards, 115200 8N1: text fields only, nothing kept, never logged."""

from __future__ import annotations

import asyncio

from devices.errors import OperatorError
from devices.protocol.sam import Failed, Identity, Read, Send, Session, Timing
from devices.transport import Line, LineLost

__all__ = ["CardReader", "Identity"]


class CardReader:
    """One reader on one line. Calls must not overlap."""

    CAPABILITIES = {"type": "contactless", "readTracks": [], "chipProtocols": [], "writeTracks": []}  # noqa: RUF012

    def __init__(self, path: str, timing: Timing | None = None) -> None:
        self.line = Line(path, 115200, "8N1", secret=True)
        self._session = Session(timing)

    async def read_text(self, timeout: float) -> Identity | Failed:
        """The card that lies there or is laid down within `timeout` seconds, or why there is none.

        The caller is the only one who has it afterwards: it goes when the caller lets go of it.
        """
        now = asyncio.get_running_loop().time
        end = now() + timeout
        session = self._session
        try:
            if not self.line.is_open:
                self.line.open()
            while await self.line.read(0.0):
                pass  # of a card that was there before
            acts = session.start(now())
            while True:
                for act in acts:
                    if isinstance(act, Send):
                        await self.line.write(act.data)
                    elif isinstance(act, Read):
                        return act.identity
                    else:
                        return act
                left = end - now()
                if left <= 0:
                    return Failed("no card was laid down in time", again=True)
                deadline = session.deadline
                assert deadline is not None
                data = await self.line.read(max(0.0, min(left, deadline - now())))
                acts = session.feed(data, now()) if data else session.tick(now())
        except (LineLost, OperatorError) as e:
            return Failed(str(e), again=False)
        finally:
            session.stop()

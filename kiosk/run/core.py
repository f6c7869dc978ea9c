"""The core process: settle what a power cut left open, then serve one customer after the other.

It owns the flow engine, the journal and the bank client; it loads no model and opens no serial port.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import uuid
from contextlib import suppress
from typing import Any

from kiosk.adapters.bank import BankClient, Tls
from kiosk.adapters.bank_map import BankMap, load_map
from kiosk.adapters.flowfile import verbs_of
from kiosk.adapters.journal import RESERVE, Journal, JournalFailed
from kiosk.core.fold import Diverged, digests
from kiosk.events import Hear, Opened, Said, Say
from kiosk.run.config import Config
from kiosk.run.houses import Houses
from kiosk.run.links import Gone, Worker
from kiosk.run.processes import Processes
from kiosk.run.senses import Ears, Eyes, SpokenEars, Tell, TypedEars, speech_event
from kiosk.run.session import Conversation, Office
from kiosk.run.till import Till
from kiosk.values import OperatorError

#: nobody is hurried before the first word
IDLE_S = 3600.0
#: how often advices that the bank has not acknowledged are repeated
DRAIN_S = 5.0


def discreet(tell: Tell) -> Tell:
    """The same events without what a customer said: what is printed may end in a log, and people say card numbers."""

    def without_words(event: str, **facts: object) -> None:
        if event in ("heard", "understood"):
            facts = {k: v for k, v in facts.items() if k not in ("text", "slots")} | {"text": "…", "slots": {}}
        tell(event, **facts)

    return without_words


def json_tell() -> Tell:
    """Events as JSON lines on stdout."""

    def tell(event: str, **facts: object) -> None:
        row = {"event": event, "now_ms": round(time.monotonic() * 1000, 1), **facts}
        print(json.dumps(row, ensure_ascii=False), flush=True)

    return tell


async def serve(
    config: Config,
    tell: Tell,
    *,
    text: bool = False,
    model: bool = True,
    sessions: int = 0,
    settle_only: bool = False,
) -> None:
    """Run the kiosk until it is stopped, or until `sessions` customers were served.

    Args:
        settle_only: end what a power cut left open, drain the advices once, and stop.
        text: typed lines instead of ears; vision, bank and devices stay real.
        model: with `text`, understand by the language model too, not by the flows' phrases alone.

    Raises:
        OperatorError: the settings, flows, bank map or journal are not in order. Nothing was started then.
    """
    tell = tell if config.show_words else discreet(tell)
    bank_map = load_map(config.bank_profile / "map.yaml")
    bank = _bank(config, bank_map)
    config.state.mkdir(parents=True, exist_ok=True)
    houses = Houses(config.flows, verbs_of(bank_map), config.state / "flows")
    journal = Journal(config.journal, new_name=f"{config.name}-{uuid.uuid4().hex[:6]}", reserve=RESERVE)
    idle = {"speech", "vision"} if settle_only else {"speech"} if text else set()
    commands = {n: c for n, c in config.processes.items() if n not in idle}
    processes = Processes(commands, config.state / "logs", tell)
    till = Till(config.devices_socket, config.pairing_key, config.terminal)
    speech = Worker("speech", config.speech_socket, speech_event(tell))
    vision = Worker("vision", config.vision_socket, speech_event(tell))
    ears: Ears = _typed(config, tell, model) if text else SpokenEars(speech, tell)
    office = Office(houses.current, journal, bank, till, ears, Eyes(vision, tell), tell)
    try:
        await processes.start()
        await processes.unless_refused(_settle(office, houses))
        if settle_only:
            return
        _reload_on_hangup(office, houses)
        draining = asyncio.create_task(_drain(office))
        try:
            for worker in (vision,) if text else (vision, speech):
                try:
                    ready = await processes.unless_refused(worker.start())
                    tell("ready", process=worker.name, **ready.facts)
                except Gone as e:
                    tell("absent", process=worker.name, why=str(e))
            _tell_systemd()
            tell("open", lang=config.lang)
            await _customers(office, config, sessions)
        except JournalFailed as e:
            await _out_of_service(office, config, str(e))
            raise
        finally:
            draining.cancel()
            with suppress(asyncio.CancelledError):
                await draining
    finally:
        await till.close()
        await speech.stop()
        await vision.stop()
        await processes.stop()
        await bank.close()
        journal.close()


def _bank(config: Config, bank_map: BankMap) -> BankClient:
    try:
        return BankClient(bank_map, config.bank_url, tls=Tls(**config.bank_tls) if config.bank_tls else None)
    except OperatorError as e:
        raise OperatorError(
            f"[bank] {e.where}{e.where and ': '}{e.what}", where=str(config.file), remedy=e.remedy
        ) from e


async def _settle(office: Office, houses: Houses) -> None:
    """Every session that a power cut left open ends now: done, undone, or a numbered case (FAULTS I4)."""
    for session in office.journal.sessions():
        try:
            begun = next(office.journal.entries(session)).body.get("flows", {})
            conversation = Conversation.resume(office, session, houses.of(begun))
        except Diverged as e:
            raise OperatorError(
                f"session {session} was begun under other flows: {e}",
                where=str(office.journal.file),
                remedy="Put those flows back until it is settled: git log flows/",
            ) from e
        if conversation is not None:
            office.tell("recovering", session=session)
            reason = await conversation.recover()
            office.tell("recovered", session=session, reason=reason)
    office.tell("settled", pending=await office.drain())


def _reload_on_hangup(office: Office, houses: Houses) -> None:
    """SIGHUP (`systemctl reload kiosk`) puts edited flows into service: all of them, or none and a word why."""

    def reload() -> None:
        try:
            office.house = houses.reload()
            office.tell("reloaded", flows=digests(office.house))
        except OperatorError as e:
            office.tell("not_reloaded", why=str(e))

    with suppress(ValueError, RuntimeError, NotImplementedError):  # not in the main thread: nobody sends signals there
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)


async def _drain(office: Office) -> None:
    while True:
        await asyncio.sleep(DRAIN_S)
        await office.drain()


async def _out_of_service(office: Office, config: Config, why: str) -> None:
    """The journal takes no row, so nothing that has a row may be done: only this is said, and the kiosk ends."""
    office.till.lock()
    office.tell("out_of_service", why=why)
    text = office.house.prompts[config.lang]["out_of_service"]
    await office.ears.say(Say("out-of-service", "out_of_service", text, config.lang))
    await office.ears.quiet()


def _with_room(office: Office) -> None:
    """No session begins on a disk that could not hold it to its end."""
    if office.journal.short:
        raise JournalFailed(
            f"no room for a session: {office.journal.short}",
            where=str(office.journal.file),
            remedy="Free space, then start the kiosk.",
        )


async def _customers(office: Office, config: Config, sessions: int) -> None:
    """Wait for a first sentence; it opens a session. `sessions` = 0: for ever."""
    served = 0
    while not sessions or served < sessions:
        _with_room(office)
        first = await office.ears.listen(Hear(f"idle-{served}", "intent", config.lang, IDLE_S))
        if not isinstance(first, Said):
            if first.why == "ears":
                if sessions or office.ears.ended:
                    return
                await asyncio.sleep(1.0)
            continue
        session = office.next_session()
        office.tell("session", session=session, claimed=config.claimed)
        await Conversation(office, session).run(Opened(session, config.lang, config.claimed), first)
        served += 1
    while sessions and await office.drain():
        await asyncio.sleep(1.0)


def _typed(config: Config, tell: Tell, model: bool) -> Ears:
    from kiosk.adapters.understanding import load

    return TypedEars(load(config.flows, model=model), tell)


def _tell_systemd() -> None:
    """READY, and the watchdog fed from the event loop: a core that hangs is restarted and settles."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return
    import sdnotify

    notifier = sdnotify.SystemdNotifier()
    notifier.notify("READY=1")
    period_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 2e6
    if period_s:
        loop = asyncio.get_running_loop()

        def feed() -> None:
            notifier.notify("WATCHDOG=1")
            loop.call_later(period_s, feed)

        feed()


async def run(config: Config, tell: Tell, **options: Any) -> None:
    """`serve` until it ends by itself, or in order on SIGTERM and Ctrl-C."""
    task = asyncio.create_task(serve(config, tell, **options))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task

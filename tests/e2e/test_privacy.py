"""Canaries: what a customer says aloud (a card number, a PIN, a name) is nowhere on disk afterwards, and in no log."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kiosk.demo.stage import Stage

pytestmark = pytest.mark.weights
CANARIES = ("6222021234567890123", "密码是九三五七一八", "王小明", "935718")
TYPED = (
    "我要取款",
    "我的卡号是6222021234567890123，密码是九三五七一八",
    "王小明，密码935718",
    "取一千元",
    "对",
)


async def session() -> tuple[dict[str, bytes], str, list[str]]:
    async with Stage("zh", fast=True) as stage, asyncio.timeout(120):
        config = stage.config.read_text(encoding="utf-8")
        stage.config.write_text(config.replace("show_words = true", "show_words = false"), encoding="utf-8")
        printed, ends = [], []
        async for event in stage.events("--text", "--no-model", "--sessions", "1", typed=TYPED):
            printed.append(str(event))
            if event["event"] == "closed":
                ends.append(event["reason"])
        files = {str(f.relative_to(stage.folder)): f.read_bytes() for f in stage.folder.rglob("*") if f.is_file()}
        return files, "\n".join(printed), ends


def test_what_customers_say_is_not_kept() -> None:
    files, printed, ends = asyncio.run(session())
    assert ends == ["paid"], printed
    assert {Path(name).name for name in files} >= {"journal.db", "core.log", "devices.db", "bank.sqlite"}
    for canary in CANARIES:
        assert canary not in printed
        for name, content in files.items():
            assert canary.encode() not in content, f"{canary} is in {name}"
            assert canary.encode("utf-16-le") not in content, f"{canary} is in {name}"
    kept = b"".join(content for name, content in files.items() if name.startswith("state/journal"))
    assert "一千".encode() in kept, "the amount's own words are evidence and must be there"

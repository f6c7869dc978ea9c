"""`kiosk demo`: the founding scene on real parts, with one command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.cells import cell_len

from kiosk.cli.common import emit, json_option, progress_bar, run_async
from kiosk.values import Lang, Money, OperatorError

#: kept here as well, so that `--help` needs no model library; tests compare them with `kiosk.demo.scene`
FAULTS = ("bank-timeout", "dispense-jam", "wrong-face", "other-voice", "power-cut")


@click.command()
@click.option("--lang", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="Language of the scene.")
@click.option("--fault", type=click.Choice(FAULTS), help="What goes wrong; each ends in the right, safe way.")
@click.option(
    "--wav", "wavs", multiple=True, type=click.Path(path_type=Path), help="A recording to play, in order; repeatable."
)
@click.option("--fast", is_flag=True, help="Do not pace in real time; then no latencies are reported.")
@click.option("--noise", "noise_db", default=38.0, show_default=True, help="Speech over room noise, in dB.")
@json_option
def command(lang: Lang, fault: str | None, wavs: tuple[Path, ...], fast: bool, noise_db: float, as_json: bool) -> None:
    """Play the founding scene: speech, model, face, flow, bank, cash.

    A synthetic customer speaks where a microphone stands; everything else is real: recognition, language model, face
    verification, a bank over HTTP, a dispenser and a printer over serial lines. Exit 0 only if the bank's ledger, the
    journal and the notes that left the machine agree, or a numbered case says why they cannot.
    """
    for wav in wavs:
        if not wav.is_file():
            raise OperatorError("no such sound file", where=str(wav), remedy="Check the path given with --wav.")
    from kiosk.demo.scene import FAULTS as PLANS
    from kiosk.demo.scene import play
    from kiosk.run.transcript import Transcript

    transcript = Transcript(lang, timed=not fast)

    def tell(event: dict[str, Any]) -> None:
        if as_json:
            emit(event)
            return
        for line in transcript.lines(event):
            click.echo(line)

    words = _WORDS[lang]
    if not as_json:
        click.echo(words["title"] + (f" · {fault}: {PLANS[fault].explain[lang]}" if fault else ""))
        click.echo(words["starting"] + "\n")
    with progress_bar() as progress:
        options: dict[str, Any] = {"fault": fault or "", "fast": fast, "wavs": wavs, "noise_db": noise_db}
        summary = run_async(play(lang, tell, progress=progress, **options))
    if as_json:
        emit(summary)
    else:
        _print(summary, words)
    sys.exit(0 if summary["ok"] else 1)


#: what the command itself says; the transcript has words of its own
_WORDS: dict[Lang, dict[str, str]] = {
    "zh": {
        "title": "取款演示",
        "starting": "演示中不做活体检测。正在启动各进程，首次运行需要几分钟……",
        "ended": "结局",
        "sums": "银行与日志：授权 {authorised}，扣款 {captured}，释放 {released}",
        "notes": "钞票：付出 {presented} 张，回收 {rejected} 张，不明 {unknown} 张；出钞机自己记得付出 {left} 张",
        "cases": "交给工作人员的个案",
        "number": "第 {} 号",
        "stages": "各阶段耗时中位数（毫秒）",
        "waits": "说完到听见回答：p50 {p50} 毫秒，p95 {p95} 毫秒",
        "books": "账目",
        "agree": "三本账一致（银行、日志、出钞机）",
        "case": "有一笔说不清，已记为个案，其余一致",
        "differ": "账目不一致",
        "log": "日志",
        "endpoint": "断句",
        "hear": "听写",
        "understand": "理解",
        "flow": "流程",
        "speak first sound": "出声",
        "face": "人脸",
        "bank": "银行",
        "paid": "已付款",
        "paid in part": "付出一部分",
        "nothing paid": "未付款",
        "in doubt": "付款存疑",
        "bank silent": "银行无答复",
        "face refused": "人脸不符",
        "other voice": "声音不符",
        "timed out": "等候超时",
        "cancelled": "顾客取消",
        "attendant": "转人工",
    },
    "en": {
        "title": "A withdrawal, played",
        "starting": "Liveness of the face is not checked here. Starting the processes; the first run takes minutes …",
        "ended": "ended",
        "sums": "bank and journal: authorised {authorised}, captured {captured}, released {released}",
        "notes": "notes: {presented} paid, {rejected} rejected, {unknown} unknown; the dispenser remembers {left} paid",
        "cases": "cases for the operator",
        "number": "No. {}",
        "stages": "median ms",
        "waits": "end of speech to first sound of the answer: p50 {p50} ms, p95 {p95} ms",
        "books": "books",
        "agree": "bank, journal and dispenser agree",
        "case": "one dispense is in doubt and is a numbered case; all else agrees",
        "differ": "they DIFFER",
        "log": "log",
    },
}


def _print(s: dict[str, Any], words: dict[str, str]) -> None:
    """The receipt as it was printed, and the money in three books."""
    for receipt in s["receipts"]:
        width = max(map(cell_len, receipt))
        click.echo("\n  ┌" + "─" * (width + 4) + "┐")
        for line in receipt:
            click.echo(f"  │  {line}{' ' * (width - cell_len(line))}  │")
        click.echo("  └" + "─" * (width + 4) + "┘")
    sums = {what: f"{Money(s[f'{what}_minor']).shown()} CNY" for what in ("authorised", "captured", "released")}
    colon = "：" if words is _WORDS["zh"] else ": "
    click.echo(f"\n{words['ended']}{colon}{words.get(s['ended'], s['ended'])}")
    click.echo(words["sums"].format(**sums))
    click.echo(words["notes"].format(**s["notes"], left=sum(s["left_machine"].values())))
    if s["cases"]:
        click.echo(f"{words['cases']}{colon}" + ", ".join(words["number"].format(n) for n in s["cases"]))
    if s["stages_ms"]:
        stages = " · ".join(f"{words.get(k, k)} {v:.0f}" for k, v in s["stages_ms"].items())
        click.echo(f"{words['stages']}{colon}{stages}")
    if s["voice_to_voice_ms"]["p50"] is not None:
        click.echo(words["waits"].format(**{k: f"{v:.0f}" for k, v in s["voice_to_voice_ms"].items()}))
    click.echo(f"{words['books']}{colon}{words[s['books']]}" + "".join(f"\n  {r}" for r in s["reasons"]))
    for line in s["log"]:
        click.echo(f"  {words['log']}{colon}{line}", err=True)

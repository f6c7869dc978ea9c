"""`kiosk check`: flows proven before they run."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kiosk import paths
from kiosk.cli.common import emit, json_option


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="[DIR]")
@click.option("--bank", default="demo", show_default=True, help="Profile in DIR/banks whose verbs the flows call.")
@click.option("--lang", type=click.Choice(["zh", "en"]), default="en", show_default=True, help="Of the talk scripts.")
@json_option
def command(folder: Path | None, bank: str, lang: str, as_json: bool) -> None:
    """Check every flow in DIR (default: the flows that came with the kiosk).

    Beyond its shape, every path of a flow is walked, faults and restarts included. Each finding names file, line,
    column, rule, remedy and the path that breaks the rule, with a talk script that plays it (`kiosk talk --unproven`).
    Exit 0: all proven; 1: findings; 2: a flow could not be read.
    """
    from kiosk.adapters.bank_map import load_map
    from kiosk.adapters.flowfile import Finding, inspect, verbs_of
    from kiosk.adapters.intentfile import load_intents
    from kiosk.core.flow import House, Verb
    from kiosk.core.script import write
    from kiosk.values import OperatorError

    folder = folder or paths.FLOWS
    map_file = folder / "banks" / bank / "map.yaml"
    before: list[Finding] = []
    verbs: dict[str, Verb] = {}
    house = House({}, {}, {})
    try:
        verbs = verbs_of(load_map(map_file if map_file.exists() else paths.FLOWS / "banks" / bank / "map.yaml"))
    except OperatorError as e:
        before.append(Finding.of(e))
    findings: list[Finding] = []
    if verbs:  # without the bank's verbs no flow can be judged
        house, findings = inspect(folder, verbs)
    try:
        load_intents(folder)
    except OperatorError as e:
        before.append(Finding.of(e))
    for f in (*before, *findings):
        flow = house.named(f.flow) if f.moves else None
        script = write(flow, house, f.moves, "zh" if lang == "zh" else "en", f.rule) if flow else None
        if as_json:
            row = {"file": f.file, "line": f.line, "column": f.column, "rule": f.rule, "remedy": f.remedy}
            emit({**row, "path": list(f.path), "talk": script or ""})
            continue
        click.echo(str(f))
        if f.path:
            click.echo("    on the path " + " → ".join(f.path))
        if script:
            click.echo("    as a talk:\n" + "".join(f"        {line}\n" for line in script.splitlines()), nl=False)
    steps = sum(len(flow.steps) for flow in house.flows.values())
    count = len(before) + len(findings)
    if as_json:
        emit({"flows": sorted(f.name for f in house.flows.values()), "steps": steps, "findings": count})
    elif not count:
        click.echo(f"{len(house.flows)} flows, {steps} steps: every path is proven")
    read = {flow.file for flow in house.flows.values()}
    unread = [f for f in findings if f.file.endswith("flow.yaml") and f.file not in read]
    sys.exit(2 if unread else 1 if count else 0)

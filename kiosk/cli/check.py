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
@json_option
def command(folder: Path | None, bank: str, as_json: bool) -> None:
    """Check every flow in DIR (default: the flows that came with the kiosk).

    Beyond its shape, every path of a flow is walked, faults and restarts included. Each finding names file, line, rule,
    remedy and the path that breaks the rule. Exit 0: all proven; 1: findings; 2: a flow could not be read.
    """
    from kiosk.adapters.bank_map import load_map
    from kiosk.adapters.flowfile import inspect, verbs_of
    from kiosk.adapters.intentfile import load_intents

    folder = folder or paths.FLOWS
    map_file = folder / "banks" / bank / "map.yaml"
    verbs = verbs_of(load_map(map_file if map_file.exists() else paths.FLOWS / "banks" / bank / "map.yaml"))
    house, findings = inspect(folder, verbs)
    load_intents(folder)
    for f in findings:
        if as_json:
            emit({"file": f.file, "line": f.line, "rule": f.rule, "remedy": f.remedy, "path": list(f.path)})
        else:
            click.echo(str(f))
            if f.path:
                click.echo("    on the path " + " → ".join(f.path))
    steps = sum(len(flow.steps) for flow in house.flows.values())
    if as_json:
        emit({"flows": sorted(f.name for f in house.flows.values()), "steps": steps, "findings": len(findings)})
    elif not findings:
        click.echo(f"{len(house.flows)} flows, {steps} steps: every path is proven")
    unread = {str(f) for f in folder.glob("*/flow.yaml")} - {flow.file for flow in house.flows.values()}
    sys.exit(2 if unread else 1 if findings else 0)

"""``edgeprune explain``: which layers will run sparse on a board, and why not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from edgeprune.cli.options import json_option, model_argument, print_json


@click.command(epilog="Example: edgeprune explain model.tflite --board rpi4")
@model_argument
@click.option("--board", required=True, help="Kind of board; `edgeprune boards` lists them.")
@click.option("--allow-code", is_flag=True, help="Load files that carry code, such as Lambda.")
@json_option
def explain(model: Path, board: str, allow_code: bool, as_json: bool) -> None:
    """Say for each layer of MODEL whether it will run sparse on a board, and if not, why.

    Works from the file alone. Reads .tflite files as they are; others are converted first.
    """
    from edgeprune.board import load_board, resolved_cpu
    from edgeprune.explain import explain as plan_of
    from edgeprune.names import short_name
    from edgeprune.pipeline import float_tflite

    cpu = resolved_cpu(load_board(board).cpu)
    tflite = float_tflite(model, allow_code)
    plan = plan_of(tflite, cpu)
    is_armed = any(layer.sparse for layer in plan.layers) or bool(plan.wrong)
    if not is_armed:
        plan = plan_of(tflite, cpu, assume_armed=True)
    if as_json:
        print_json(
            dataclasses.asdict(plan) | {"board": board, "assume_sparse_storage": not is_armed}
        )
        return
    for layer in plan.layers:
        share = layer.zeros / layer.weights if layer.weights else 0.0
        verdict = "sparse" if layer.sparse else "dense "
        click.echo(f"{verdict}  {share:4.0%} zeros  {short_name(layer.name)}")
        if not layer.sparse:
            click.echo(f"        {layer.reason}")
    for name in plan.wrong:
        click.echo(
            f"WRONG OUTPUTS: stored sparse, the runtime would compute {short_name(name)} wrong"
        )
    whose = "will" if is_armed else "would, stored sparse,"
    click.echo(f"{len(plan.sparse)} of {len(plan.layers)} layers {whose} run sparse on {board}")

"""Requests of the whole line with a recipe that measures little."""

from edgeprune.pipeline.request import Request
from edgeprune.recipe import load_recipe

FAST = "[run]\nsessions = 2\nruns = 4\nwarmup = 1\n[verify]\nsamples = 2\n"


def request(folder, board, **rest):
    """For ``net.tflite`` and ``fast.toml`` of a test's folder."""
    recipe = load_recipe(str(folder / "fast.toml"))
    return Request(folder / "net.tflite", board, recipe, **rest)

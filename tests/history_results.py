"""The smallest result that there is, and an old history of it, for the history's tests."""

import json
import sqlite3

from edgeprune.history.result_file import parse_result


def result(board="rpi4", device="desk-pi"):
    return parse_result(document(board, device))


def document(board="rpi4", device="desk-pi"):
    return {
        "schema": 1,
        "model": {"path": "net.h5", "sha256": "a" * 64, "format": "keras2-h5"},
        "board": board,
        "device": {
            "id": device, "cpu": "a72", "os": "Linux", "agent_version": "1", "runtime_version": "2",
        },
        "recipe": {"name": "größer"},
        "variants": [
            {
                "name": "dense", "file": "dense.tflite", "bytes": 8, "sparsity": 0.0,
                "profiling_only": False, "accuracy": None, "parity": None, "latency_us": None,
                "instructions": None, "energy_uj": None, "peak_memory_bytes": None, "layers": [],
                "sparse_layers_expected": 0, "sparse_layers_run": 0,
            }
        ],
        "comparison": {
            "metric": "latency_us", "speedup": None, "ci95": None, "verdict": "not measurable",
        },
        "validity": {"verdict": "insufficient", "reasons": ["nothing was measured"]},
    }  # fmt: skip


def old_history(file, count):
    """A file as edgeprunes before migrations wrote it."""
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(
        "CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, time_utc TEXT NOT NULL, "
        "edgeprune_version TEXT NOT NULL, board TEXT NOT NULL, device TEXT NOT NULL, "
        "model_sha256 TEXT NOT NULL, model_path TEXT NOT NULL, result TEXT NOT NULL) STRICT"
    )
    database.execute("PRAGMA user_version = 1")
    values = ("2026-11-21T17:00:00+00:00", "0.1.0", "rpi4", "desk-pi", "a" * 64, "net.h5")
    for _ in range(count):
        database.execute(
            "INSERT INTO runs (time_utc, edgeprune_version, board, device, model_sha256, "
            "model_path, result) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*values, json.dumps(document(), ensure_ascii=False)),
        )
    database.close()

"""A search's answer as one HTML page: it needs no network and no script.

Each point of a picture leads to its report; reports and recipes lie beside the page.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from edgeprune.report.figures import bytes_text, metric_and_score
from edgeprune.report.page import environment
from edgeprune.report.page import style as report_style
from edgeprune.searching.chart import charts
from edgeprune.searching.front import BoardFront, Front, Point
from edgeprune.searching.words import accuracy_text, memory_cell, speed_cell, time_cell, what_cell
from edgeprune.text.duration import duration_text

FILE_NAME = "index.html"


def render(front: Front) -> str:
    """The page's text."""
    page: str = _template().render(
        front=front,
        name=PurePosixPath(front.model.path).name,
        limit=f"{100 * front.limit:.6g}%",
        spent=duration_text(front.spent_s),
        minimize=" and ".join(front.minimize),
        boards=[_shown(one, front.limit, k) for k, one in enumerate(front.boards)],
        style=_style(),
        style_hash=base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode(),
    )
    return page


def _shown(board: BoardFront, limit: float, number: int) -> dict[str, Any]:
    """One board for the template; ``number``: makes the ids of its pictures."""
    mood = "good" if board.recommended is not None else "bad"
    sentence = board.sentence.removeprefix(f"{board.board}: ")
    return {
        "front": board,
        "sentence": sentence[:1].upper() + sentence[1:],
        "id": f"board-{number}",
        "mood": mood if not board.remark else "warning",
        "charts": charts(board, limit, f"chart{number}"),
        "rows": [_row(k, one, board) for k, one in enumerate(board.points, 1)],
        "has_memory": any(one.figures.memory_bytes is not None for one in board.points),
        "best": None if board.best is None else quote(board.best),
        "dense": accuracy_text(board.dense_accuracy),
    }


def _row(number: int, point: Point, board: BoardFront) -> dict[str, Any]:
    figures = point.figures
    return {
        "number": number,
        "point": point,
        "what": what_cell(point),
        "time": time_cell(figures),
        "speed": speed_cell(point),
        "size": bytes_text(figures.bytes),
        "memory": memory_cell(figures),
        "accuracy": "-" if point.accuracy is None else metric_and_score(point.accuracy),
        "links": [
            (words, quote(link))
            for words, link in (
                ("report", point.report),
                ("recipe", point.recipe),
                ("file", point.file),
            )
            if link is not None
        ],
        "is_chosen": point.name == board.recommended,
    }


@functools.cache
def _style() -> str:
    return report_style() + Path(__file__).with_name("page.css").read_text(encoding="utf-8")


@functools.cache
def _template() -> Any:
    text = Path(__file__).with_name("page.html.j2").read_text(encoding="utf-8")
    return environment().from_string(text)

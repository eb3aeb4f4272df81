"""Takes requests, has them done, and answers."""

from __future__ import annotations

import json
import sys
from typing import Any

from edgeprune_agent import frames
from edgeprune_agent.commands import COMMANDS, Agent
from edgeprune_agent.lease import LeaseOver
from edgeprune_agent.refusal import Refusal
from edgeprune_agent.request import parse

_KINDS = {
    int: "an integer",
    bool: "a boolean",
    str: "a string",
    list: "a list of integers",
}


def serve(source: int, target: int, idle_s: int) -> int:
    """Answers requests until there are no more; the process's exit status."""
    agent = Agent()
    while not agent.ends:
        try:
            text, blob = frames.read_frame(source, idle_s)
        except frames.InputEnded:
            return 0
        except frames.NoRequest:
            return _end(f"no request for {idle_s} s", 0)
        except frames.BadFrame as error:
            return _end(str(error), 2)
        message, answer_blob = _answer(agent, text, blob)
        encoded = _encoded(message)
        if not frames.fits(len(encoded), len(answer_blob)):
            encoded = _encoded(_too_long(message, len(encoded), len(answer_blob)))
            answer_blob = b""
        try:
            frames.write_frame(target, encoded, answer_blob)
        except OSError:
            return 0
    return 0


def _encoded(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")


def _too_long(message: dict[str, Any], json_bytes: int, blob_bytes: int) -> dict[str, Any]:
    why = (
        f"the answer has {json_bytes} bytes of JSON and {blob_bytes} of data; at most "
        f"{frames.JSON_LIMIT_BYTES} and {frames.BLOB_LIMIT_BYTES} can be sent"
    )
    return {"id": message["id"], "ok": False, "error": why}


def _end(why: str, status: int) -> int:
    sys.stderr.write(f"edgeprune-agent: {why}\n")
    sys.stderr.flush()
    return status


def _answer(agent: Agent, text: bytes, blob: bytes) -> tuple[dict[str, Any], bytes]:
    number = None
    try:
        request = parse(text)
        if type(request.get("id")) is int:
            number = request["id"]
        found, answer_blob = _dispatch(agent, request, blob)
        agent.lease.check()
    except LeaseOver as error:
        agent.ends = True
        return {"id": number, "ok": False, "error": _one_line(str(error))}, b""
    except Refusal as error:
        return {"id": number, "ok": False, "error": _one_line(str(error))}, b""
    except MemoryError:
        return {"id": number, "ok": False, "error": "no memory for that"}, b""
    return dict([("id", number)], **found, ok=True), answer_blob


def _one_line(text: str) -> str:
    return "".join(" " if symbol < " " else symbol for symbol in text)


def _dispatch(agent: Agent, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
    """Checks a request as far as all commands are alike, and has it done."""
    if type(request.pop("id", None)) is not int:
        raise Refusal("the request has no integer id")
    name = request.pop("cmd", None)
    if not isinstance(name, str):
        raise Refusal("the request has no cmd")
    command = COMMANDS.get(name)
    if command is None:
        raise Refusal(f"no command is called {name}")
    for key, kind in command.keys.items():
        if type(request.get(key)) is not kind:
            raise Refusal(f"{name} needs the key {key}, {_KINDS[kind]}")
    if len(request) > len(command.keys):
        raise Refusal(f"{name} got a key that it does not know")
    if blob and not command.takes_blob:
        raise Refusal(f"{name} takes no blob")
    if command.needs_model and agent.model is None:
        raise Refusal("no model is loaded")
    return command.handle(agent, request, blob)

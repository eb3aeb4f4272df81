"""The GitHub Action's steps, run as the runner would run them, and its comments."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from action_runner import Runner, action, network, steps, write_event
from full_range import also

from edgeprune.data.example import write_tiny
from edgeprune.history.result_file import read_result

REPOSITORY = "lab/models"
PULL_REQUEST = {"pull_request": {"number": 7}}
FORKS_RUN = {
    "workflow_run": {
        "head_repository": {"owner": {"login": "guest"}},
        "head_branch": "a b",
        "head_sha": "c0ffee",
    }
}
BOT = {"login": "github-actions[bot]"}


class GitHub:
    """Stands in for GitHub's comments: what the documentation of its REST API says of them."""

    def __init__(self):
        self.comments = [
            {"id": k, "user": {"login": "someone"}, "body": "<!-- edgeprune"} for k in range(150)
        ]
        self.refuses = False
        github = self

        class Handler(BaseHTTPRequestHandler):
            def do(self):
                size = int(self.headers.get("Content-Length", 0))
                given = json.loads(self.rfile.read(size)) if size else None
                code, answer = github.answer(self.command, self.path, given)
                assert self.headers["Authorization"] == "Bearer token"
                self.send_response(code)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            do_GET = do_POST = do_PATCH = do

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method, path, given):
        url = urlsplit(path)
        words, query = url.path.removeprefix(f"/repos/{REPOSITORY}/"), parse_qs(url.query)
        if words == "pulls":
            assert query["head"] == ["guest:a b"] and query["state"] == ["open"]
            return 200, [{"number": 6, "head": {"sha": "old"}},
                         {"number": 7, "head": {"sha": "c0ffee"}}]  # fmt: skip
        if method == "GET":
            assert words == "issues/7/comments"
            page, size = (int(query[key][0]) for key in ("page", "per_page"))
            return 200, self.comments[(page - 1) * size : page * size]
        if self.refuses:
            return 403, {"message": "Resource not accessible by integration"}
        if method == "POST":
            assert words == "issues/7/comments"
            self.comments.append({"id": len(self.comments), "user": BOT} | given)
        else:
            self.comments[int(words.removeprefix("issues/comments/"))].update(given)
        return 200, {}

    @property
    def ours(self):
        return [one["body"] for one in self.comments if one["user"] == BOT]


@pytest.fixture
def github():
    github = GitHub()
    yield github
    github.server.shutdown()
    github.server.server_close()


@pytest.fixture
def runner(tmp_path, home, github):
    return Runner(
        tmp_path,
        GITHUB_API_URL=github.url,
        GITHUB_REPOSITORY=REPOSITORY,
        GITHUB_EVENT_PATH=write_event(tmp_path, PULL_REQUEST),
    )


SAME = ("same", 0, "no regression beyond 5%, or 0.05% of instructions")
MORE = ("more", 1, "regression beyond 0.05%: deployed: instructions per inference (emulated) +0.")
NO_MODEL = (None, 2, "**could not be measured**\n\n    model.tflite")


@pytest.mark.device
@pytest.mark.parametrize("pushes", [(MORE, NO_MODEL), also((SAME, MORE, NO_MODEL))])
def test_a_thousandth_more_instructions_is_found_and_one_comment_is_kept_up_to_date(
    runner, tmp_path, github, pushes
):
    for name, classes in (("base", 12), ("same", 12), ("more", 13)):
        (tmp_path / f"{name}.tflite").write_bytes(network(classes))
    (tmp_path / "model.tflite").write_bytes(b"no model")
    given = {"model": "model.tflite", "baseline": "base.tflite", "board": "rpi4-emulated"}
    for file, expected, said in pushes:
        text = b"no model" if file is None else (tmp_path / f"{file}.tflite").read_bytes()
        (tmp_path / "model.tflite").write_bytes(text)
        code, printed = runner.run(**given)
        assert code == expected, printed
        (comment,) = github.ours
        assert said in comment
        results = sorted(tmp_path.glob("edgeprune-*"), key=lambda path: path.stat().st_ctime_ns)
        if file == "more":
            measured = str(results[-1] / "results")
    # Another board has a comment of its own; whoever may not comment is told, and no more.
    code, printed = runner.run(**given | {"board": "no-such-board"})
    assert code == 2 and len(github.ours) == 2
    github.refuses = True
    code, printed = runner.run(**given)
    assert code == 2 and "::warning title=edgeprune::commenting needs `permissions:" in printed
    github.refuses = False
    # A fork's results are commented on by another workflow.
    runner.env["GITHUB_EVENT_PATH"] = write_event(tmp_path, FORKS_RUN)
    code, printed = runner.run("comment", results=measured)
    assert code == 0 and "brought the comment on #7 up to date" in printed
    assert "regression beyond 0.05%" in github.ours[0] and len(github.ours) == 2


@pytest.mark.device
def test_models_are_compressed_first_where_a_recipe_is_named_and_scored_where_there_is_data(
    runner, tmp_path, github
):
    model, data = write_tiny(tmp_path)
    with np.load(data) as whole:
        few = {key: whole[key][:16] for key in whole}
    np.savez(data, **few)
    (tmp_path / "base model.tflite").write_bytes(model.read_bytes())
    (tmp_path / "half.toml").write_text('[prune]\nsparsity = 0\n[quantize]\nmode = "fp16"\n')
    code, printed = runner.run(
        model=model.name, baseline="base model.tflite", data=data.name, recipe="half.toml",
        board="rpi4-emulated", comment="false",
    )  # fmt: skip
    assert code == 0, printed
    comparison = (tmp_path / "GITHUB_STEP_SUMMARY").read_text()
    assert "accuracy" in comparison and "no regression" in comparison and github.ours == []
    result = read_result(tmp_path / runner.known["steps.measure.outputs.result"])
    assert result.variants[0].bytes < 0.6 * model.stat().st_size


def test_no_input_reaches_a_shell_as_code():
    for folder in (".", "comment"):
        for name, step in steps(folder).items():
            assert "${{" not in step["run"], f"{name}: inputs go through env, where nothing runs"


def test_both_actions_have_the_same_limits():
    whole, comment = (action(folder)["inputs"] for folder in (".", "comment"))
    for name in ("max-regression", "max-more-instructions", "package"):
        assert whole[name]["default"] == comment[name]["default"]

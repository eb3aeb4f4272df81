"""Puts a comparison into a pull request as one comment, which later pushes bring up to date.

    python3 comment.py TEXT ABOUT

TEXT is a file of Markdown, ABOUT one that says what is compared: each has a comment of its own. It
runs in a job of GitHub Actions, with the token in GITHUB_TOKEN. Whether a comment may be written
decides nothing: where it may not, as in a pull request from a fork, a line says so and the job goes
on. Python's own library alone is used: a container need not have GitHub's client.
"""

import hashlib
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

AUTHOR = "github-actions[bot]"
MAX_TEXT = 60_000
"""GitHub takes 65,536 characters."""
MAX_ABOUT = 1000
PAGE = 100
MAX_PAGES = 50
TIMEOUT_S = 30


def call(method: str, path: str, body: "dict[str, str] | None" = None) -> object:
    """Asks GitHub, and returns its answer."""
    request = urllib.request.Request(
        f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}/{path}",
        None if body is None else json.dumps(body).encode(),
        {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
            "Content-Type": "application/json",
        },
        method=method,
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        return json.load(answer)


def pull_request(event: dict) -> "int | None":
    """Number of the pull request that an event is about; None where there is none any more.

    For a workflow that ran in a fork, GitHub does not say it; whose branch it was, it does.
    """
    if "pull_request" in event:
        return event["pull_request"]["number"]
    run = event.get("workflow_run")
    if run is None:
        return None
    head = f"{run['head_repository']['owner']['login']}:{run['head_branch']}"
    found = call("GET", f"pulls?state=open&per_page={PAGE}&head={urllib.parse.quote(head)}")
    return next((one["number"] for one in found if one["head"]["sha"] == run["head_sha"]), None)


def own_comment(number: int, mark: str) -> "int | None":
    """Id of our comment in a pull request, if there is one."""
    for page in range(1, MAX_PAGES + 1):
        found = call("GET", f"issues/{number}/comments?per_page={PAGE}&page={page}")
        for one in found:
            if one["user"]["login"] == AUTHOR and one["body"].startswith(mark):
                return one["id"]
        if len(found) < PAGE:
            break
    return None


def main(text_file: str, about_file: str) -> str:
    """What was done, in a line."""
    number = pull_request(json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text()))
    if number is None:
        return "there is no pull request to comment on"
    about = Path(about_file).read_bytes()[:MAX_ABOUT]
    mark = f"<!-- edgeprune {hashlib.sha256(about).hexdigest()[:16]} -->"
    body = {"body": f"{mark}\n{Path(text_file).read_text(encoding='utf-8')[:MAX_TEXT]}"}
    earlier = own_comment(number, mark)
    if earlier is None:
        call("POST", f"issues/{number}/comments", body)
        return f"commented on #{number}"
    call("PATCH", f"issues/comments/{earlier}", body)
    return f"brought the comment on #{number} up to date"


if __name__ == "__main__":
    try:
        print(main(*sys.argv[1:]))
    except urllib.error.HTTPError as error:
        why = "needs `permissions: pull-requests: write`, which pull requests from forks never have"
        told = why if error.code in (401, 403, 404) else "failed"
        print(f"::warning title=edgeprune::commenting {told} ({error}); see the job's summary")
    except OSError as error:  # no network, or no answer in time
        print(f"::warning title=edgeprune::commenting failed ({error}); see the job's summary")

"""What a night brought, as data and in every form."""

import http.server
import json
import threading
from xml.etree import ElementTree

import msgspec
import pytest
from click.testing import CliRunner
from farm_night import night, quiet, timed
from results import counted, result_of

from edgeprune.cli.farm_report import report
from edgeprune.errors import ConfigError, DeviceError
from edgeprune.farm.trends.confirmation import Rerun
from edgeprune.farm.trends.nightly import keep_decision, series_of, undecided
from edgeprune.farm.trends.series import Asked, answered
from edgeprune.history import database
from edgeprune.history.place import place
from edgeprune.history.retention import prune
from edgeprune.morning import webhook
from edgeprune.morning.junit import junit
from edgeprune.morning.markdown import markdown
from edgeprune.morning.night import morning
from edgeprune.morning.prometheus import prometheus

HOSTILE = 'a|b"<script>\n\x07@all.tflite'


def looked_at(factor):
    """Has tonight's suspicions re-run; what was asked for."""
    asked = []

    with database.writing(place()) as connection:
        series = series_of(connection)
        for key, one in list(undecided(connection, series)):
            nights, decision = series[key], one
            if not one.is_confirmed:
                asked.append((key, nights[one.old], nights[-1]))
                question = Asked(one.first, one.old, one.effect, one.votes)
                rerun = Rerun(factor, 1e-6, factor != 1)
                decision = answered([night.value for night in nights], question, rerun)
            keep_decision(connection, key, nights, decision)
    return asked


@pytest.fixture
def slower(home):
    """Eight quiet nights, and a ninth with another file that is 5 % slower, and a failed job."""
    for number in range(8):
        night(number, timed(quiet(number)))
        looked_at(1.0)
    failed = [(HOSTILE, "infrastructure", 'the way to it broke: "x" & <y>')]
    name, runs = night(8, timed(105.0, "b"), failed=failed, quarantine="drifts | by 9%")
    return name, runs, looked_at(1.05)


def test_a_step_is_asked_for_re_run_and_told_with_its_reason(slower):
    name, (run,), asked = slower
    ((key, old, new),) = asked
    assert (key.metric, key.device, new.run_id) == ("latency_us", "desk-pi", run)
    assert old.run_id < run - 1
    told = morning()
    assert (told.night, told.plan, told.is_ok) == (name, "nightly", False)
    (change,) = told.changes
    assert change.verdict == "worse" and change.percent == pytest.approx(5)
    assert change.reasons == ("the model's file changed",) and change.first_run == run
    (figure,) = [one for one in told.figures if one.metric == "latency_us"]
    assert figure.percent == pytest.approx(5, abs=0.5) and figure.model == "kws.tflite"
    (job,) = told.unfinished
    assert (job.model_path, job.error_kind, job.run) == (HOSTILE, "infrastructure", None)
    (device,) = told.devices
    assert device.quarantine_reason == "drifts | by 9%" and device.done == 1


def test_a_night_is_looked_at_once(slower):
    assert looked_at(1.05) == []
    assert len(morning().changes) == 1


def test_a_denied_suspicion_is_no_regression(home):
    for number in range(8):
        night(number, timed(quiet(number)))
    night(8, timed(110.0))
    assert len(looked_at(1.0)) == 1
    told = morning()
    assert [one.verdict for one in told.changes] == ["denied"] and told.is_ok
    assert "every job is done" in markdown(told)


def test_what_nobody_had_re_run_is_only_suspected(home):
    for number in range(8):
        night(number, timed(quiet(number)))
    night(8, timed(110.0))
    told = morning()
    ((verdict, percent, p_value),) = [(c.verdict, c.percent, c.p_value) for c in told.changes]
    assert (verdict, p_value, told.is_ok) == ("suspected", None, True)
    assert percent == pytest.approx(10, abs=1) and "| suspected | kws.tflite" in markdown(told)


def test_a_thousandth_more_instructions_needs_no_re_run(home):
    for number, count in enumerate((1_000_000, 1_000_000, 1_001_000)):
        night(number, result_of(counted("deployed", count, sha256="a" * 64)))
    (change,) = morning().changes
    assert (change.metric, change.verdict, change.p_value) == ("instructions", "worse", 0)
    assert change.percent == pytest.approx(0.1) and not morning().is_ok
    assert looked_at(1.0) == []
    assert [one.verdict for one in morning().changes] == ["worse"]


def test_each_recipe_of_a_model_is_a_series_of_its_own(home):
    for number in range(9):
        both = timed(quiet(number)), timed(60 * quiet(number))
        night(number, *both, recipes=("as-is", "int8"))
    told = morning()
    levels = {one.recipe: one.usual for one in told.figures if one.metric == "latency_us"}
    assert levels == {"as-is": pytest.approx(100, rel=0.01), "int8": pytest.approx(6000, rel=0.01)}
    assert told.changes == () and looked_at(1.0) == []


def test_an_old_night_is_told_as_it_was(home):
    counts = (1_000_000, 1_010_000, 1_010_000)
    names = [
        night(number, result_of(counted("deployed", count, sha256="a" * 64)))[0]
        for number, count in enumerate(counts)
    ]
    verdicts = [[one.verdict for one in morning(name).changes] for name in names]
    assert verdicts == [[], ["worse"], []]


def test_the_runs_that_a_change_names_are_not_pruned(slower):
    with database.reading(place()) as connection:
        (nights,) = [n for k, n in series_of(connection).items() if k.metric == "latency_us"]
    (change,) = morning().changes
    with database.writing(place()) as connection:
        connection.exec_driver_sql("UPDATE runs SET time_utc = '2020-01-01T00:00:00+00:00'")
    prune(1)
    with database.reading(place()) as connection:
        (kept,) = [n for k, n in series_of(connection).items() if k.metric == "latency_us"]
    assert {change.old_run, change.first_run} <= {one.run_id for one in kept} and len(nights) == 9
    assert len(kept) == 3  # and the newest run of the older file


def test_nights_have_names_and_the_newest_is_meant(slower):
    assert morning("nightly 2026-11-02").figures[0].usual is not None
    assert morning("nightly 2026-11-01").figures[0].usual is None
    with pytest.raises(ConfigError, match="no night is called 'x'"):
        morning("x")


def test_without_any_night_one_line_says_so(home):
    with pytest.raises(ConfigError, match="no night of a farm; `edgeprune farm run PLAN`"):
        morning()


def test_markdown_shows_names_and_does_nothing_with_them(slower):
    text = markdown(morning())
    assert "**needs you: 1 confirmed to be worse, 1 job without a result, " in text
    assert "| latency | 105.2 us | +5.0% |" in text
    assert "<script>" not in text and "@all" not in text and "\x07" not in text
    assert "| worse | kws.tflite | as-is | rpi4 | desk-pi | latency | +5.0% |" in text


def test_junit_is_xml_with_a_case_a_job_and_one_a_regression(slower):
    suite = ElementTree.fromstring(junit(morning()))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert suite.find(".//error").get("type") == "infrastructure"
    assert suite.find(".//failure").get("message") == "+5.0%; the model's file changed"


def test_prometheus_has_base_units_and_escaped_labels(slower):
    text = prometheus(morning())
    assert 'edgeprune_jobs{plan="nightly",state="done"} 1\n' in text
    assert 'edgeprune_changes{plan="nightly",verdict="worse"} 1\n' in text
    assert 'edgeprune_night_ok{plan="nightly"} 0\n' in text
    assert 'device="desk-pi"} 0.000105' in text
    for line in text.splitlines():
        assert line.startswith("#") or line.rpartition(" ")[2].replace(".", "").isdigit()
    assert len(text.splitlines()) == len(set(text.splitlines()))


@pytest.fixture
def service():
    """A webhook on this machine: what was posted to it, and the status that it answers."""
    posted, status = [], [200]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((self.path, self.headers.get("Authorization"), json.loads(body)))
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *line):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port, posted, status
        server.shutdown()
        thread.join()


def test_a_webhook_gets_text_and_data_with_the_token(slower, service, monkeypatch):
    port, posted, status = service
    monkeypatch.setenv(webhook.URL_VARIABLE, f"http://127.0.0.1:{port}/hook?key=secret1")
    monkeypatch.setenv(webhook.TOKEN_VARIABLE, "secret2")
    webhook.post(morning(), webhook.from_environment())
    ((path, token, body),) = posted
    assert (path, token) == ("/hook?key=secret1", "Bearer secret2")
    assert body["morning"] == json.loads(msgspec.json.encode(morning()))
    assert body["text"] == markdown(morning())
    status[0] = 302
    with pytest.raises(DeviceError, match="refused with status 302") as caught:
        webhook.post(morning(), webhook.from_environment())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "http://lab.example/x", "ftp://x", "https://", "nonsense"])
def test_a_webhook_is_https_and_its_url_is_not_printed(slower, monkeypatch, url):
    monkeypatch.setenv(webhook.URL_VARIABLE, url)
    with pytest.raises(ConfigError) as caught:
        webhook.post(morning(), webhook.from_environment())
    assert str(caught.value) == "EDGEPRUNE_WEBHOOK: must hold an https URL"


def test_a_service_that_is_not_there_is_one_line(slower, monkeypatch):
    monkeypatch.setenv(webhook.URL_VARIABLE, "http://127.0.0.1:9/secret")
    with pytest.raises(DeviceError, match=r"^webhook at 127\.0\.0\.1: .*ConnectionRefusedError$"):
        webhook.post(morning(), webhook.from_environment())


def test_the_command_writes_every_form_and_ends_with_1(slower, tmp_path):
    files = {name: tmp_path / name for name in ("markdown", "junit", "prometheus")}
    options = [word for name, file in files.items() for word in (f"--{name}", str(file))]
    done = CliRunner().invoke(report, [*options, "--json"], standalone_mode=False)
    assert done.return_value == 1
    assert json.loads(done.stdout) == json.loads(msgspec.json.encode(morning()))
    assert all(file.stat().st_size for file in files.values())

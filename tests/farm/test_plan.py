"""Plans: what is wrong is told at once and together, and what a field holds is data."""

import datetime
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.devices.bench import Bench
from edgeprune.errors import ConfigError
from edgeprune.farm.expand import expand
from edgeprune.farm.night import check_night_name, night_name
from edgeprune.farm.plan import Plan, deadline_after, read_plan
from edgeprune.farm.schedule import schedule

MODEL = b"\x1c\x00\x00\x00TFL3" + bytes(24)


@pytest.fixture
def written(tmp_path):
    """Writes a plan beside a model."""

    def write(text, models=("net.tflite",)):
        for name in models:
            (tmp_path / name).write_bytes(MODEL)
        (tmp_path / "nightly.toml").write_text(text, encoding="utf-8")
        return tmp_path / "nightly.toml"

    return write


JOBS = '[[jobs]]\nmodels = ["net.tflite"]\nboards = ["local"]\n'


def expanded(file):
    return expand(read_plan(file), Bench())


def test_a_plan_becomes_jobs_whose_ids_stay_the_same(written):
    text = JOBS.replace('"local"', '"local", "rpi4-emulated"') + 'recipes = ["as-is", "int8"]\n'
    first, second = (expanded(written(text)) for _ in range(2))
    assert [job.id_in("a") for job in first.jobs] == [job.id_in("a") for job in second.jobs]
    assert len({job.id_in("a") for job in first.jobs}) == len(first.jobs) == 4
    assert first.jobs[0].id_in("a") != first.jobs[0].id_in("b")
    assert [job.number for job in first.jobs] == [0, 1, 2, 3]


def test_another_content_is_another_job(written, tmp_path):
    file = written(JOBS)
    before = expanded(file).jobs[0].id_in("a")
    (tmp_path / "net.tflite").write_bytes(MODEL + b"\0")
    assert expanded(file).jobs[0].id_in("a") != before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("deadlin = '07:00'\n" + JOBS, "did you mean 'deadline'"),
        ("deadline = '25:00'\n" + JOBS, "deadline must be a local time as 07:00, got '25:00'"),
        ("workers = -1\n" + JOBS, "workers must be 0 to 1000"),
        ("name = 'a;b'\n" + JOBS, "name 'a;b' must be"),
        ("time_budget = '10'\n" + JOBS, "time_budget must be 0 to 168h"),
        ("file = 'x'\n" + JOBS, "unknown key 'file'"),
        ("jobs = []", "write a table [[jobs]]"),
        (JOBS + "sparsity = '1000%x'", "sparsity '1000%x'"),
        (JOBS + "sparsity = '100%'", "sparsity"),
        (JOBS + "max_accuracy_drop = '1%'", "needs data"),
        (JOBS + "data = 'nope.npz'", "nope.npz"),
        (JOBS + "recipes = ['int9']", "did you mean int8?"),
        (JOBS + "devices = ['`id`']", "called '`id`'"),
        (JOBS + "devices = ['local']\neach_device = true", "leave it out"),
        (JOBS.replace("net.", "nett."), "did you mean"),
        (JOBS.replace('"local"', '"locall"'), "did you mean local?"),
        (JOBS.replace('"local"', '"rpi4"'), "edgeprune devices add NAME --board rpi4"),
        (JOBS + JOBS, "stands twice in the plan"),
        ("[golden]\nmodel = 'no.tflite'\n" + JOBS, "no.tflite: no such file"),
        ("[golden]\nmodel = 'net.tflite'\nband = 2.0\n" + JOBS, "golden.band must be above 0"),
        ("confirm_share = 0.95\n" + JOBS, "confirm_share must be 0 to 0.9, got 0.95"),
    ],
)
def test_what_is_wrong_is_told(written, text, told):
    with pytest.raises(ConfigError) as caught:
        expanded(written(text))
    line = str(caught.value)
    assert told in line and "nightly.toml" in line and "\n" not in line


def test_all_faults_are_in_one_line(written):
    text = JOBS.replace("net.", "$(reboot).").replace('"local"', '"local", "; ls"')
    with pytest.raises(ConfigError) as caught:
        expanded(written(text))
    assert "$(reboot).tflite: no such file" in str(caught.value)
    assert "no board is called '; ls'" in str(caught.value)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_any_word_is_data(tmp_path_factory, word):
    folder = tmp_path_factory.mktemp("plan")
    (folder / "net.tflite").write_bytes(MODEL)
    import tomli_w

    table = {"models": ["net.tflite"], "boards": ["local"], "tags": [word]}
    file = folder / "nightly.toml"
    file.write_text(tomli_w.dumps({"jobs": [table]}), encoding="utf-8")
    assert expanded(file).jobs[0].tags == (word,)


def test_a_night_lasts_from_noon_to_noon(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    plan = Plan((), "nightly")
    moments = [(29, 12), (29, 23), (30, 0), (30, 11), (30, 12)]
    names = [
        night_name(plan, datetime.datetime(2026, 11, day, hour, tzinfo=datetime.UTC))
        for day, hour in moments
    ]
    assert names == [*["nightly 2026-11-29"] * 4, "nightly 2026-11-30"]


@pytest.mark.parametrize(("hour", "day"), [(6, 29), (7, 30), (22, 30)])
def test_a_deadline_is_the_next_such_moment(monkeypatch, hour, day):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    zone = datetime.timezone(datetime.timedelta(hours=1))
    now = datetime.datetime(2026, 11, 29, hour, tzinfo=zone)
    found = deadline_after(Plan((), deadline="07:00"), now)
    assert found == datetime.datetime(2026, 11, day, 7, tzinfo=zone)


def test_a_schedule_keeps_priorities_and_gives_no_device_two_jobs(written):
    text = JOBS.replace('"net.tflite"', '"a.tflite", "b.tflite"') + "recipes = ['as-is', 'int8']\n"
    text += JOBS + "priority = 3\ntime_budget = '20m'\n"
    file = written(text, ("net.tflite",))
    for name in ("a.tflite", "b.tflite"):
        (file.parent / name).write_bytes(MODEL + name.encode())
    made = expanded(file)
    slots = schedule(made.jobs, made.devices)
    assert slots[0].job.priority == 3
    assert [slot.begins_s for slot in slots] == [0, 1200, 1800, 2400, 3000]


def test_a_bad_model_costs_its_own_jobs_and_not_the_night(written, tmp_path):
    (tmp_path / "empty.tflite").write_bytes(b"")
    (tmp_path / "empty too.tflite").write_bytes(b"")
    names = '"net.tflite", "empty.tflite", "empty too.tflite", "$(id).tflite"'
    made = expanded(written(JOBS.replace('"net.tflite"', names)))
    assert len(made.jobs) == 4 and len({job.id_in("a") for job in made.jobs}) == 4
    told = [line.removeprefix(f"{tmp_path}/") for line in made.bad_models]
    assert told == [
        "empty.tflite: is empty",
        "empty too.tflite: is empty",
        f"$(id).tflite: no such file; did you mean {tmp_path}/net.tflite?",
    ]


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a\nb", "\x1b[2J", " a", "a" * 101])
def test_no_night_is_called_what_no_folder_can_be(name):
    with pytest.raises(ConfigError, match=r"^--night .* must be 1 to 100 letters"):
        check_night_name(name)
    check_night_name("nightly 2026-11-29")
    check_night_name("again_2.1")

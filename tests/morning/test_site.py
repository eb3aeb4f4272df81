"""The static site of a farm's nights."""

import itertools
import re
import subprocess
from urllib.parse import unquote

import farm_year
import msgspec
import pytest
from click.testing import CliRunner
from farm_year import Year, fill, night_name
from html_page import Page
from sqlalchemy import text

from edgeprune.cli.farm_report import report
from edgeprune.errors import ConfigError
from edgeprune.history import database
from edgeprune.history.place import place
from edgeprune.morning.headline import headline
from edgeprune.morning.names import file_stem
from edgeprune.morning.night import morning
from edgeprune.morning.site import folder as site_folder
from edgeprune.morning.site import jobs as site_jobs
from edgeprune.morning.site import write_site

SMALL = Year(nights=12, devices=10, models=4, samples=4)
LAST = night_name(SMALL.last)
HOSTILE = "</style><script>alert(1)</script>\"' onload=x ../../{{7*7}}\u202e\x07&amp;\n"
WORST = file_stem("/lab/models/images.tflite", "as-is", "rpi4")


def pages(site):
    """Every page by its way from the site's folder on."""
    return {str(file.relative_to(site)): Page(file.read_text(encoding="utf-8"))
            for file in sorted(site.rglob("*.html"))}  # fmt: skip


def check_links(site, found, start="index.html"):
    """From a page on, every link leads to a page that is there, and to a place on it."""
    waiting, reached = [start], {start}
    while waiting:
        name = waiting.pop()
        page = found[name]
        for link in (tag["href"] for tag in page.all_of("a")):
            way, _, place_on = link.partition("#")
            file = (site / name).parent / unquote(way) if way else site / name
            there = str(file.resolve().relative_to(site.resolve()))
            assert there in found, (name, link)
            assert not place_on or place_on in found[there].ids, (name, link)
            waiting += {there} - reached
            reached.add(there)
    return reached


def written(site):
    """Every file with the moment at which it was written."""
    return {str(file.relative_to(site)): (file.stat().st_mtime_ns, file.stat().st_ino)
            for file in site.rglob("*") if file.is_file()}  # fmt: skip


def statement(*lines):
    """Changes what the history says."""
    with database.writing(place()) as connection:
        for line, values in lines:
            connection.execute(text(line), values)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A history with a dozen nights, and its site."""
    root = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEPRUNE_HOME", str(root / "home"))
        fill(SMALL)
        told = write_site(root / "site")
    return told, root / "site", pages(root / "site")


@pytest.fixture
def small(home):
    """A history of one device with one model, and where its site is to be."""
    fill(Year(nights=3, devices=1, models=1, samples=4, quiet=True))
    return home / "site"


def test_every_page_is_well_formed_and_asks_for_nothing(lab):
    _, site, found = lab
    assert {"index.html", "trends.html", "devices.html", "nights.html"} <= set(found)
    assert len([name for name in found if "/job-" in name]) == 50
    for name, page in found.items():
        assert len(page.ids) == len(set(page.ids)), name
        (policy,) = [tag["content"] for tag in page.all_of("meta") if "http-equiv" in tag]
        assert policy.startswith("default-src 'none'"), name
        assert {"name": "robots", "content": "noindex, nofollow"} in page.all_of("meta"), name
        for tag, attributes in page.tags:
            assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form"), name
            assert not {"src", "srcset", "style"} & attributes.keys(), name
        whole = (site / name).read_text(encoding="utf-8")
        assert not re.search(r"(?i)https?:|url\(|@import", whole), name
        assert not page.all_of("script"), name
    assert check_links(site, found) == set(found)


def test_every_page_can_be_read_without_seeing_it(lab):
    for name, page in lab[2].items():
        assert len(page.all_of("h1")) == 1 and len(page.all_of("main")) == 1, name
        assert page.all_of("html") == [{"lang": "en"}], name
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-4]", tag)]
        jumps = [low for low, high in itertools.pairwise(levels) if high > low + 1]
        assert levels[0] == 1 and not jumps, name
        assert all("scope" in tag for tag in page.all_of("th")), name
        for tag in page.all_of("svg"):
            assert tag["role"] == "img" and tag["aria-labelledby"] in page.ids, name
        for tag in page.all_of("div"):
            if tag.get("role") == "region":
                assert tag["tabindex"] == "0" and {"aria-label", "aria-labelledby"} & tag.keys()
                assert tag.get("aria-labelledby", page.ids[0]) in page.ids, name


def test_the_index_says_first_what_needs_somebody(lab):
    told, _, found = lab
    page = found["index.html"]
    first = "Needs you: 10 confirmed to be worse, 5 jobs without a result"
    assert first in page.text and [tag["class"] for tag in page.all_of("h1")] == ["bad"]
    places = [page.text.index(word) for word in (
        first, "Confirmed to be worse", "Jobs without a result", "Devices in quarantine",
        "Devices that are not there", "Overview by model and board", "All 50 jobs",
    )]  # fmt: skip
    assert places == sorted(places)
    for words in ("+8.4%", "the model's file changed", "adb: device offline", "images.tflite",
                  "the lab: device, cable or host", "the plan's author: the night was too short",
                  farm_year.QUARANTINES[1], "10 worse"):  # fmt: skip
        assert words in page.text, words
    assert not told.is_ok and told.night == LAST


def test_alike_changes_on_several_devices_are_one_row(lab):
    page = lab[2]["index.html"]
    links = [tag["href"] for tag in page.all_of("a") if WORST in tag["href"]]
    anchors = {file_stem(device, metric) for device in ("pi-00", "pi-03", "pi-06")
               for metric in ("latency_us", "energy_uj")}  # fmt: skip
    assert anchors <= {link.partition("#")[2] for link in links} | {
        file_stem("pi-03", "latency_us"),
        file_stem("pi-03", "energy_uj"),
    }
    assert page.text.count("images.tflite as-is rpi4 latency +8.4%") == 1


def test_a_jobs_page_has_its_report_and_a_failed_ones_has_its_attempts(lab):
    told, _, found = lab
    by_state = {job.state: job for job in told.jobs if job.error_kind in (None, "infrastructure")}
    at = f"nights/{file_stem(LAST)}"
    done = found[f"{at}/job-{by_state['done'].job}.html"].text
    assert "Distribution of times" in done or "instructions per inference (emulated)" in done
    assert f"edgeprune report {by_state['done'].run}" in done and "its trend" in done
    failed = found[f"{at}/job-{by_state['failed'].job}.html"].text
    assert "Failed: adb: device offline" in failed and "the lab: device, cable or host" in failed
    assert failed.count("the farm on lab-host (process 47)") == 3
    assert len(set(re.findall(r"farm/nightly-2025-12-11/images-phone-02-\d+\.log", failed))) == 3
    missed = found[f"{at}/job-{by_state['missed'].job}.html"].text
    assert "There was none." in missed and "Missed: the deadline came first" in missed


def test_trends_show_changes_with_reasons_and_exact_figures_as_such(lab):
    page = lab[2][f"trends/{WORST}.html"]
    assert "▲1 2025-12-11 worse +8.4% the model's file changed" in page.text
    assert "pi-00: latency" in page.text and "Exact:" not in page.text
    exact = lab[2]["trends/" + file_stem("/lab/models/images.tflite", "as-is", "rpi4-emulated")
                   + ".html"]  # fmt: skip
    assert "Exact: instructions are counted on an emulated device" in exact.text
    assert "instructions (emulated)" in lab[2]["trends.html"].text


def test_devices_show_state_events_and_the_golden_model(lab):
    found = lab[2]
    page = found[f"devices/{file_stem('pi-01')}.html"]
    assert "pi-01: quarantine" in page.text and "quarantined" in page.text
    assert "Its golden model over nights" in page.text and len(page.all_of("svg")) == 1
    row = re.search(r"phone-02 pixel-8 lab-host not there .*? ([\d.]+) us, ([+-][\d.]+%|the same)",
                    found["devices.html"].text)  # fmt: skip
    assert row, found["devices.html"].text[:500]


def test_written_again_nothing_changes_and_a_new_night_leaves_the_old_ones(small, monkeypatch):
    write_site(small)
    before = written(small)
    monkeypatch.delattr(site_jobs, "render")  # what is there is not made again
    write_site(small)
    assert written(small) == before
    with database.writing(place()) as connection:
        connection.execute(text("INSERT INTO farm_nights SELECT 'nightly x', plan, plan_sha256, "
                                "began_ms + 86400000, deadline_ms, ended_ms + 86400000 FROM "
                                "farm_nights ORDER BY began_ms DESC LIMIT 1"))  # fmt: skip
    write_site(small)
    after = written(small)
    old = f"nights/{file_stem(night_name(2))}/"
    assert {name for name in before if name.startswith(old)} == {
        name for name in after if name.startswith(old) and after[name] == before[name]
    }
    assert after["index.html"] != before["index.html"]
    assert f"nights/{file_stem('nightly x')}/index.html" in after
    check_links(small, pages(small))


def test_at_no_moment_a_link_leads_nowhere(small, monkeypatch):
    write_site(small, keep_nights=1)
    statement(("UPDATE farm_nights SET began_ms = began_ms + 1000000000 WHERE night = :night",
               {"night": night_name(1)}))  # fmt: skip
    write, looked = site_folder.SiteFolder.write, []

    def watched(self, name, page):
        write(self, name, page)
        check_links(small, pages(small))
        looked.append(name)

    monkeypatch.setattr(site_folder.SiteFolder, "write", watched)
    told = write_site(small, keep_nights=1)
    assert told.night == night_name(1) and looked[-1] == "index.html"
    assert [one.name for one in (small / "nights").iterdir()] == [file_stem(night_name(1))]
    check_links(small, pages(small))


def test_pages_of_so_many_nights_stay(small):
    for number in range(3):
        write_site(small, night_name(number), keep_nights=2)
    there = {one.name for one in (small / "nights").iterdir()}
    assert there == {file_stem(night_name(number)) for number in (1, 2)}
    write_site(small, night_name(0), keep_nights=1)  # which was asked for
    there = {one.name for one in (small / "nights").iterdir()}
    assert there == {file_stem(night_name(number)) for number in (0, 2)}
    assert "nightly 2025-12-02" in Page((small / "index.html").read_text()).text
    check_links(small, pages(small))


def test_no_name_gets_out_of_its_place(home, lab):
    fill(Year(nights=2, devices=3, models=3, samples=4))
    names = {"hostile": HOSTILE}
    statement(
        ("UPDATE farm_jobs SET model_path = model_path || :hostile, recipe = recipe || :hostile, "
         "board = board || :hostile, device = device || :hostile, message = message || :hostile, "
         "job = job || :hostile, night = night || :hostile", names),
        ("UPDATE farm_results SET job = job || :hostile, device = device || :hostile, "
         "night = night || :hostile", names),
        ("UPDATE farm_attempts SET job = job || :hostile, device = device || :hostile, "
         "holder = :hostile, message = :hostile, outcome = :hostile", names),
        ("UPDATE farm_nights SET night = night || :hostile, plan = :hostile", names),
        ("UPDATE farm_devices SET device = device || :hostile, board = board || :hostile, "
         "host = :hostile, state_message = :hostile, quarantine_reason = :hostile", names),
        ("UPDATE farm_events SET device = device || :hostile, kind = :hostile, "
         "message = :hostile, night = :hostile", names),
        ("UPDATE farm_changes SET reasons = :reasons", {"reasons": msgspec.json.encode(
            [HOSTILE]).decode()}),
        ("UPDATE runs SET model_path = model_path || :hostile, board = board || :hostile, "
         "device = device || :hostile", names),
        ("UPDATE figures SET conditions = :conditions WHERE run_id % 2", {
            "conditions": msgspec.json.encode({HOSTILE: HOSTILE}).decode()}),
    )  # fmt: skip
    site = home / "site"
    write_site(site)
    found = pages(site)
    known = {tag for page in lab[2].values() for tag, _ in page.tags}
    for name, page in found.items():
        assert re.fullmatch(r"[\w./-]+", name), name
        assert {tag for tag, _ in page.tags} <= known, name
        assert not any(key.startswith("on") for _, tag in page.tags for key in tag), name
        whole = (site / name).read_text(encoding="utf-8")
        assert not set("\u202e\x07") & set(whole) and "<script>alert" not in whole, name
    assert "<script>alert(1)</script>" in found["index.html"].text
    check_links(site, found)
    assert sorted(one.name for one in home.iterdir() if one.name != ".ssh") == ["edgeprune", "site"]


@pytest.mark.parametrize(
    ("prepare", "line"),
    [
        (lambda site: site.write_text("x"), "is no folder; name one for the site"),
        (lambda site: (site.mkdir(), (site / "photo.jpg").touch()),
         "is not empty, and no site of edgeprune"),
        (lambda site: (site.mkdir(), (site / site_folder.MARK).write_text("weekly\n")),
         "holds the site of the plan 'weekly'"),
    ],
    ids=["file", "full", "other plan"],
)  # fmt: skip
def test_a_folder_that_is_something_else_is_left_alone(small, prepare, line):
    prepare(small)
    before = written(small) if small.is_dir() else small.read_text()
    with pytest.raises(ConfigError, match=re.escape(f"{small}: {line}")):
        write_site(small)
    assert (written(small) if small.is_dir() else small.read_text()) == before


def test_one_writer_at_a_time(small, monkeypatch):
    monkeypatch.setattr(site_folder, "LOCK_S", 0.1)
    with (
        site_folder.SiteFolder(small, "nightly"),
        pytest.raises(ConfigError, match="another edgeprune has been writing it"),
    ):
        write_site(small)
    write_site(small)


def test_a_full_disk_is_one_line_and_mended_by_the_next_writing(small):
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", small], check=True)
    try:
        with pytest.raises(ConfigError, match="cannot be written: No space left on device"):
            write_site(small)
        assert not list(small.rglob("*.part")) and not (small / "index.html").exists()
        subprocess.run(["mount", "-o", "remount,size=4m", small], check=True)
        write_site(small)
        check_links(small, pages(small))
    finally:
        subprocess.run(["umount", small], check=True)


def test_what_the_history_lost_is_said_on_the_page(small):
    statement(("DELETE FROM figures", {}), ("DELETE FROM runs", {}))
    told = write_site(small)
    job = f"nights/{file_stem(told.night)}/job-{told.jobs[0].job}.html"
    page = Page((small / job).read_text())
    assert f"run {told.jobs[0].run} is not in the history any more" in page.text
    assert "2 jobs without a figure to rely on" in Page((small / "index.html").read_text()).text


def test_the_command_writes_a_site_and_says_where(small):
    done = CliRunner().invoke(report, ["--site", str(small)], standalone_mode=False)
    assert done.return_value == 0 and f"written to {small}/index.html" in done.stderr
    assert done.stdout.startswith("### nightly")
    first = Page((small / "index.html").read_text())
    assert "All well: nothing got worse, and every job is done" in first.text
    assert "Nothing does." in first.text and first.all_of("h1") == [{"class": "good"}]
    failed = CliRunner().invoke(report, ["--site", str(small), "--night", "x"])
    assert isinstance(failed.exception, ConfigError) and failed.exception.exit_code == 2


@pytest.mark.parametrize(
    ("change", "mood", "words"),
    [
        ({}, "good", "nothing got worse, and every job is done"),
        ({"ended_utc": None}, "warning", "not over yet: 0 jobs to do"),
        ({"jobs": ()}, "warning", "there were no jobs"),
        ({"figures": ()}, "warning", "2 jobs without a figure to rely on"),
        ({"devices": {"state": "offline"}}, "warning", "1 device not there"),
        ({"devices": {"quarantine_reason": "x"}}, "warning", "1 device in quarantine"),
        ({"changes": "suspected"}, "warning", "1 suspected to have changed"),
        ({"changes": "denied"}, "good", "nothing got worse, and every job is done"),
        ({"changes": "better"}, "good", "nothing got worse, and every job is done"),
        ({"changes": "worse"}, "bad", "1 confirmed to be worse"),
        ({"job": "failed"}, "bad", "1 job without a result"),
        ({"job": "missed"}, "bad", "1 job without a result"),
        ({"job": "pending"}, "bad", "1 job without a result"),
        ({"job": "running", "ended_utc": None}, "warning", "not over yet: 1 job to do"),
    ],
    ids=str,
)
def test_it_is_green_only_where_nothing_is_wrong(small, change, mood, words):
    told = morning()
    changed = dict(change)
    if "devices" in changed:
        one = msgspec.structs.replace(told.devices[0], **changed["devices"])
        changed["devices"] = (one, *told.devices[1:])
    if "job" in changed:
        one = msgspec.structs.replace(told.jobs[0], state=changed.pop("job"))
        changed["jobs"] = (one, *told.jobs[1:])
    if "changes" in changed:
        from edgeprune.morning.data import Change

        changed["changes"] = (Change(
            model_path="m", recipe="r", board="b", device="d", metric="latency_us", percent=5.0,
            p_value=None, verdict=changed["changes"], reasons=(), run=1, first_run=1, old_run=1,
        ),)  # fmt: skip
    first = headline(msgspec.structs.replace(told, **changed))
    assert (first.mood, first.sentence) == (mood, words)

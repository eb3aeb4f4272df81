import dataclasses
import itertools
import json
import re

import pytest
from html_page import Page
from results import GONE, changed, counted, document, layer, processes, result_of, top1, variant

from edgeprune.artifacts.measurement import SessionState
from edgeprune.errors import ConfigError
from edgeprune.history import Run
from edgeprune.history.result_file import parse_result
from edgeprune.report.flattened import flattened
from edgeprune.report.page import render, write_page

SPMM = "Convolution (NCHW, F32) SPMM"


def timed(**rest):
    layers = [layer("m/conv1/Conv2D", latency_us=12.5), layer("m/conv2/Conv2D", latency_us=8.25)]
    sparse = [
        layer("m/conv1/Conv2D", latency_us=12.25),
        layer("m/conv2/Conv2D", SPMM, latency_us=3.5),
    ]
    parity = {
        "reference": "host", "max_abs_diff": 3.1e-7, "argmax_agreement": 0.9375, "samples": 16,
        "where": "desk-pi",
    }  # fmt: skip
    energy = {"per_inference": 4321.0, "idle_subtracted": True, "source": "INA226"}
    start = {
        "load_us": 8500.0, "first_us": 951.0, "model_memory_bytes": 7_700_000,
        "packed_bytes": 440_000,
        "processes": [
            {"load_ns": 8_500_000, "first_ns": 951_000, "peak_memory_bytes": 9_859_072,
             "agent_memory_bytes": 2_159_072}
        ],
    }  # fmt: skip
    pinning = {
        "cpus": [4, 5], "asked": "performance", "governors": ["performance"],
        "governors_before": ["schedutil"], "fixed_performance_mode": False, "restored": True,
        "reason": None,
    }  # fmt: skip
    return result_of(
        variant("dense", processes(212), layers=layers, accuracy=top1(0.9321), sparse_layers_run=0),
        variant(
            "deployed", processes(106), layers=sparse, accuracy=top1(0.9012), bytes=866_808,
            sparsity=0.9041, sparse_layers_run=1, sparse_layers_expected=1, parity=parity,
            energy_uj=energy, peak_memory_bytes=9_859_072, start=start,
        ),
        verdict="faster", speedup=2.0, **({"pinning": pinning} | rest),
    )  # fmt: skip


def emulated(layers=3, **rest):
    rows = [layer(f"m/conv_{k}/Conv2D", SPMM if k % 2 else "IGEMM") for k in range(layers)]
    return result_of(
        counted("dense", 210_402_630, layers=rows, sparse_layers_run=0),
        counted("deployed", 54_396_860, bytes=866_808, layers=rows, sparse_layers_run=1),
        verdict="faster", speedup=3.87, **rest,
    )  # fmt: skip


@pytest.mark.parametrize("result", [timed(), emulated()], ids=["timed", "emulated"])
def test_the_page_is_well_formed_and_refers_to_nothing_outside(result):
    text = render(result)
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    for tag, attributes in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base"), tag
        assert "src" not in attributes and "srcset" not in attributes
        if "href" in attributes:
            assert attributes["href"].removeprefix("#") in page.ids
        for key in ("aria-labelledby",):
            assert attributes.get(key, page.ids[0]) in page.ids
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style and "@import" not in style
    assert not re.search(r"(?i)https?:", text)


def test_the_page_may_load_nothing_and_run_only_its_own_script():
    page = Page(render(timed()))
    (policy,) = [tag["content"] for tag in page.all_of("meta") if "http-equiv" in tag]
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy
    assert len(page.all_of("script")) == 1


@pytest.mark.parametrize("result", [timed(), emulated()], ids=["timed", "emulated"])
def test_every_number_of_the_result_can_be_copied_in_full(result):
    page = Page(render(result))
    assert json.loads(page.areas["result.json"]) == document(result)
    tables = "\n".join(page.areas.values()).replace(page.areas["result.json"], "")
    cells = set(re.split(r"[,\n]", tables))
    for path, value in flattened(document(result)):
        if isinstance(value, int | float) and not path.endswith(("first_ns", "load_ns")):
            in_session = re.search(r"sessions\[\d+\]\.peak", path)
            assert in_session or str(value) in cells, path


def test_every_figure_is_on_the_page_with_its_unit():
    text = Page(render(timed())).text
    for figure in (
        "866.8 kB", "16.90 MB", "90.4%", "top1 90.12% of 1000", "4.321 mJ", "9.859 MB", "3.1e-07",
        "8.500 ms", "951.0 us", "7.700 MB", "440.0 kB", "performance; before and after: schedutil",
        "93.8% of 16", "12.50 us", "3.500 us", "1 of 1 expected", "0.8125", "2026-11-21T17:00",
    ):  # fmt: skip
        assert figure in text, figure


def test_the_validity_shows_every_process_with_the_devices_state():
    state = dataclasses.asdict(SessionState(temperature_before_c=50.0, temperature_highest_c=61.0))
    sessions = document(timed())["variants"][1]["sessions"]
    for session in sessions:
        session |= {"state": state | {"not_read": []}, "verdict": "valid", "reason": None}
    sessions[0] |= {"verdict": "throttled", "reason": "the clock was <1200> MHz"}
    page = Page(render(changed(timed(), {"variants.1.sessions": sessions})))
    assert "deployed 1" in page.text and "50 to 61 C" in page.text
    assert "throttled: the clock was <1200> MHz" in page.text
    assert "deployed,1,state.temperature_highest_c,61.0" in page.areas["sessions.csv"]


def test_what_is_missing_is_said_and_never_0():
    text = Page(render(emulated())).text
    assert "Not measured: accuracy, largest difference, same top class." in text
    assert "accuracy was not measured" in text
    assert "instructions per inference (emulated)" in text
    assert not re.search(r"(?<![\d.,-])0 (us|ms|uJ|mJ|B)\b", text)


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</textarea></title></style><script>x</script>",
    "{{ 7*7 }} {% raw %}",
    "a\u202eb\x1b[2J\n\u0000",
    "=HYPERLINK(1)",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_gets_out_of_its_place(name):
    plain = Page(render(emulated()))
    result = emulated(notes=[name], reasons=[name], board=name)
    values = document(result)
    values["model"]["path"] = values["device"]["cpu"] = name
    values["recipe"] = {name: name}
    for each in values["variants"]:
        each["layers"][0] |= {"name": name, "kernel": name, "op": name}
    values["variants"].append(counted(name, 1, accuracy=None) | {"file": "x.tflite"})
    result = parse_result(values)
    text = render(result)
    page = Page(text)
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in plain.tags} | {"li", "h3"}
    assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
    assert len(page.all_of("script")) == 1
    assert "\u202e" not in text and "\x1b" not in text and "49" not in page.text
    assert json.loads(page.areas["result.json"]) == document(result)
    assert ",=HYPERLINK" not in page.areas["layers.csv"]


def test_300_layers_stay_under_3_mb():
    long = "network/block_12/depthwise_relu/Relu6;network/block_12/depthwise_bn/FusedBatchNormV3"
    rows = [layer(f"{long};m/conv_{k}/Conv2D", SPMM) for k in range(300)]
    runs = processes(100) * 7
    result = result_of(
        variant("dense", runs, layers=rows),
        variant("deployed", runs, layers=rows),
        verdict="faster",
    )
    text = render(result)
    assert len(text.encode()) < 1_000_000
    assert Page(text).text.count("conv_299") == 1


def test_a_text_too_long_for_a_page_is_told_and_left_out():
    runs = [tuple(range(1000, 7000)) for _ in range(5)]
    page = Page(render(result_of(variant("dense", runs), variant("deployed", runs))))
    assert "samples.csv" not in page.areas and "Every timed inference: too long" in page.text


def test_an_older_result_without_samples_says_so():
    new = ("variants.0.sessions", "variants.1.sessions", "made")
    text = Page(render(changed(timed(), dict.fromkeys(new, GONE)))).text
    assert "raw samples were not kept" in text and "not recorded" in text


def test_earlier_runs_of_the_model_are_in_the_choice_and_a_remark_as_well():
    smaller = changed(emulated(), {"variants.1.bytes": 700_000})
    earlier = Run(7, "", "", "rpi4", "desk-pi", "ab" * 32, "net.h5", smaller)
    text = Page(render(emulated(), [earlier], "the attic is locked")).text
    assert "#7 deployed" in text and "#7 dense" not in text and "the attic is locked" in text


def test_a_page_is_written_whole_and_a_place_that_cannot_be_written_is_named(tmp_path):
    write_page("<p>", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == "<p>"
    (tmp_path / "folder.html").mkdir()
    for place in (tmp_path / "none" / "page.html", tmp_path / "folder.html"):
        with pytest.raises(ConfigError, match=r"cannot be written.*--html"):
            write_page("<p>", place)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("result", [timed(), emulated()], ids=["timed", "emulated"])
def test_a_screen_reader_and_a_keyboard_reach_everything(result):
    text = render(result)
    page = Page(text)
    assert page.tags[0] == ("html", {"lang": "en"})
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))
    assert all("scope" in attributes for attributes in page.all_of("th"))
    for picture in page.all_of("svg"):
        assert picture["role"] == "img"
        assert f'<desc id="{picture["aria-labelledby"]}">' in text
    assert text.count("<desc") == len(page.all_of("svg")) >= 3
    assert all(area["aria-label"] for area in page.all_of("textarea"))
    for part in page.all_of("div"):
        if "scroll" in part.get("class", ""):  # else its far end is out of reach without a mouse
            assert part["tabindex"] == "0" and part["aria-label"]


def test_a_reason_against_the_figures_is_said_once_in_the_list_of_validity():
    text = Page(render(emulated(validity=("noisy", "a busy neighbour")))).text
    assert text.partition("Validity noisy")[2].count("a busy neighbour") == 1

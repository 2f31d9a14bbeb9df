"""What the page does with a browser, run by node with stand-ins: engine, files, tiles and times, stops, progress."""

import json
from collections.abc import Callable
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from repository import ROOT
from senga.arch.tiling import TileGrid, edges

NUMBERS = np.random.default_rng(5)
HALO = 18
PACE = {"webgpu": 3.0, "wasm": 12.0}  # seconds for a megapixel of work
BIG = 640**2
GRIDS = [
    {"size": (512, 512), "halo": HALO, "alignment": 1, "largest": BIG},
    {"size": (1100, 1100), "halo": HALO, "alignment": 1, "largest": BIG},
    {"size": (1000, 37), "halo": HALO, "alignment": 1, "largest": BIG},
    {"size": (1000, 1400), "halo": HALO, "alignment": 1, "largest": BIG},
    {"size": (1, 1), "halo": HALO, "alignment": 1, "largest": BIG},
    {"size": (700, 333), "halo": 21, "alignment": 4, "largest": 300**2},
    {"size": (3000, 2000), "halo": 60, "alignment": 2, "largest": BIG},
]
DESKTOP = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"
THREADS = [  # agent, isolated, cores, wanted, expected
    (DESKTOP, True, 8, 0, 8),
    (DESKTOP, True, 64, 0, 16),
    (DESKTOP, True, 8, 3, 3),
    (DESKTOP, False, 8, 3, 1),
    (SAFARI, True, 8, 0, 1),
    (FIREFOX, True, 4, 0, 4),
    (FIREFOX, True, 0, 0, 1),
]
KINDS = [  # adapter, wanted, expected
    ({"info": {"isFallbackAdapter": False}}, "", "webgpu"),
    ({"info": {"isFallbackAdapter": True}}, "", "wasm"),
    ({"isFallbackAdapter": True}, "", "wasm"),
    (None, "", "wasm"),
    ("error", "", "wasm"),
    (None, "webgpu", "webgpu"),
]
TRIMMED = NUMBERS.random((2, 4, 6), dtype=np.float32)
PICTURE = NUMBERS.random((3, 81, 121), dtype=np.float32)
MEMORY = 1300  # pixels of the largest window that fits


def said(at: int, frame: int, done: int) -> dict[str, Any]:
    """Of two frames of 10 pixels in tiles of 5, for each of which 10 s are expected."""
    left = min(5, 10 - done)
    return {"message": {"frame": frame, "frames": 2, "done": done, "next": left, "total": 10, "expected": 10}, "at": at}


PROGRESS = [
    said(1000, 0, 0),
    {"at": 3500},
    {"at": 90_000},
    said(101_000, 0, 5),
    {"at": 111_000},
    said(201_000, 1, 0),
    said(401_000, 1, 10),
]


@pytest.fixture(scope="module")
def found(node: Callable[..., str]) -> dict[str, Any]:
    given = {
        "framed": [
            {"values": TRIMMED.ravel().tolist(), "dims": [1, 2, 4, 6], "size": [10, 6]},
            {"values": TRIMMED.ravel().tolist(), "dims": [1, 2, 4, 6], "size": [6, 4]},
        ],
        "threads": [dict(zip(("agent", "isolated", "cores", "wanted"), row[:4], strict=True)) for row in THREADS],
        "kinds": [{"adapter": adapter, "wanted": wanted} for adapter, wanted, _ in KINDS] + [{"wanted": ""}],
        "pace": PACE,
        "grids": GRIDS,
        "memory": MEMORY,
        "picture": {"size": PICTURE.shape[:0:-1], "planes": [plane.ravel().tolist() for plane in PICTURE]},
        "progress": PROGRESS,
    }
    return json.loads(node(Path(__file__).parent / "runtime.mjs", ROOT / "page", given=json.dumps(given)))


PARSE = """
const { SourceTextModule } = require("node:vm");
const { readFileSync } = require("node:fs");
for (const file of process.argv.slice(1)) new SourceTextModule(readFileSync(file, "utf8"), { identifier: file });
"""


def test_every_script_of_the_page_is_javascript(node: Callable[..., str]) -> None:
    scripts = [path for folder in ("engine", "ui", ".") for path in (ROOT / "page" / folder).glob("*.js")]
    assert len(scripts) > 20
    node("--experimental-vm-modules", "-e", PARSE, *scripts)


def test_what_a_graph_leaves_out_at_its_sides_is_nothing_and_the_rest_is_in_place(found: dict[str, Any]) -> None:
    trimmed, whole = found["framed"]
    made = np.array(trimmed["values"], dtype=np.float32).reshape(2, 6, 10)
    np.testing.assert_array_equal(made, np.pad(TRIMMED, ((0, 0), (1, 1), (2, 2))))
    assert whole["same"]


def test_threads_are_those_that_the_browser_can_use(found: dict[str, Any]) -> None:
    assert found["threads"] == [row[4] for row in THREADS]


def test_webgpu_is_for_a_gpu_that_is_not_emulated(found: dict[str, Any]) -> None:
    assert found["kinds"] == [*(expected for _, _, expected in KINDS), "wasm"]


def test_the_smallest_copy_that_the_browser_can_unpack_is_fetched_on_any_host(found: dict[str, Any]) -> None:
    gz, unpacked_gz, br, unpacked_br, cut = found["fetched"]
    assert [one["asked"] for one in (gz, unpacked_gz)] == [["http://a/b/m.onnx.gz"]] * 2
    assert [one["asked"] for one in (br, unpacked_br)] == [["http://a/b/m.onnx.br"]] * 2
    assert all(one["whole"] for one in (gz, unpacked_gz, br, unpacked_br))
    assert br["ending"] == "br"
    assert br["wire"] == 7
    assert br["last"] == [7, 7]
    assert "m.onnx: the file is not what the site's manifest says" in cut["error"]
    assert found["plain"] == [None, 5]


def test_another_file_than_expected_is_of_a_newer_site_where_the_host_has_one(found: dict[str, Any]) -> None:
    assert found["renewed"] == [True, False, False]


def test_both_engines_compute_one_tile_and_the_slower_one_gives_its_memory_back(found: dict[str, Any]) -> None:
    probe = "132x132"  # a core of 96 with its halo
    both = ["open webgpu", f"run webgpu {probe}", f"run webgpu {probe}"]
    both += ["open wasm", f"run wasm {probe}", f"run wasm {probe}", "release wasm"]
    assert (found["both"]["log"], found["both"]["provider"]) == (both, "webgpu")
    assert found["both"]["pace"] == pytest.approx(PACE["webgpu"])
    assert found["forced"]["log"] == both[:3]
    assert found["wasm"]["provider"] == "wasm"
    assert found["wasm"]["pace"] == pytest.approx(PACE["wasm"])
    assert found["released"] == "release wasm"
    assert (found["slower"]["log"], found["slower"]["provider"]) == ([*both[:-1], "release webgpu"], "wasm")


def test_where_one_engine_cannot_run_the_network_the_other_does(found: dict[str, Any]) -> None:
    assert found["lost"]["provider"] == "wasm"
    assert found["none"] == "wasm is lost"


def test_what_was_measured_before_a_stop_is_not_measured_again(found: dict[str, Any]) -> None:
    assert found["known"] == {"log": ["open wasm"], "provider": "wasm", "pace": 5}


def test_the_estimate_is_what_a_large_picture_takes(found: dict[str, Any]) -> None:
    first, short, later = found["told"]
    assert first == {"provider": "wasm", "threads": 3, "seconds": pytest.approx(12 * (530 / 512) ** 2)}
    assert short == first  # a small window says little
    assert later["seconds"] == pytest.approx(2 * first["seconds"])  # a whole tile was slower than the measure
    picture = found["picture"]
    took = picture["progress"][-1]["passed"]
    assert took / picture["megapixels"] == pytest.approx(picture["told"], rel=0.01)


def test_the_time_of_a_picture_is_expected_before_its_first_tile(found: dict[str, Any]) -> None:
    progress = found["picture"]["progress"]
    pixels = 1100 * 1100
    assert [(step["done"], step["next"]) for step in progress] == [
        *((pixels * i // 4, pixels // 4) for i in range(4)),
        (pixels, 0),
    ]
    assert {step["total"] for step in progress} == {pixels}
    for step in progress:
        assert step["expected"] == pytest.approx(progress[-1]["passed"])


def work(case: dict[str, Any], tile: int, wide: int) -> tuple[int, int]:
    """Pixels of a window, and the work of all of them."""
    sides, parts, step = [], 1, case["alignment"]
    around = 2 * ceil(case["halo"] / step) * step
    for length, side in zip(case["size"], (wide, tile), strict=True):
        cuts = edges(0, length, side, step)
        longest = max(stop - start for start, stop in pairwise(cuts))
        sides.append(ceil(longest / step) * step + around)
        parts *= len(cuts) - 1
    return sides[0] * sides[1], parts * (sides[0] - case["halo"]) * (sides[1] - case["halo"])


def test_no_other_grid_costs_less_work_in_windows_of_that_size(found: dict[str, Any]) -> None:
    parts: list[int] = []
    for case, grid in zip(GRIDS, found["grids"], strict=True):
        window, chosen = work(case, grid["tile"], grid["wide"])
        assert window <= case["largest"]
        width, height = case["size"]
        parts.append(len(list(TileGrid(height, width, grid["tile"], 0, case["alignment"], wide=grid["wide"]))))
        columns, rows = ([ceil(length / n) for n in range(1, max(1, length // 64) + 1)] for length in case["size"])
        for tile in rows:
            for wide in columns:
                other, effort = work(case, tile, wide)
                assert other > case["largest"] or effort >= chosen, (case, tile, wide)
    assert parts[:5] == [1, 4, 1, 4, 1]


def test_out_of_memory_makes_smaller_tiles_for_the_next_picture_too(found: dict[str, Any]) -> None:
    first, second = found["memory"]
    for one in (first, second):
        assert_enlarged(one["data"])
    tried = [width * height for width, height in first["sides"]]
    assert tried[0] == (121 + 4) * (81 + 4)  # the whole picture, then its quarters, then theirs
    assert sum(pixels > MEMORY for pixels in tried) == 2
    assert tried[-1] <= MEMORY
    assert all(width * height <= MEMORY for width, height in second["sides"])


def test_a_core_that_is_larger_than_those_of_the_smaller_grid_is_whole(found: dict[str, Any]) -> None:
    wide, high = found["uneven"]
    assert_enlarged(wide)
    assert_enlarged(high, PICTURE.reshape(3, 121, 81))


def test_a_tile_that_did_not_fit_is_not_tried_by_the_next_pass(found: dict[str, Any]) -> None:
    assert found["passes"] == 1


def test_a_strip_that_does_not_fit_is_cut_along_its_length(found: dict[str, Any]) -> None:
    assert found["strip"] == {"size": 4 * 800 * 16, "tooLarge": 2}  # the whole, then its half


def test_what_smaller_tiles_do_not_help_is_thrown(found: dict[str, Any]) -> None:
    assert "failed to allocate" in found["full"]
    assert found["odd"] == {"text": "no such operator", "runs": 1}


def assert_enlarged(levels: list[int], picture: np.ndarray = PICTURE) -> None:
    expected = np.round(picture.astype(np.float64).repeat(2, 1).repeat(2, 2) * 255)
    data = np.array(levels).reshape(*expected.shape[1:], 4)
    assert np.abs(data[..., :3] - expected.transpose(1, 2, 0)).max() <= 1
    assert (data[..., 3] == 255).all()


def test_a_stop_ends_the_worker_and_the_other_calls_go_on_in_a_new_one(found: dict[str, Any]) -> None:
    assert found["lazy"] == 0  # nothing is started before it is needed
    calls = found["calls"]
    assert calls["kept"]  # a call that waits is stopped without it
    opened = {"file": "m", "provider": "wasm", "pace": 9}
    assert calls["steps"] == [{"opened": opened}, {"done": 1, "total": 2}]  # the engine is known before the first tile
    assert calls["answers"] == [
        {"kind": "cancelled", "text": "upscale"},
        {"kind": "cancelled", "text": "tag"},
        {"value": "third"},
        {"kind": "failed", "text": "it broke"},
        {"value": None},
    ]
    first, second, third = calls["workers"]
    assert [worker["ended"] for worker in (first, second, third)] == [True, True, False]
    site = {"base": "http://a/b/", "manifest": "M", "options": "O"}
    assert second["got"][0] == {"site": {**site, "known": {"m": opened}}}
    assert [message["id"] for message in first["got"][1:]] == [1]  # one after the other
    assert [message["id"] for message in second["got"][1:]] == [3, 4]
    assert third["got"][1:] == [{"id": 5, "task": "tag", "file": 5}]
    assert first["url"] == "http://a/b/engine/worker.js"


def test_the_bar_goes_on_between_two_tiles_and_never_back(found: dict[str, Any]) -> None:
    progress = found["progress"]
    shares = [one["share"] for one in progress]
    assert shares == sorted(shares)
    start, quarter, late, half, later, next_frame, end = progress
    assert start == {"share": 0, "left": 20}
    assert quarter == {"share": 0.125, "left": pytest.approx(17.5)}
    assert late["share"] == pytest.approx(0.25 * 0.95)  # of a tile that takes longer than expected
    assert half == {"share": 0.25, "left": pytest.approx(300)}  # after 100 s
    assert later == {"share": pytest.approx(0.275), "left": pytest.approx(290)}
    assert next_frame == {"share": 0.5, "left": pytest.approx(200)}
    assert end == {"share": 1, "left": 0}

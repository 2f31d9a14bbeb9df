"""The page's engine, run by node, has Python's arithmetic: one table of tiling cases, sizes, resizing, alpha, tags."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from repository import ROOT
from senga.arch.image import bleed, resize
from senga.arch.pictures.sizes import pass_sizes, target_size
from senga.arch.preprocessing import Preprocessing, preprocess
from senga.arch.tags import Options, choose
from senga.arch.tiling import Tile, TileGrid, edges, run_tiles
from senga.arch.vocabulary import TagVocabulary

HERE = Path(__file__).parent
CASES = json.loads((HERE / "tiling_cases.json").read_text(encoding="utf-8"))
NUMBERS = np.random.default_rng(3)


def corners(tile: Tile) -> list[int]:
    return [tile.top, tile.left, tile.bottom, tile.right]


def plane(*shape: int) -> np.ndarray:
    return NUMBERS.random(shape, dtype=np.float32)


def listed(array: np.ndarray) -> list[float]:
    return array.ravel().tolist()


RESIZES = [((13, 9), (31, 20), "bicubic"), ((40, 33), (17, 8), "bicubic"), ((1, 5), (3, 1), "bicubic")]
RESIZES += [((40, 33), (17, 8), "bilinear")]
PLANES = [plane(height, width) for (width, height), _, _ in RESIZES]  # sides are (width, height)
HOLES = (plane(3, 13, 21), np.where(plane(1, 13, 21) < 0.7, 0, plane(1, 13, 21)).astype(np.float32))
PREPARED = [(plane(3, 50, 31), "bicubic"), (plane(4, 20, 77), "bicubic"), (plane(3, 1, 9), "bilinear")]
PAD = (1.0, 0.5, 0.25)
FLAT = np.full((3, 60, 60), 0.5, dtype=np.float32)
SPRITE = np.concatenate([plane(3, 24, 40), np.zeros((1, 24, 40), dtype=np.float32)])
SPRITE[3, 8:20, 4:12] = 1
UPSCALED: list[tuple[np.ndarray, dict[str, Any]]] = [
    (plane(3, 37, 50), {"scale": 2, "tile": 1000}),
]
PICTURE = UPSCALED[0][0]
UPSCALED += [
    (PICTURE, {"scale": 2, "tile": 16}),
    (PICTURE, {"width": 60, "height": 0, "tile": 16}),
    (FLAT, {"scale": 4, "tile": 16}),
    (SPRITE, {"scale": 2, "tile": 8}),
    (plane(3, 1, 1), {"scale": 2}),
]
MOVING = [NUMBERS.integers(0, 256, (7, 11, 4), dtype=np.uint8) for _ in range(2)]
MOVING[0][..., 3] = 255  # opaque, and the next one is not
LONGEST = 65_535 * 1000
TIMES = [(40, False), (65_535, True), (65_540, True), (655_350, True), (1_234_567, False), (2 * LONGEST, True)]
SHOWN = [40, 65_535, 65_540, 655_350, 1_234_600, LONGEST]  # what two numbers of 16 bits can say


@pytest.fixture(scope="module")
def found(node: Callable[..., str]) -> dict[str, Any]:
    given = {
        "resize": [
            {"values": listed(values), "from": size, "to": to, "mode": mode}
            for values, (size, to, mode) in zip(PLANES, RESIZES, strict=True)
        ],
        "bleed": {
            "colour": [listed(part) for part in HOLES[0]],
            "alpha": listed(HOLES[1]),
            "size": HOLES[1].shape[:0:-1],
        },
        "prepare": [
            {
                "planes": [listed(part) for part in planes],
                "size": planes.shape[:0:-1],
                "preprocessing": {"size": 32, "pad_colour": PAD, "resize": mode},
            }
            for planes, mode in PREPARED
        ],
        "upscale": [
            {"planes": [listed(part) for part in planes], "size": planes.shape[:0:-1], "options": options}
            for planes, options in UPSCALED
        ],
        "animation": {
            "size": (11, 7),
            "frames": [frame.ravel().tolist() for frame in MOVING],
            "times": [{"time": time, "repeated": repeated} for time, repeated in TIMES],
            "plays": 3,
        },
    }
    script, cases = HERE / "engine.mjs", HERE / "tiling_cases.json"
    return json.loads(node(script, ROOT / "page" / "engine", cases, given=json.dumps(given)))


def test_the_table_of_tiling_cases_is_pythons() -> None:
    for case in CASES["edges"]:
        assert edges(*case["in"]) == case["out"]
    for case in CASES["grids"]:
        sides = (case["height"], case["width"], case["tile"])
        grid = TileGrid(*sides, case["halo"], case["alignment"], wide=case.get("wide", 0))
        assert grid.halo == case["rounded"]
        assert [corners(core) for core in grid] == case["cores"]
        assert [corners(grid.window(core)) for core in grid] == case["windows"]
    for case in CASES["halved"]:
        tile, wide, alignment = case["in"]
        half = TileGrid(100, 100, tile, 0, alignment, wide=wide).halved()
        assert [half.tile, half.wide] == case["out"]
    for case in CASES["sizes"]:
        width, height, scale, factor = case["in"]
        target = target_size(width, height, scale, factor, None)
        assert [list(target), [list(size) for size in pass_sizes(width, height, scale, target)]] == [
            case["target"],
            case["passes"],
        ]


def test_the_table_of_tiling_cases_is_the_pages(found: dict[str, Any]) -> None:
    assert found["edges"] == [case["out"] for case in CASES["edges"]]
    keys = ("rounded", "cores", "windows")
    assert found["grids"] == [{key: case[key] for key in keys} for case in CASES["grids"]]
    assert found["halved"] == [case["out"] for case in CASES["halved"]]
    assert found["sizes"] == [{"target": case["target"], "passes": case["passes"]} for case in CASES["sizes"]]


def test_running_out_of_memory_halves_the_tile_as_in_python(found: dict[str, Any]) -> None:
    for case, other in zip(CASES["memory"], found["memory"], strict=True):
        after, side = case["fits"]
        seen: list[list[int]] = []

        def fill(core: Tile, _: Tile, seen=seen, after=after, side=side) -> None:
            if len(seen) >= after and max(core.bottom - core.top, core.right - core.left) > side:
                raise MemoryError
            seen.append(corners(core))

        grid = TileGrid(case["height"], case["width"], case["tile"], 0, case["alignment"])
        used = run_tiles(grid, Tile(0, 0, grid.height, grid.width), fill, lambda: None, lambda _: None)
        assert other["cores"] == seen
        assert other["tile"] == used.tile
        assert len(seen) == case["done"]
        assert sum(other["pixels"]) == case["height"] * case["width"]


def test_all_windows_of_a_grid_have_one_size_and_hold_the_context(found: dict[str, Any]) -> None:
    for case, windows in zip(CASES["grids"], found["fixed"], strict=True):
        assert len({(bottom - top, right - left) for top, left, bottom, right in windows}) == 1
        halo = case["rounded"]
        for core, window in zip(case["cores"], windows, strict=True):
            assert [window[0] + halo, window[1] + halo] == core[:2]
            assert window[2] - halo >= core[2]
            assert window[3] - halo >= core[3]


def test_resizing_is_torchs_and_pillows(found: dict[str, Any]) -> None:
    filters = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
    for values, (_, to, mode), other in zip(PLANES, RESIZES, found["resized"], strict=True):
        mine = np.array(other, dtype=np.float32).reshape(to[::-1])
        if mode == "bicubic":
            expected = resize(torch.from_numpy(values)[None, None], to[1], to[0])[0, 0].numpy()
            np.testing.assert_allclose(mine, expected, atol=1e-5)
        pillow = np.asarray(Image.fromarray(values).resize(to, filters[mode])).clip(0, 1)
        np.testing.assert_allclose(mine, pillow, atol=1e-5)


def test_colour_under_transparent_pixels_is_filled_as_in_python(found: dict[str, Any]) -> None:
    colour, alpha = (torch.from_numpy(part)[None] for part in HOLES)
    np.testing.assert_allclose(np.ravel(found["bled"]), bleed(colour, alpha).numpy().ravel(), atol=1e-5)


def test_a_taggers_input_is_pythons(found: dict[str, Any]) -> None:
    for (planes, mode), other in zip(PREPARED, found["prepared"], strict=True):
        settings = Preprocessing(32, mean=(0, 0, 0), std=(1, 1, 1), pad_colour=PAD, resize=mode)
        expected = preprocess(torch.from_numpy(planes)[None], settings)
        np.testing.assert_allclose(other, expected.numpy().ravel(), atol=1e-5)


def test_tiles_equal_the_whole_picture(found: dict[str, Any]) -> None:
    whole, tiled, fitted = (np.array(case["data"]) for case in found["upscaled"][:3])
    assert np.array_equal(whole, tiled)
    assert len(found["upscaled"][0]["calls"]) == 1
    assert len(found["upscaled"][1]["calls"]) == 12
    padded = np.pad(PICTURE, ((0, 0), (2, 2), (2, 2)), mode="edge")
    mean = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2)).mean((3, 4))
    expected = np.round(mean.repeat(2, 1).repeat(2, 2) * 255)
    assert np.abs(whole.reshape(74, 100, 4)[..., :3] - expected.transpose(1, 2, 0)).max() <= 1
    assert (whole.reshape(74, 100, 4)[..., 3] == 255).all()
    assert fitted.size == 60 * 44 * 4


def test_one_colour_costs_one_small_run_and_transparency_none(found: dict[str, Any]) -> None:
    flat, sprite, dot = found["upscaled"][3:]
    assert flat["calls"] == [[5, 5]]
    assert set(np.array(flat["data"]).reshape(-1, 4)[:, 0]) == {128}
    assert flat["progress"][0] == [0, 60 * 60 * 5]
    assert flat["progress"][-1] == [60 * 60 * 5, 60 * 60 * 5]
    assert len(sprite["calls"]) < 15 + 15  # of two passes of 15 tiles
    alpha = np.array(sprite["data"]).reshape(48, 80, 4)[..., 3]
    assert (alpha[20:36, 12:20] == 255).all()
    assert (alpha[:, 32:] == 0).all()
    assert len(dot["data"]) == 2 * 2 * 4


def test_frames_are_compressed_when_they_come_and_keep_long_times(found: dict[str, Any]) -> None:
    image = Image.open(io.BytesIO(base64.b64decode(found["animation"])))
    assert (getattr(image, "n_frames", 1), image.info["loop"]) == (len(TIMES), 3)
    frame = 0
    for i, (_, repeated) in enumerate(TIMES):
        frame += i > 0 and not repeated
        image.seek(i)
        assert image.info["duration"] == pytest.approx(SHOWN[i])
        assert np.array_equal(np.asarray(image.convert("RGBA")), MOVING[frame])


def test_a_still_has_alpha_where_it_needs_it(found: dict[str, Any]) -> None:
    opaque, clear = (Image.open(io.BytesIO(base64.b64decode(still))) for still in found["stills"])
    assert (opaque.mode, clear.mode) == ("RGB", "RGBA")
    assert np.array_equal(np.asarray(opaque), MOVING[0][..., :3])
    assert np.array_equal(np.asarray(clear), MOVING[1])


def test_tags_are_chosen_and_written_as_in_python(found: dict[str, Any]) -> None:
    names = ("1girl", "long_hair", "^_^", "cat_(animal)", "miku", "safe")
    kinds = ("general",) * 4 + ("character", "rating")
    words = TagVocabulary(names, kinds, untrained=("rating",), exclusive=(("1girl", "long_hair"),))
    scores = [0.5, 0.9, 0.4, 0.36, 0.95, 0.2]
    tags = found["tags"]
    assert tags["chosen"] == [name for name, _ in choose(scores, words, Options(general_threshold=0.38)).chosen]
    assert tags["prompt"] == choose(scores, words, Options(general_threshold=0.3)).tags
    caption = Options(general_threshold=0.3, character_threshold=0.99, escape_parentheses=False)
    assert tags["caption"] == choose(scores, words, caption).tags
    assert tags["ranked"]["rating"] == "not trained"
    assert "1girl" not in tags["prompt"]  # long hair excludes it here

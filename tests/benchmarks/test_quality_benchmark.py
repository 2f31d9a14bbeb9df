"""The quality benchmark: its pictures, its metrics, the tables' arithmetic, and the command end to end."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from sample_quality_pictures import data_set, made_file, source, waves
from sample_upscalers import small_model
from senga.arch import SengaError, save_model
from senga.benchmarks import (  # pyright: ignore[reportMissingImports]
    docs_tables,
    peer_weights,
    quality,
    quality_bf16,
    quality_contenders,
    quality_crops,
    quality_metrics,
    quality_pictures,
    quality_table,
)
from senga.benchmarks.quality_contenders import Score  # pyright: ignore[reportMissingImports]
from senga.benchmarks.quality_pictures import Source, make_pair  # pyright: ignore[reportMissingImports]

BEGIN, END = docs_tables.markers("python -m benchmarks.quality")

# Pictures and their damage


def test_clean_pairs_are_pillows_bicubic_and_scale_1_is_the_picture_itself():
    made = source()
    small = np.asarray(Image.fromarray(made.picture).resize((24, 24), Image.Resampling.BICUBIC))
    assert np.array_equal(make_pair(made, 2, "clean").small, small)
    assert np.array_equal(make_pair(made, 1, "clean").small, made.picture)
    assert np.array_equal(make_pair(made, 2, "q75").large, made.picture)
    with pytest.raises(SengaError, match=r"a\.png: 48x48 pixels are not a multiple of 5"):
        make_pair(made, 5, "clean")


def test_every_condition_does_more_damage_than_the_one_before():
    made = source()
    errors = [
        float(np.abs(make_pair(made, 1, name).small.astype(int) - made.picture).mean())
        for name in ("clean", "q95", "q75", "q50")
    ]
    assert errors[0] == 0
    assert errors == sorted(set(errors))
    assert list(quality_pictures.CONDITIONS) == ["clean", "q95", "q75", "q50", "twice"]


def test_two_passes_are_two_savings_with_the_grid_of_blocks_moved(tmp_path):
    picture = waves()

    def save(levels, quality_):
        Image.fromarray(levels).save(tmp_path / "x.jpg", quality=quality_, subsampling="4:2:0")
        return np.asarray(Image.open(tmp_path / "x.jpg"))

    moved = np.pad(save(picture, 75), ((5, 0), (3, 0), (0, 0)), mode="edge")
    assert np.array_equal(make_pair(source(), 1, "twice").small, save(moved, 60)[5:, 3:])
    assert np.array_equal(make_pair(source(), 1, "q50").small, save(picture, 50))


# Metrics


@pytest.mark.parametrize(("right", "down"), [(0.0, 0.0), (0.5, 0.0), (0.0, -0.3), (-0.4, 0.6)])
def test_the_offset_finds_a_picture_moved_by_a_fraction(right, down):
    values = quality_metrics.measure(waves(64, right, down), waves(64), 2, ["offset"])
    assert values["right"] == pytest.approx(right, abs=0.03)
    assert values["down"] == pytest.approx(down, abs=0.03)
    assert values["offset"] == max(abs(values["right"]), abs(values["down"]))


def test_a_moved_picture_is_as_good_as_another_once_it_is_moved_back():
    reference = waves(64)
    values = quality_metrics.measure(waves(64, 0.2, -0.15), reference, 2, ["psnr", "aligned"])
    assert values["psnr"] < 40
    assert values["aligned"] > values["psnr"] + 8
    noise = np.random.default_rng(0).integers(-9, 10, reference.shape)
    blurred = np.clip(reference + noise, 0, 255).astype(np.uint8)
    values = quality_metrics.measure(blurred, reference, 2, ["psnr", "aligned"])
    assert values["aligned"] == pytest.approx(values["psnr"], abs=0.3)


def test_a_flat_picture_has_no_offset():
    flat = np.full((32, 32, 3), 90, np.uint8)
    assert quality_metrics.measure(flat, flat, 2, ["offset"]) == {"offset": 0, "right": 0, "down": 0}


def test_metrics_look_at_the_shaved_picture_and_name_their_columns():
    reference, output = waves(), waves()
    output[:2] = output[:, -2:] = 0
    assert quality_metrics.measure(output, reference, 2, ["psnr", "ssim", "shift"]) == {
        "psnr": 100,
        "ssim": 1,
        "shift": 0,
        "red": 0,
        "green": 0,
        "blue": 0,
    }
    brighter = waves()
    brighter[..., 2] += 4
    assert quality_metrics.measure(brighter, reference, 2, ["shift"]) == {"shift": 4, "red": 0, "green": 0, "blue": 4}
    with pytest.raises(SengaError, match="expected equal shapes"):
        quality_metrics.measure(output[1:], reference, 2, ["psnr"])


def test_flip_is_0_for_equal_pictures_and_grows():
    pytest.importorskip("flip_evaluator")
    reference = waves()
    values = [quality_metrics.flip(np.roll(reference, by, axis=0), reference) for by in (0, 1, 4)]
    assert values[0] == 0
    assert 0 < values[1] < values[2] < 1
    # NVIDIA's own figure: black against white is all there is.
    black, white = (np.full((32, 32, 3), level, np.uint8) for level in (0, 255))
    assert quality_metrics.flip(black, white) == pytest.approx(0.969, abs=0.005)


# Tables

SIDES = {"filter": "filter", "peer": "peer", "rival": "peer", "mine": "ours"}


def scores(table, metric="psnr", condition="clean"):
    """{contender: [value of each picture]} -> scores; pictures are of two groups in turn."""
    return [
        Score(name, SIDES[name], 2, condition, f"{i}.png", "odd" if i % 2 else "even", {metric: value})
        for name, values in table.items()
        for i, value in enumerate(values)
    ]


def leads(made, metric, title=""):
    table = quality_table.leads(made, metric, title)
    assert table is not None
    return table


def test_means_and_pictures_won_with_a_tie_counted_for_both():
    table = quality_table.means(
        scores({"filter": [30, 20, 10], "peer": [31, 22, 25], "mine": [32, 22, 24]}), "psnr", ""
    )
    assert table.header == ["", "clean"]
    assert table.rows == [["filter", "20.00 (0)"], ["peer", "*25.00 (2)"], ["mine", "*25.00 (2)"]], "groups count alike"


def test_for_some_metrics_less_is_better():
    made = scores({"filter": [0.3, 0.2], "mine": [0.1, 0.3]}, "flip")
    assert quality_table.means(made, "flip", "").rows == [["filter", "0.2500 (1)"], ["mine", "*0.2000 (1)"]]
    lead = leads(made, "flip")
    assert lead.rows[0][2:] == ["0.2000", "0.2500", "filter", "-0.0500 ± 0.1500", "1 of 2"]


def test_the_lead_is_over_the_peer_with_the_best_mean_picture_by_picture():
    made = scores({"filter": [20, 20, 20], "peer": [30, 33, 36], "rival": [40, 20, 20], "mine": [31, 32, 39]})
    lead = leads(made, "psnr", "x2: ")
    assert lead.title == "x2: PSNR_Y (dB), against the best other"
    # Differences +1, -1, +3: mean 1, variance 4, standard error 2 / sqrt(3).
    assert lead.rows == [["mine", "clean", "34.00", "33.00", "peer", "+1.00 ± 1.15", "2 of 3"]]
    assert quality_table.leads(scores({"filter": [1], "peer": [2]}), "psnr", "") is None


def test_each_condition_is_won_and_led_by_itself():
    made = scores({"peer": [30], "rival": [29], "mine": [31]}) + scores(
        {"peer": [20], "rival": [22], "mine": [21]}, condition="q75"
    )
    assert quality_table.means(made, "psnr", "").rows[-1] == ["mine", "*31.00 (1)", "21.00 (0)"]
    assert [[row[1], row[4], row[6]] for row in leads(made, "psnr").rows] == [
        ["clean", "peer", "1 of 1"],
        ["q75", "rival", "0 of 1"],
    ]


def test_groups_have_their_own_means():
    table = quality_table.groups(scores({"peer": [30, 20, 40], "mine": [1, 2, 3]}), "psnr", "clean", "x2: ")
    assert table.header == ["", "even (2)", "odd (1)", "domains alike"]
    assert table.rows == [["peer", "35.00", "20.00", "27.50"], ["mine", "2.00", "2.00", "2.00"]]


def test_tables_as_text_and_markdown():
    table = quality_table.Table("t", ["", "clean"], [["a", "1.00"], ["long", "*2.00 (1)"]])
    assert table.as_text() == "t\n          clean\na          1.00\nlong  *2.00 (1)\n"
    assert table.as_markdown() == "**t**\n\n|  | clean |\n| --- | ---: |\n| a | 1.00 |\n| long | **2.00** (1) |\n"


# bf16, sheets, the command


def test_the_difference_of_two_pictures_in_figures():
    a = torch.full((1, 10, 10, 3), 120 / 255)
    b = a.clone()
    b[0, 0, :, 0] += 3 / 255  # 10 of 300 values
    b[0, 1, :, 0] += 1.2 / 255
    found = quality_bf16.difference(b, a)
    assert (found.changed, found.far, found.worst) == (pytest.approx(20 / 300), pytest.approx(10 / 300), 3)
    assert found.db == pytest.approx(-10 * np.log10(10 * (3**2 + 1.2**2) / 255**2 / 300), abs=1e-3)
    assert quality_bf16.difference(a, a).db == 100


def test_bf16_is_compared_with_fp32_of_the_same_weights(tmp_path, monkeypatch, caplog):
    path = made_file(tmp_path)
    pairs = {2: [make_pair(source(), 2, "clean")]}
    monkeypatch.setattr(peer_weights, "PACKAGE", "no_such_package_here")
    rows = quality_bf16.table([path], ["x4plus"], pairs).rows
    assert "left out: peer networks come with the package no-such-package-here" in caplog.text
    assert len(rows) == 1
    row = rows[0]
    assert row[0] == "mine"
    assert 25 < float(row[1]) < 100
    assert row[1] == row[2]


def test_a_sheet_shows_the_same_detail_of_all(tmp_path):
    pair = make_pair(
        Source("some/a.png", "made", np.pad(waves(96), ((0, 96), (96, 0), (0, 0)), constant_values=128)), 2, "q75"
    )
    assert quality_crops.detail(pair.large, 2) == (0, 96)
    runners = [
        quality_contenders.Runner(c, quality_contenders.Cache(tmp_path / "kept")) for c in quality_contenders.filters(2)
    ]
    path = quality_crops.write(tmp_path / "sheets", pair, runners)
    assert path.name == "x2_q75_some_a.png"
    with Image.open(path) as image:
        page = np.asarray(image)
    side = quality_crops.DETAIL * quality_crops.ENLARGED
    gap, label = quality_crops.GAP, quality_crops.LABEL
    tiles = [page[gap + label :, gap + i * (side + gap) :][:side:3, :side:3] for i in range(4)]
    assert np.array_equal(tiles[0], pair.small.repeat(2, 0).repeat(2, 1)[:96, 96:])
    assert np.array_equal(tiles[3], pair.large[:96, 96:])
    assert np.array_equal(tiles[1], runners[0].output(pair)[:96, 96:])


def test_the_command_prints_tables_and_writes_csv_sheets_and_docs(tmp_path, capsys, monkeypatch):
    folder = data_set(tmp_path)
    mine = made_file(tmp_path)
    docs = tmp_path / "quality.md"
    docs.write_text(f"before\n{BEGIN}-->\nold\n{END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(quality, "QUALITY", docs)
    monkeypatch.setattr(quality, "BF16_PEERS", ())
    common = [
        "--models",
        str(mine),
        "--data",
        str(folder),
        "--cache",
        str(tmp_path / "kept"),
        "--peers",
        "none",
        "--scale",
        "2",
    ]
    options = ["--metrics", "psnr", "ssim", "--conditions", "clean", "q75", "--by-domain", "q75", "--bf16"]
    files = ["--csv", str(tmp_path / "s.csv"), "--crops", str(tmp_path / "sheets"), "--sheets", "1", "--write-docs"]
    assert quality.main([*common, *options, *files]) == 0
    text = capsys.readouterr().out
    assert text.startswith("2 pictures of 192x192 pixels (source_0 1, source_1 1)\n\nx2: PSNR_Y (dB)\n")
    assert [line.split()[0] for line in text.splitlines()[4:7]] == ["bicubic", "lanczos", "mine"]
    with (tmp_path / "s.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 3 * 2 * 2
    bicubic = [float(row["psnr"]) for row in lines if row["name"] == "bicubic" and row["condition"] == "q75"]
    assert f"{sum(bicubic) / 2:.2f} (" in text.splitlines()[4]
    assert lines[0]["domain"] == "source_0"
    assert sorted(path.name for path in (tmp_path / "sheets").iterdir()) == ["x2_clean_0.png", "x2_q75_0.png"]
    page = docs.read_text(encoding="utf-8")
    # The options that made the numbers, and no folder of this machine.
    made = f"{BEGIN}--models mine.safetensors --scale 2 --conditions clean q75 --peers none --metrics psnr ssim"
    assert page.startswith(f"before\n{made} --by-domain q75 --bf16 -->\n")
    assert str(tmp_path) not in page
    assert "\nold\n" not in page
    assert page.endswith(f"{END}\nafter\n")
    assert "| mine |" in page
    assert quality.main([*common, *options, "--markdown"]) == 0  # from what was kept, and the same
    assert capsys.readouterr().out.splitlines()[2:] == page.split("-->\n\n")[1].split(f"\n{END}")[0].splitlines()[2:]


def test_at_scale_1_the_damaged_picture_itself_is_the_baseline(tmp_path, capsys):
    folder = data_set(tmp_path)
    path = tmp_path / "clean.safetensors"
    save_model(path, small_model("rrdb", scale=1, features=4, growth=2))
    options = [
        "--cache",
        str(tmp_path / "kept"),
        "--peers",
        "none",
        "--metrics",
        "psnr",
        "--conditions",
        "clean",
        "q50",
    ]
    assert quality.main(["--models", str(path), "--data", str(folder), "--scale", "1", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[4].split()[:2] == ["untouched", "*100.00"]
    assert float(lines[4].split()[3].lstrip("*")) < 50
    assert lines[5].split()[0] == "clean"


def test_several_processes_keep_the_order(tmp_path, monkeypatch):
    class Pool:  # in this process, and finishing in reverse
        def __init__(self, *_):
            self.waiting = []

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def submit(self, call, *args):
            from concurrent.futures import Future

            future = Future()
            future.set_result(call(*args))
            return future

    monkeypatch.setattr(quality, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(quality, "as_completed", lambda waiting: list(waiting)[::-1])
    pairs = [make_pair(source(), 2, "clean")]
    work = [(contender, pairs) for contender in quality_contenders.filters(2)]
    found = quality.score_all(work, ["psnr"], tmp_path, 2)
    assert [score.name for score in found] == ["bicubic", "lanczos"]
    assert found == quality.score_all(work, ["psnr"], tmp_path, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--peers", "spam"], "peer 'spam' is unknown"),
        (["--models", "no/such.safetensors"], "no such file"),
        (["--conditions", "clean", "--by-domain", "q75"], "--by-domain q75 is not among --conditions clean"),
        (["--data", "no/such/folder", "--peers", "none"], "there is no such folder"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(change, message, tmp_path, capsys, caplog):
    assert quality.main(["--data", str(data_set(tmp_path)), *change]) == 2
    assert capsys.readouterr().out == ""
    assert message in caplog.text


def test_docs_without_markers_are_not_touched(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("no markers", encoding="utf-8")
    with pytest.raises(SengaError, match="has no lines '<!-- made by"):
        docs_tables.write_docs(page, "python -m benchmarks.quality", "tables")
    assert page.read_text(encoding="utf-8") == "no markers"


@pytest.mark.parametrize(
    ("program", "path"),
    [
        ("quality", docs_tables.QUALITY),
        ("complaints", docs_tables.QUALITY),
        ("training_questions", docs_tables.TRAINING),
        ("architectures", docs_tables.TRAINING),
        ("training_threads", docs_tables.TRAINING),
    ],
)
def test_the_docs_page_has_its_markers(program, path):
    begin, end = docs_tables.markers(f"python -m benchmarks.{program}")
    page = path.read_text(encoding="utf-8")
    assert page.count(begin) == page.count(end) == 1
    assert page.index(begin) < page.index(end)

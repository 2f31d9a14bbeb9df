"""What a run leaves to be read: contact sheets, curves, report.md."""

import json
import logging
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from senga.arch import SengaError
from senga.training.run.report import Plot, arrange, draw_curves, read_curve, write_report
from senga.training.run.sheet import CAPTION, GAP, SheetRow, contact_sheet, draw_grid
from senga.training.sr.report import SR_PLOTS, USE

COLUMNS = (
    "step,loss,psnr_y,ssim_y,ssimulacra2,colour_shift,psnr_y_lanczos,learning_rate,images_per_second,waiting,seconds"
)
CURVE = f"""{COLUMNS}
500,0.05,27.5,0.88,,0.1,28.05,0.001,50,0.02,1800
1000,0.02,29.5,0.9,65.5,-0.1,28.05,0.0005,51,0.02,3600
1500,0.01,30.25,0.91,,0.05,28.05,0,52,0.02,900
"""


def colour(height: int, width: int, value: tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def curve(tmp_path: Path, text: str = CURVE) -> Path:
    path = tmp_path / "curve.csv"
    path.write_text(text, encoding="utf-8")
    return path


class TestGrid:
    def test_columns_are_as_wide_and_rows_as_high_as_their_largest(self):
        tiles = [colour(10, 30, (255, 0, 0)), colour(20, 50, (0, 255, 0)), colour(40, 60, (0, 0, 255))]
        sheet = draw_grid([("", tile) for tile in tiles], columns=2)
        assert sheet.shape == (3 * GAP + 2 * CAPTION + 20 + 40, 3 * GAP + 60 + 50, 3)
        places = [(0, 0), (0, 60 + GAP), (20 + CAPTION + GAP, 0)]
        expected = np.full_like(sheet, 255)
        for tile, (top, left) in zip(tiles, places, strict=True):
            top, left = top + GAP + CAPTION, left + GAP
            expected[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
        assert np.array_equal(sheet, expected)

    def test_fewer_pictures_than_columns_leave_no_empty_columns(self):
        assert draw_grid([("a", colour(10, 30, (0, 0, 0)))], columns=5).shape[1] == 2 * GAP + 30

    @pytest.mark.parametrize("caption", ["a.png", "x" * 300, "picture_of_a_long_name_0123.webp"])
    def test_captions_stand_above_their_picture_and_in_their_column(self, caption):
        white = colour(40, 90, (255, 255, 255))
        sheet = draw_grid([(caption, white), ("", white)], columns=2)
        inked = np.argwhere(sheet.min(axis=2) < 128)
        assert len(inked) > 20
        assert inked[:, 0].min() >= GAP
        assert inked[:, 0].max() < GAP + CAPTION
        assert inked[:, 1].min() >= GAP
        assert inked[:, 1].max() < GAP + 90

    def test_a_long_name_keeps_its_beginning_and_its_end(self):
        white = colour(40, 120, (255, 255, 255))
        names = [
            f"beginning_{middle}_all_of_them_{end}.webp" for middle, end in (("a" * 9, 1), ("b" * 9, 1), ("a" * 9, 2))
        ]
        sheets = [draw_grid([(name, white)], columns=1) for name in names]
        assert np.array_equal(sheets[0], sheets[1])
        assert not np.array_equal(sheets[0], sheets[2])


class TestContactSheet:
    @staticmethod
    def row(side: int, **more: object) -> SheetRow:
        rng = np.random.default_rng(0)
        lr, ours, hr = (rng.integers(0, 256, (s, s, 3), np.uint8) for s in (side // 2, side, side))
        return SheetRow("a.png", lr, ours, hr, **more)  # type: ignore[arg-type]

    def test_shows_lr_ours_and_hr_of_each_row(self, tmp_path):
        rows = [self.row(200), self.row(200)]
        contact_sheet(rows, tmp_path / "sheet.png")
        sheet = read(tmp_path / "sheet.png")
        assert sheet.shape == (2 * (200 + CAPTION + GAP) + GAP, 3 * (200 + GAP) + GAP, 3)
        for i, row in enumerate(rows):
            top = GAP + CAPTION + i * (200 + CAPTION + GAP)
            shown = [sheet[top : top + 200, GAP + j * (200 + GAP) :][:, :200] for j in range(3)]
            assert np.array_equal(shown[0], row.lr.repeat(2, axis=0).repeat(2, axis=1))
            assert np.array_equal(shown[1], row.ours)
            assert np.array_equal(shown[2], row.hr)

    def test_a_baseline_stands_between_the_first_and_ours(self, tmp_path):
        baseline = colour(200, 200, (1, 2, 3))
        contact_sheet([self.row(200, baseline=baseline), self.row(200)], tmp_path / "sheet.png")
        sheet = read(tmp_path / "sheet.png")
        assert sheet.shape[1] == 4 * (200 + GAP) + GAP
        assert np.array_equal(sheet[GAP + CAPTION :, 2 * GAP + 200 :][:200, :200], baseline)

    def test_small_pictures_are_enlarged_by_a_whole_factor(self, tmp_path):
        row = self.row(50)
        contact_sheet([row], tmp_path / "sheet.png")
        ours = read(tmp_path / "sheet.png")[GAP + CAPTION :, 2 * GAP + 200 :][:200, :200]
        assert np.array_equal(ours, row.ours.repeat(4, axis=0).repeat(4, axis=1))

    @pytest.mark.parametrize("baseline", [None, colour(200, 200, (9, 9, 9))])
    def test_both_psnr_are_written(self, baseline, tmp_path):
        sheets = []
        for before, after in ((27.31, 31.25), (27.32, 31.25), (27.31, 31.26), (None, None)):
            contact_sheet([self.row(200, baseline=baseline, before=before, after=after)], tmp_path / "sheet.png")
            sheets.append(read(tmp_path / "sheet.png")[: GAP + CAPTION].tobytes())
        assert len(set(sheets)) == 4

    def test_no_rows_are_an_error(self, tmp_path):
        with pytest.raises(SengaError, match="a contact sheet needs a picture"):
            contact_sheet([], tmp_path / "sheet.png")


class TestCurve:
    def test_empty_cells_are_left_out(self, tmp_path):
        found = read_curve(curve(tmp_path))
        assert found["ssimulacra2"] == [(1000, 65.5)]
        assert found["loss"] == [(500, 0.05), (1000, 0.02), (1500, 0.01)]
        assert "step" not in found

    def test_steps_done_again_replace_the_old_ones(self, tmp_path):
        text = "step,loss\n500,3\n1000,2\n1500,9\n1000,1\n"
        assert read_curve(curve(tmp_path, text))["loss"] == [(500, 3), (1000, 1), (1500, 9)]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("loss\n1\n", "has no column 'step'; its first line is 'loss'"),
            ("", "has no column 'step'"),
            ("step,loss\n1,0.5\n2,much\n", "line 3, column loss: 'much' is not a number"),
            pytest.param(
                f"step,loss\n1,{'x' * 200_000}\n",
                r"curve\.csv: is not CSV that can be read .*; look at its quotation marks",
                id="a cell of 200,000 characters",
            ),
            pytest.param(
                f"step,loss\n1,{'x' * 5000}\n",
                r"^.{,300}\.\.\. is not a number; expected one, or nothing$",
                id="a long cell 2",
            ),
            pytest.param(f"{'x' * 5000}\n", r"^.{,300}\.\.\.$", id="a long cell 3"),
        ],
    )
    def test_faults_are_named(self, text, message, tmp_path):
        with pytest.raises(SengaError, match=message):
            read_curve(curve(tmp_path, text))

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(SengaError, match=r"curve\.csv: there is no such file"):
            read_curve(tmp_path / "curve.csv")

    def test_the_table_says_which_columns_belong_together(self, tmp_path):
        shown = arrange(read_curve(curve(tmp_path)), SR_PLOTS)
        assert [plot.title for plot in shown] == [
            *("loss", "PSNR_Y, dB", "SSIM_Y", "SSIMULACRA2", "colour shift, levels of 255", "learning rate"),
            *("pictures a second", "waiting for data, share of the time"),
        ]
        assert shown[1] == Plot("PSNR_Y, dB", ("psnr_y",), dashed=("psnr_y_lanczos",))

    def test_a_pattern_takes_what_no_reference_is(self, tmp_path):
        found = read_curve(curve(tmp_path, "step,psnr_y_q75,psnr_y,psnr_y_lanczos,psnr_y_q50\n1,28,30,27,26\n"))
        names = ("psnr_y", "psnr_y_q75", "psnr_y_q50")
        assert arrange(found, SR_PLOTS) == [Plot("PSNR_Y, dB", names, dashed=("psnr_y_lanczos",))]

    def test_a_reference_alone_is_no_plot(self, tmp_path):
        assert arrange(read_curve(curve(tmp_path, "step,psnr_y,psnr_y_lanczos\n1,,27\n")), SR_PLOTS) == []

    def test_columns_of_no_plot_get_their_own(self, tmp_path):
        found = read_curve(curve(tmp_path, "step,loss,mAP,f1,f1_seen,unused,seconds\n1,2,0.3,0.4,0.5,,9\n"))
        shown = arrange(found, (Plot("F1", ("f1", "f1_seen", "f1_unseen")),))
        assert [(plot.title, plot.columns) for plot in shown] == [
            ("F1", ("f1", "f1_seen")),
            ("loss", ("loss",)),
            ("mAP", ("mAP",)),
        ]


class TestDrawing:
    def test_each_pair_of_plots_takes_a_row(self, tmp_path):
        draw_curves(curve(tmp_path), tmp_path / "eight.png", SR_PLOTS)
        draw_curves(curve(tmp_path, "step,loss,psnr_y\n500,0.05,27\n"), tmp_path / "two.png", SR_PLOTS)
        eight, two = read(tmp_path / "eight.png"), read(tmp_path / "two.png")
        assert eight.shape[0] == 4 * two.shape[0]
        assert eight.shape[1] == two.shape[1]

    def test_the_values_and_the_reference_can_be_seen(self, tmp_path):
        head = "step,psnr_y,psnr_y_lanczos\n"
        texts = ["500,27,28\n1000,30,28\n", "500,27,28\n1000,29,28\n", "500,27,\n1000,30,\n", "500,27,28\n"]
        pictures = []
        for text in texts:
            draw_curves(curve(tmp_path, head + text), tmp_path / "curves.png", SR_PLOTS)
            pictures.append(read(tmp_path / "curves.png"))
        assert len({picture.tobytes() for picture in pictures}) == len(texts)
        blue = [((picture[..., 2] > 150) & (picture[..., 0] < 60)).sum() for picture in pictures]  # the line's colour
        assert blue[3] > 10  # one point alone is seen too
        assert blue[0] > 2 * blue[3]

    def test_the_same_curve_gives_the_same_bytes(self, tmp_path):
        for name in ("a.png", "b.png"):
            draw_curves(curve(tmp_path, "step,loss\n500,0.05\n"), tmp_path / name)
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()

    def test_no_figure_stays_behind_and_no_screen_is_wanted(self, tmp_path):
        draw_curves(curve(tmp_path, "step,loss\n500,0.05\n"), tmp_path / "curves.png")
        pyplot = sys.modules.get("matplotlib.pyplot")
        assert pyplot is None or not pyplot.get_fignums()

    def test_an_empty_curve_is_named(self, tmp_path):
        with pytest.raises(SengaError, match="has nothing to draw yet"):
            draw_curves(curve(tmp_path, COLUMNS + "\n"), tmp_path / "curves.png")

    def test_without_matplotlib_the_way_out_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        with pytest.raises(SengaError, match=r'pip install -c constraints.txt "\.\[train\]"'):
            draw_curves(curve(tmp_path), tmp_path / "curves.png")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run that is over."""
    folder = tmp_path / "my_run"
    folder.mkdir()
    curve(folder)
    settings = {"name": "my_run", "model": {"architecture": "rrdb"}, "optim": {"milestones": [0.5, 0.8]}, "note": "a|b"}
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    environment = {"device": "cpu", "versions": {"torch": "2.13.0"}}
    (folder / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    (folder / "metrics.json").write_text(json.dumps({"psnr_y": 30.25123}), encoding="utf-8")
    for name in ("sheet-0000500.png", "sheet-0001500.png", "hard ones-0001500.png"):
        contact_sheet([TestContactSheet.row(200)], folder / name)
    for name in ("my_run.safetensors", "checkpoint-0000500.pt", "checkpoint-0001500.pt"):
        (folder / name).write_bytes(b"")
    return folder


class TestReport:
    def test_tells_of_the_run_what_its_folder_knows(self, run):
        path = write_report(run, facts={"trained on": "1,600 pictures"}, command="senga train sr my.toml", use=USE)
        page = path.read_text(encoding="utf-8")
        assert path == run / "report.md"
        assert page.startswith("# my_run\n\n- trained on: 1,600 pictures\n- steps: 1,500\n- time: 1.2 hours\n")
        for line in (
            "| psnr_y | 30.251 |",
            "![curves](curves.png)",
            "![sheet](sheet-0001500.png)",
            "![hard ones](hard%20ones-0001500.png)",
            "senga train sr my.toml  # goes on from the last checkpoint, if given more steps",
            "senga train sr my.toml --export 1500  # the weights of a checkpoint",
            f"senga upscale PICTURE -o LARGE.png --model {run.as_posix()}/my_run.safetensors",
            "| `model.architecture` | rrdb |",
            "| `optim.milestones` | 0.5, 0.8 |",
            "| `note` | a\\|b |",
            "| `versions.torch` | 2.13.0 |",
        ):
            assert line in page.splitlines(), line
        assert "sheet-0000500" not in page
        assert read(run / "curves.png").shape[0] > 500

    def test_a_second_report_is_the_same(self, run):
        curve(run, "step,loss\n500,0.05\n")
        first = write_report(run).read_bytes()
        assert write_report(run).read_bytes() == first

    def test_metrics_may_have_rows_of_their_own(self, run):
        (run / "curve.csv").unlink()
        metrics = {"steps": 3, "clean": {"psnr_y": 32.5, "ssim_y": 0.96}, "q75": {"psnr_y": 28.0, "flip": 0.1}}
        page = write_report(run, metrics).read_text(encoding="utf-8")
        assert "| metric | value |\n| --- | --- |\n| steps | 3 |" in page
        table = [
            "|  | psnr_y | ssim_y | flip |",
            "| --- | --- | --- | --- |",
            "| clean | 32.5 | 0.96 |  |",
            "| q75 | 28 |  | 0.1 |",
        ]
        assert "\n".join(table) in page
        assert "30.251" not in page

    def test_an_empty_folder_gives_a_page_with_its_name(self, tmp_path):
        assert write_report(tmp_path).read_text(encoding="utf-8") == f"# {tmp_path.name}\n"

    def test_another_task_brings_its_own_plots_and_command(self, run):
        curve(run, "step,loss,mAP\n1,0.5,0.2\n2,0.4,0.3\n")
        page = write_report(run, plots=(Plot("mAP", ("mAP",)),), use="senga tag PICTURE --model").read_text()
        assert f"senga tag PICTURE --model {run.as_posix()}/my_run.safetensors" in page
        assert "senga upscale" not in page

    def test_the_page_comes_without_matplotlib_too(self, run, monkeypatch, caplog):
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        with caplog.at_level(logging.WARNING, logger="senga"):
            page = write_report(run).read_text(encoding="utf-8")
        assert "my_run: no curves: curves are drawn by matplotlib, which is not installed" in caplog.text
        assert "[curve.csv](curve.csv)" in page
        assert "curves.png" not in page

    def test_a_damaged_file_is_named(self, run):
        (run / "metrics.json").write_text("{", encoding="utf-8")
        with pytest.raises(SengaError, match=r"metrics\.json: is not JSON"):
            write_report(run)
        (run / "metrics.json").write_text("[1]", encoding="utf-8")
        with pytest.raises(SengaError, match=r"metrics\.json: holds a list; expected an object"):
            write_report(run)

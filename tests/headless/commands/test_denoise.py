"""`senga upscale --denoise`: a table chooses the model and how much of the cleaned picture is enlarged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sample_nodes import MADE, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.arch import read_header
from senga.headless.cli import OK, USAGE, main
from senga.headless.commands import upscale, upscale_work
from senga.headless.commands.upscale_denoise import LEVELS, STEPS, model_file
from senga.headless.commands.upscale_work import SIZES

pytestmark = pytest.mark.usefixtures("own_folder")


class Networks:
    """In place of the networks: the cleaner makes everything darker by a tenth, the others repeat each pixel."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []  # models, and the sizes that they were asked for
        monkeypatch.setattr(upscale_work, "call_node", self)
        monkeypatch.setattr(upscale, "shared_upscaler", lambda path, units=0: path.stem)

    def __call__(self, node_class: type, upscale_model: str, image: torch.Tensor, **options: Any) -> tuple[Any]:
        self.calls.append((upscale_model, {name: options[name] for name in SIZES if name in options}))
        if upscale_model == "senga_compact_x1":
            return (image - 0.1,)
        return (image.repeat_interleave(2, 1).repeat_interleave(2, 2),)


def test_the_table_names_shipped_models_of_the_right_scale_for_every_level() -> None:
    assert STEPS == [0, 1, 2, 3]
    limits = {limit for limit, _ in LEVELS}
    assert set(LEVELS) == {(limit, step) for limit in limits for step in STEPS}
    for (limit, _), mix in LEVELS.items():
        assert sum(weight for weight, _ in mix) == pytest.approx(1)
        assert all(weight > 0 for weight, _ in mix)
        for _, way in mix:
            scales = [read_header(model_file(name)).scale or 0 for name in way]
            assert scales[:-1] == [1] * (len(scales) - 1)
            assert (scales[-1:] == [1] or not scales) if limit == 1 else scales[-1] > 1


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("options", "limit"), [([], 2), (["--scale", "2"], 2), (["--width", "12"], 2), (["-s", "1"], 1)]
)
def test_a_level_runs_the_models_of_its_row_and_mixes_their_results(
    options: list[str], limit: int, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = Networks(monkeypatch)
    Image.new("RGB", (6, 4), (200, 100, 50)).save("input/c.png")
    assert main(["upscale", "input/c.png", "-o", "c.png", "--denoise", str(step), *options]) == OK
    mix = LEVELS[limit, step]
    assert sorted(name for name, _ in networks.calls) == sorted(name for _, way in mix for name in way)
    own_size = [given for name, given in networks.calls if not given]
    assert len(own_size) >= sum(max(0, len(way) - 1) for _, way in mix)
    picture = Image.open("c.png")
    assert picture.size == ((6, 4) if limit == 1 else (12, 8))
    darker = 25.5 * sum(weight * way.count("senga_compact_x1") for weight, way in mix)
    assert np.asarray(picture)[0, 0] == pytest.approx(np.array([200, 100, 50]) - darker, abs=1)


def test_the_picture_itself_is_enlarged_by_a_filter_to_the_size_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    Networks(monkeypatch)
    monkeypatch.setitem(LEVELS, (2, 0), ((0.5, ()), (0.5, ("senga_compact_x1", "senga_compact_x2"))))
    Image.new("RGB", (6, 4), (200, 100, 50)).save("input/c.png")
    assert main(["upscale", "input/c.png", "-o", "c.png", "--denoise", "0"]) == OK
    picture = Image.open("c.png")
    assert picture.size == (12, 8)
    assert np.asarray(picture)[3, 5] == pytest.approx(np.array([200, 100, 50]) - 12.75, abs=1)


def test_a_way_keeps_transparency() -> None:
    Image.new("RGBA", (6, 4), (200, 100, 50, 128)).save("input/c.png")
    assert main(["upscale", "input/c.png", "-o", "c.png", "-s", "1", "--denoise", "1"]) == OK
    assert np.asarray(Image.open("c.png"))[2, 3, 3] == 128


def test_the_level_is_a_setting_of_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = Networks(monkeypatch)
    one, other = ((1.0, ("senga_compact_x2",)),), ((1.0, ("senga_espcn_7_x2",)),)
    for mix, calls in ((one, 1), (one, 0), (other, 1), (((0.5, one[0][1]), (0.5, other[0][1])), 2)):
        networks.calls.clear()
        monkeypatch.setitem(LEVELS, (2, 1), mix)
        assert main(["upscale", "input", "-o", "big", "--denoise", "1"]) == OK
        assert len(networks.calls) == calls


def test_a_model_beside_a_level_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["upscale", "input", "-o", "big", "--denoise", "1", "--model", f"models/{MADE}"]
    assert main(call) == USAGE
    assert f"--denoise 1 chooses the model, and so does --model models/{MADE}" in capsys.readouterr().err
    assert not Path("big").exists()


@pytest.mark.parametrize("option", ["--noise", "--noise-level", "--denoise-level", "--denoise-strength", "-dn"])
def test_names_of_other_programs_are_answered_with_it(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["upscale", "input", "-o", "big", option, "1"])
    assert f"{option} is not a known option; use --denoise 0 to 3" in capsys.readouterr().err

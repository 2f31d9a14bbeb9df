"""The speed benchmark's own arithmetic, and a peer in a process of its own."""

import re

import numpy as np
import pytest
import torch
from sample_upscalers import small_model
from senga.arch import save_model, upscale
from senga.benchmarks import speed, speed_page, speed_pictures  # pyright: ignore[reportMissingImports]


def row(peer: str, seconds: list[float], side: int = 100, picture: str = "dense") -> speed.Row:
    result = speed.Result(seconds, first=9.0, memory=12.0, psnr=60.0, worst=1.5, saved=0.25)
    return speed.Row("net_x2", picture, side, peer, (2 * side) ** 2 / 1e6, 0.5, result)


def test_the_table_is_sorted_and_relative_to_senga():
    text = speed_page.tables([row("Senga", [4.0, 0.4, 0.2]), row("onnxruntime", [0.2])])
    assert text.index("| onnxruntime | 5.000 | 0.50 | 50% | 9.00 | 12 | 60 | 1.5 | 25% |") < text.index(
        "| Senga | 10.000 | 1.00"
    )


def test_the_page_has_its_tables_and_its_chart(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [row(peer, [1.0 + i], side) for i, peer in enumerate(("Senga", "ncnn")) for side in (100, 200)]
    rows.append(row("Senga", [1.0], 100, "sprite"))
    speed_page.write(tmp_path, rows, threads=2, bf16=False)
    text = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 120
    text = " ".join(text.split())
    assert "### net_x2, a dense painting, 200 x 200" in text
    assert "### net_x2, a sprite on transparency, 100 x 100" in text
    assert "2 threads" in text
    assert "1 round, " in text
    assert "those of bf16 are left out" in text
    assert (tmp_path / "performance.png").read_bytes().startswith(b"\x89PNG")


def test_a_difference_is_in_decibels_and_levels():
    expected = np.zeros((1, 4, 4, 3), np.float32)
    psnr, worst = speed.difference(expected + 0.1, expected)
    assert psnr == pytest.approx(20, abs=1e-3)
    assert worst == pytest.approx(25.5, abs=1e-3)


def test_a_difference_counts_where_it_is_seen():
    expected = np.zeros((1, 4, 4, 4), np.float32)
    expected[:, :2, :, 3] = 1
    found = expected.copy()
    found[:, 2:, :, :3] = 0.7
    assert speed.difference(found[..., :3], expected) == (200.0, 0.0)


def test_operations_are_counted_for_each_input_pixel():
    model = small_model("compact", scale=1)
    taps = sum(weight[0].numel() * len(weight) for name, weight in model.model.named_parameters() if weight.ndim == 4)
    assert speed.flops_per_pixel(model) == 2 * taps


def test_the_picture_has_no_flat_place():
    picture = speed_pictures.dense(64)
    assert picture.shape == (1, 64, 64, 3)
    blocks = picture.reshape(8, 8, 8, 8, 3)
    assert blocks.std((1, 3)).min() > 0.01


def test_pages_sprites_and_frames_have_what_need_not_be_computed_twice():
    page, sprite, frames = (speed_pictures.BY_NAME[name].make(160, 5) for name in ("page", "sprite", "frames"))
    assert page.shape == (1, 160, 160, 3)
    assert 0.5 < (page == 1).all(3).mean() < 0.95
    assert sprite.shape == (1, 160, 160, 4)
    assert 0.5 < (sprite[..., 3] == 0).mean() < 0.95
    assert frames.shape == (5, 160, 160, 3)
    assert 0.9 < (frames == frames[:1]).all((0, 3)).mean() < 1
    for picture in (page, sprite, frames):
        assert picture.dtype == np.float32
        assert picture.min() >= 0
        assert picture.max() <= 1


def plan(pictures: list[str], **more) -> speed.Plan:
    given = {"sides": [48, 24], "other_side": 40, "frame_side": 16, "frames": 2, "rounds": 1, "threads": 1, "peers": []}
    return speed.Plan(pictures, **{**given, **more})


def test_dense_is_measured_at_every_side_and_the_others_at_one():
    assert plan(["dense", "page", "frames"]).cases() == [("dense", 24), ("dense", 48), ("page", 40), ("frames", 16)]


class Slow:
    """A worker that takes as long as it is asked to, by its own account."""

    peer = "slow"

    def __init__(self, seconds: float, clock: list[float]) -> None:
        self.seconds, self.clock = seconds, clock

    def run(self, picture):
        self.clock[0] += self.seconds
        return self.seconds, 0.0, 0.0, picture


@pytest.mark.parametrize(("seconds", "rounds"), [(1.0, 5), (20.0, 2), (100.0, 1)])
def test_long_rounds_are_repeated_less_often(monkeypatch, tmp_path, seconds, rounds):
    clock = [0.0]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: clock[0])
    (result,) = speed.compared([Slow(seconds, clock)], tmp_path / "x.npy", 5).values()  # type: ignore[list-item]
    assert len(result.seconds) == rounds


def test_a_side_that_would_take_too_long_is_left_out(monkeypatch, caplog):
    monkeypatch.setattr(speed, "matmul_peak", lambda net: 1e12)
    monkeypatch.setattr(speed, "started", lambda *arguments: [])
    monkeypatch.setattr(speed, "compared", lambda *arguments: {"Senga": speed.Result([1.0])})
    chosen = plan(["dense", "page"], sides=[16, 32, 64], other_side=16, longest=3.0)
    rows = speed.measure("senga_compact_x2", chosen)
    assert [(row.picture, row.side) for row in rows] == [("dense", 16), ("page", 16)]
    assert "dense at 32 is left out: a round would take 4 s" in caplog.text


def test_a_peer_runs_in_a_process_of_its_own(tmp_path):
    model = small_model("compact")
    save_model(tmp_path / "small.safetensors", model)
    pictures = {"dense": speed_pictures.dense(16), "still": np.ones((3, 400, 20, 3), np.float32)}
    (worker,) = speed.started(["Senga, no engine, fp32"], tmp_path / "small.safetensors", 1, tmp_path)
    try:
        for name, picture in pictures.items():
            np.save(tmp_path / f"{name}.npy", picture)
            found = speed.compared([worker], tmp_path / f"{name}.npy", 2)[worker.peer]
            result = np.load(tmp_path / f"{worker.peer}.npy")
            assert len(found.seconds) == 2
            expected = upscale(model, torch.from_numpy(picture), precision="fp32").numpy()
            assert np.abs(result - expected).max() <= 1e-5
            assert (found.saved > 0.5) == (name == "still")
    finally:
        worker.close()


def test_a_peer_that_cannot_start_is_left_out_with_its_reason(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("SENGA_CACHE", str(tmp_path))
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    assert speed.started(["Senga", "ComfyUI's node"], tmp_path / "missing.safetensors", 1, tmp_path) == []
    assert re.search("left out .Senga: .*missing.safetensors", caplog.text)
    assert "no ComfyUI was found" in caplog.text

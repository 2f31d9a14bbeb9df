"""The speed benchmark's own arithmetic, and a peer in a process of its own."""

import re

import numpy as np
import pytest
import torch
from sample_upscalers import small_model
from senga.arch import save_model, upscale
from senga.benchmarks import speed, speed_page  # pyright: ignore[reportMissingImports]


def row(peer: str, seconds: list[float], side: int = 100) -> speed.Row:
    result = speed.Result(seconds, first=9.0, memory=12.0, psnr=60.0, worst=1.5)
    return speed.Row("net_x2", side, peer, (2 * side) ** 2 / 1e6, 0.5, result)


def test_the_table_is_sorted_and_relative_to_senga():
    text = speed_page.tables([row("Senga", [4.0, 0.4, 0.2]), row("onnxruntime", [0.2])])
    assert text.index("| onnxruntime | 5.000 | 0.50 | 50% | 9.00 | 12 | 60 | 1.5 |") < text.index(
        "| Senga | 10.000 | 1.00"
    )


def test_the_page_has_its_tables_and_its_chart(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [row(peer, [1.0 + i], side) for i, peer in enumerate(("Senga", "ncnn")) for side in (100, 200)]
    speed_page.write(tmp_path, rows, threads=2, rounds=1)
    text = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert "### net_x2, 200 x 200" in text
    assert "2 threads" in text
    assert (tmp_path / "performance.png").read_bytes().startswith(b"\x89PNG")


def test_a_difference_is_in_decibels_and_levels():
    expected = np.zeros((4, 4, 3), np.float32)
    psnr, worst = speed.difference(expected + 0.1, expected)
    assert psnr == pytest.approx(20, abs=1e-3)
    assert worst == pytest.approx(25.5, abs=1e-3)


def test_operations_are_counted_for_each_input_pixel():
    model = small_model("compact", scale=1)
    taps = sum(weight[0].numel() * len(weight) for name, weight in model.model.named_parameters() if weight.ndim == 4)
    assert speed.flops_per_pixel(model) == 2 * taps


def test_the_picture_has_no_flat_place():
    picture = speed.dense(64)
    assert picture.shape == (64, 64, 3)
    blocks = picture.reshape(8, 8, 8, 8, 3)
    assert blocks.std((1, 3)).min() > 0.01


def test_a_peer_runs_in_a_process_of_its_own(tmp_path):
    model = small_model("compact")
    save_model(tmp_path / "small.safetensors", model)
    picture = speed.dense(16)
    np.save(tmp_path / "in.npy", picture)
    (worker,) = speed.started(["Senga, no engine, fp32"], tmp_path / "small.safetensors", 1, tmp_path)
    try:
        found = speed.compared([worker], tmp_path / "in.npy", 2)[worker.peer]
        result = np.load(tmp_path / f"{worker.peer}.npy")
    finally:
        worker.close()
    assert len(found.seconds) == 2
    expected = upscale(model, torch.from_numpy(picture)[None], precision="fp32")[0].numpy()
    assert np.abs(result - expected).max() <= 1e-5


def test_a_peer_that_cannot_start_is_left_out_with_its_reason(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("SENGA_CACHE", str(tmp_path))
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    assert speed.started(["Senga", "ComfyUI's node"], tmp_path / "missing.safetensors", 1, tmp_path) == []
    assert re.search("left out .Senga: .*missing.safetensors", caplog.text)
    assert "no ComfyUI was found" in caplog.text

"""Weights files of ours: round trips, headers, whole writes."""

import dataclasses
import json
from pathlib import Path

import pytest
import senga.arch.files.tensor_files
import torch
from safetensors.torch import save_file
from sample_upscalers import VARIANT_IDS, VARIANTS, small_model, state_of
from senga.arch import (
    Header,
    Provenance,
    SengaError,
    UpscaleModel,
    load_model,
    read_header,
    read_state_dict,
    save_model,
)


@pytest.mark.parametrize(("name", "extra"), VARIANTS, ids=VARIANT_IDS)
def test_a_saved_model_loads_equal_and_saves_to_the_same_bytes(name, extra, tmp_path):
    model = small_model(name, **extra)
    provenance = Provenance(seed=3, licences=("CC0-1.0",), metrics={"a": 1.5})
    model.header = dataclasses.replace(model.header, provenance=provenance)
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    save_model(first, model)
    loaded = load_model(first)
    save_model(second, loaded)
    assert first.read_bytes() == second.read_bytes()
    assert loaded.header == model.header == read_header(first)
    x = torch.rand(1, 3, 8, 12)
    assert torch.equal(loaded(x), model(x))
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def test_the_header_is_one_key_of_sorted_json(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(path, small_model("rrdb", scale=2))
    raw = path.read_bytes()
    metadata = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"]
    assert list(metadata) == ["senga"]
    header = json.loads(metadata["senga"])
    assert metadata["senga"] == json.dumps(header, sort_keys=True, ensure_ascii=False)
    assert header["architecture"] == "rrdb"
    assert header["scale"] == 2


def test_a_header_from_before_the_plain_form_means_the_unshuffled_one():
    """Files that say nothing of `plain` keep their network, and their header its bytes."""
    text = Header("rrdb", {"scale": 2, "blocks": 6}, 2).to_json()
    header = Header.from_json(text)
    assert header.config().unshuffle == 2
    assert header.to_json() == text


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_reading_a_header_reads_no_tensors(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"m.{suffix}"
    model = small_model("rrdb")
    if suffix == "pth":
        torch.save(state_of(model), path)
    else:
        save_model(path, model)
    # safetensors hands tensors out through these two; a checkpoint's land on the device "meta", which holds nothing.
    monkeypatch.setattr("senga.arch.files.tensor_files.load_file", None)
    real_open = senga.arch.files.tensor_files.safe_open

    class IndexOnly:
        def __init__(self, *args, **kwargs):
            self.file = real_open(*args, **kwargs)

        def __enter__(self):
            self.file.__enter__()
            return self

        def __exit__(self, *args):
            return self.file.__exit__(*args)

        def __getattr__(self, name):
            assert name in ("metadata", "keys", "get_slice"), f"{name} reads tensors"
            return getattr(self.file, name)

    monkeypatch.setattr("senga.arch.files.tensor_files.safe_open", IndexOnly)
    real_load, devices = torch.load, []

    def load(*args, **kwargs):
        devices.append(kwargs["map_location"])
        return real_load(*args, **kwargs)

    monkeypatch.setattr(torch, "load", load)
    assert read_header(path).architecture == "rrdb"
    assert devices == (["meta"] if suffix == "pth" else [])


def test_a_state_dict_is_read_under_the_files_own_names_whatever_network_it_is_of(tmp_path):
    tensors = {"features.0.weight": torch.rand(2, 3).half(), "head.count": torch.tensor(7)}
    save_file(tensors, tmp_path / "a.safetensors")
    torch.save({"optimizer": {}, "state_dict": {f"module.{key}": v for key, v in tensors.items()}}, tmp_path / "a.pth")
    for name in ("a.safetensors", "a.pth"):
        found = read_state_dict(tmp_path / name)
        assert found.keys() == tensors.keys()
        assert all(found[key].dtype == v.dtype and torch.equal(found[key], v) for key, v in tensors.items())
    (tmp_path / "a.pth").write_bytes(b"no checkpoint")
    with pytest.raises(SengaError, match=r"a\.pth: .*checkpoint"):
        read_state_dict(tmp_path / "a.pth")
    with pytest.raises(SengaError, match=r"b\.pth: there is no such file"):
        read_state_dict(tmp_path / "b.pth")


def test_half_precision_files_are_computed_in_float32(tmp_path):
    path = tmp_path / "half.safetensors"
    save_model(path, small_model("rrdb").to(dtype=torch.float16))
    assert load_model(path).dtype == torch.float32


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    model = small_model("rrdb")
    save_model(path, model)
    before = path.read_bytes()

    def fail(target, content):
        with target.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="the disk is full"):
        save_model(path, model)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_a_written_file_is_as_readable_as_any_other(tmp_path):
    save_model(tmp_path / "m.safetensors", small_model("rrdb"))
    (tmp_path / "other").write_text("")
    assert (tmp_path / "m.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_only_safetensors_are_written(tmp_path):
    with pytest.raises(SengaError, match=r"ends in \.safetensors"):
        save_model(tmp_path / "m.pth", small_model("rrdb"))


def test_a_header_survives_json():
    header = Header("espcn_7", {"scale": 2}, 2, Provenance(notes="線画", seed=1, metrics={"psnr_y": 33.3}))
    assert Header.from_json(header.to_json()) == header


def test_a_model_fits_the_upscale_model_socket():
    model = small_model("espcn_7")
    assert isinstance(model, UpscaleModel)
    assert isinstance(model.model, torch.nn.Module)
    assert (model.scale, model.input_channels, model.output_channels) == (2, 3, 3)
    assert (model.supports_half, model.supports_bfloat16) == (True, True)
    assert (model.dtype, model.device.type, model.patcher) == (torch.float32, "cpu", None)
    assert model.to("cpu") is model
    assert not any(p.requires_grad for p in model.model.parameters())


def test_loading_spends_no_random_numbers(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(path, small_model("dcscn"))
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    load_model(path)
    assert torch.equal(torch.rand(3), expected)


def test_a_half_precision_model_takes_a_float32_picture():
    """The built-in upscaler feeds float32 whatever the weights are."""
    model = small_model("rrdb").to(dtype=torch.bfloat16)
    out = model(torch.rand(1, 3, 8, 8))
    assert out.dtype == torch.float32


def test_an_architecture_of_another_task_is_refused_with_those_that_fit():
    known = "this version knows to upscale: espcn_7, dcscn, rrdb, compact, drrn"
    with pytest.raises(SengaError, match=f"'mobilenetv3_large' does not upscale; {known}"):
        UpscaleModel.create("mobilenetv3_large")
    with pytest.raises(SengaError, match=f"'rrdbb' is unknown; {known}"):
        UpscaleModel.create("rrdbb")

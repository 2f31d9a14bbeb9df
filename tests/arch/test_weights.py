"""Weights files: round trips, other people's layouts, and a clear sentence for every bad file."""

import dataclasses
import json
import pickle
import re
from pathlib import Path

import pytest
import senga.arch.tensor_files
import torch
from safetensors.torch import save_file
from sample_upscalers import VARIANT_IDS, VARIANTS, small_model
from senga.arch import (
    Header,
    Provenance,
    SengaError,
    UpscaleModel,
    load_model,
    load_upscaler,
    read_header,
    read_state_dict,
    save_model,
)


def state_of(model):
    return {key: value.contiguous().clone() for key, value in model.model.state_dict().items()}


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
    monkeypatch.setattr("senga.arch.tensor_files.load_file", None)
    real_open = senga.arch.tensor_files.safe_open

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

    monkeypatch.setattr("senga.arch.tensor_files.safe_open", IndexOnly)
    real_load, devices = torch.load, []

    def load(*args, **kwargs):
        devices.append(kwargs["map_location"])
        return real_load(*args, **kwargs)

    monkeypatch.setattr(torch, "load", load)
    assert read_header(path).architecture == "rrdb"
    assert devices == (["meta"] if suffix == "pth" else [])


def old_esrgan(state):
    """Our keys -> the old ESRGAN files' keys, written out by hand from such a file's listing."""
    names = {"conv_first": "model.0", "conv_body": "model.1.sub.1", "conv_up1": "model.3", "conv_up2": "model.6"}
    ups = sum(key.startswith("conv_up") for key in state) // 2
    names["conv_up3"] = "model.9"
    names["conv_hr"], names["conv_last"] = {
        0: ("model.2", "model.4"),
        1: ("model.5", "model.7"),
        2: ("model.8", "model.10"),
        3: ("model.11", "model.13"),
    }[ups]
    renamed = {}
    for key, value in state.items():
        stem, kind = key.rsplit(".", 1)
        match = re.fullmatch(r"body\.(\d+)\.rdb(\d)\.conv(\d)", stem)
        stem = f"model.1.sub.{match[1]}.RDB{match[2]}.conv{match[3]}.0" if match else names[stem]
        renamed[f"{stem}.{kind}"] = value
    return renamed


def original_esrgan(state):
    renamed = {}
    for key, value in state.items():
        key = re.sub(r"^body\.(\d+)\.rdb(\d)", r"RRDB_trunk.\1.RDB\2", key)
        key = key.replace("conv_body", "trunk_conv").replace("conv_up", "upconv").replace("conv_hr", "HRconv")
        renamed[key] = value
    return renamed


def seed_dcscn(state):
    renamed = {}
    for key, value in state.items():
        key = re.sub(r"^features\.(\d+)\.0\.", lambda m: f"feature_block.Feature {int(m[1]) + 1}.Conv2d.", key)
        key = re.sub(r"^features\.(\d+)\.1\.", lambda m: f"feature_block.Feature {int(m[1]) + 1}.Activation.", key)
        key = re.sub(r"^a\.0\.", "reconstruction_block.A.Conv2d.", key)
        key = re.sub(r"^a\.1\.", "reconstruction_block.A.Activation.", key)
        key = re.sub(r"^b\.(\d)\.0\.", r"reconstruction_block.B.\1.Conv2d.", key)
        key = re.sub(r"^b\.(\d)\.1\.", r"reconstruction_block.B.\1.Activation.", key)
        key = re.sub(r"^up\.0\.", "up_sampler.Conv2d_block.Conv2d.", key)
        key = re.sub(r"^up\.1\.", "up_sampler.Conv2d_block.Activation.", key)
        key = re.sub(r"^picture\.", "up_sampler.Conv2d.", key)
        renamed[key] = value
    return renamed


FOREIGN = [
    ("rrdb", {"scale": 4}, lambda s: {"params_ema": s, "params": {}}, "Real-ESRGAN"),
    ("rrdb", {"scale": 2}, lambda s: {"params": s}, "Real-ESRGAN"),
    ("rrdb", {"scale": 1}, lambda s: s, "Real-ESRGAN"),
    ("rrdb", {"scale": 4}, old_esrgan, "ESRGAN (old)"),
    ("rrdb", {"scale": 1, "plain": True}, old_esrgan, "ESRGAN (old)"),
    ("rrdb", {"scale": 2, "plain": True}, old_esrgan, "ESRGAN (old)"),
    ("rrdb", {"scale": 8, "plain": True}, old_esrgan, "ESRGAN (old)"),
    ("rrdb", {"scale": 4}, original_esrgan, "ESRGAN (original code)"),
    ("rrdb", {"scale": 2, "plain": True}, original_esrgan, "ESRGAN (original code)"),
    ("rrdb", {"scale": 1, "plain": True}, lambda s: s, "Real-ESRGAN"),
    ("rrdb", {"scale": 8, "plain": True}, lambda s: s, "Real-ESRGAN"),
    ("compact", {"scale": 4}, lambda s: {"params": s}, "Real-ESRGAN Compact"),
    ("compact", {"scale": 1}, lambda s: {"params_ema": s}, "Real-ESRGAN Compact"),
    ("compact", {"scale": 2, "activation": "relu"}, lambda s: s, "Real-ESRGAN Compact"),
    ("espcn_7", {"scale": 3, "selection": "replace"}, lambda s: s, "yu45020/Waifu2x ESPCN_7"),
    ("dcscn", {"residual": "bilinear", "layers": 12}, seed_dcscn, "yu45020/Waifu2x DCSCN"),
    ("dcscn", {"residual": "bilinear", "activation": "prelu", "scale": 4}, seed_dcscn, "yu45020/Waifu2x DCSCN"),
]


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize(("name", "extra", "wrap", "layout"), FOREIGN)
def test_other_peoples_files_load_with_equal_results(name, extra, wrap, layout, suffix, tmp_path):
    model = small_model(name, **extra)
    path = tmp_path / f"foreign.{suffix}"
    wrapped = wrap(state_of(model))
    if suffix == "pth":
        torch.save(wrapped, path)
    else:
        save_file(next((wrapped[w] for w in ("params_ema", "params") if w in wrapped), wrapped), path)
    header = read_header(path)
    assert (header.architecture, header.scale, header.provenance.source) == (name, model.scale, layout)
    loaded = load_upscaler(path)
    assert loaded.header.config() == model.header.config()
    x = torch.rand(1, 3, 8, 8)
    assert torch.equal(loaded.model(x), model.model(x))
    assert loaded.border == (model.border if model.header.row().foreign_border else 0)


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


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("scale", [4, 2, 1])
def test_spandrel_reads_our_rrdb_files(scale, plain, tmp_path):
    import torchvision_cpu_shim  # noqa: F401 (spandrel imports torchvision)

    spandrel = pytest.importorskip("spandrel")
    path = tmp_path / "ours.safetensors"
    model = small_model("rrdb", scale=scale, plain=plain, blocks=2, growth=32)  # spandrel takes 32 for granted
    save_model(path, model)
    theirs = spandrel.ModelLoader().load_from_file(path)
    assert (theirs.architecture.id, theirs.scale) == ("ESRGAN", scale)
    x = torch.rand(1, 3, 8, 12)
    with torch.inference_mode():
        # The network alone: Senga repeats the edge around the pictures of its own files, they do not.
        assert torch.allclose(theirs(x).clamp(0, 1), model.model(x).clamp(0, 1), atol=2e-5)


@pytest.mark.parametrize("scale", [1, 2, 8])
@pytest.mark.parametrize("layout", [old_esrgan, original_esrgan])
def test_old_files_give_what_spandrel_gives(layout, scale, tmp_path):
    import torchvision_cpu_shim  # noqa: F401 (spandrel imports torchvision)

    spandrel = pytest.importorskip("spandrel")
    path = tmp_path / "old.pth"
    torch.save(layout(state_of(small_model("rrdb", scale=scale, plain=True, growth=32))), path)
    theirs, ours = spandrel.ModelLoader().load_from_file(path), load_upscaler(path)
    assert theirs.scale == ours.scale == scale
    x = torch.rand(1, 3, 8, 12)
    with torch.inference_mode():
        assert torch.allclose(theirs(x), ours(x), atol=2e-5)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_spandrel_reads_our_compact_files(scale, tmp_path):
    import torchvision_cpu_shim  # noqa: F401 (spandrel imports torchvision)

    spandrel = pytest.importorskip("spandrel")
    path = tmp_path / "ours.safetensors"
    model = small_model("compact", scale=scale)
    save_model(path, model)
    theirs = spandrel.ModelLoader().load_from_file(path)
    assert (theirs.architecture.id, theirs.scale) == ("Compact", scale)
    x = torch.rand(1, 3, 8, 12)
    with torch.inference_mode():
        # The network alone: Senga repeats the edge around the pictures of its own files, they do not.
        assert torch.allclose(theirs(x).clamp(0, 1), model.model(x).clamp(0, 1), atol=2e-5)


def test_an_unshuffled_file_with_one_doubling_is_refused(tmp_path):
    path = tmp_path / "odd.pth"
    torch.save({k: v for k, v in state_of(small_model("rrdb", scale=2)).items() if "conv_up2" not in k}, path)
    with pytest.raises(SengaError, match=r"odd\.pth: the input is pixel-unshuffled by 2, then doubled 1 times"):
        load_upscaler(path)


def test_a_compact_file_without_slopes_is_read_with_relu_and_says_so(tmp_path, caplog):
    """Its tensors are the same for ReLU and LeakyReLU."""
    path = tmp_path / "theirs.pth"
    torch.save(state_of(small_model("compact", activation="leakyrelu")), path)
    with caplog.at_level("WARNING", logger="senga"):
        assert load_upscaler(path).header.hyperparameters["activation"] == "relu"
    assert "does not say whether it has ReLU or LeakyReLU; ReLU is assumed" in caplog.text


class Payload:
    def __reduce__(self):
        return (print, ("this must not run",))


def with_header(path, **changes):
    model = small_model("rrdb")
    header = json.loads(model.header.to_json()) | changes
    save_file(state_of(model), path, metadata={"senga": json.dumps(header)})


def write_truncated(path):
    save_model(path, small_model("rrdb"))
    path.write_bytes(path.read_bytes()[:-100])


def write_truncated_pth(path):
    torch.save(state_of(small_model("rrdb")), path)
    path.write_bytes(path.read_bytes()[:5000])


def write_legacy(path, share):
    """The start of a checkpoint in torch's form from before it was a zip archive."""
    torch.save(state_of(small_model("rrdb")), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def write_missing_tensor(path):
    state = state_of(small_model("rrdb"))
    del state["conv_hr.bias"]
    save_file(state, path, metadata={"senga": small_model("rrdb").header.to_json()})


BAD_FILES = [
    ("text.safetensors", lambda p: p.write_text("this is a shopping list, not a network"), "not a safetensors file"),
    ("empty.safetensors", lambda p: p.write_bytes(b""), "0 bytes"),
    ("short.safetensors", write_truncated, "cut short"),
    ("payload.pth", lambda p: torch.save({"params": Payload()}, p), "never runs what a pickle carries"),
    ("bare.pth", lambda p: p.write_bytes(pickle.dumps(Payload())), "never runs what a pickle carries"),
    ("short.pth", write_truncated_pth, "cut short"),
    ("empty.pth", lambda p: p.write_bytes(b""), "not a torch checkpoint"),
    ("list.pth", lambda p: torch.save([torch.zeros(1)], p), "holds a list"),
    ("notes.txt", lambda p: p.write_text("hello"), "weights files end in"),
    ("other.safetensors", lambda p: save_file({"fc.weight": torch.zeros(2, 2)}, p), "fc.weight"),
    ("future.safetensors", lambda p: with_header(p, format=9), "format 9"),
    (
        "unknown.safetensors",
        lambda p: with_header(p, architecture="espcn_9"),
        "'espcn_9' is unknown",
    ),
    ("wrong.safetensors", lambda p: with_header(p, hyperparameters={"depth": 3}), "'depth' is unknown"),
    ("typed.safetensors", lambda p: with_header(p, hyperparameters={"blocks": "3"}), "expected int"),
    ("field.safetensors", lambda p: with_header(p, colour="red"), "unknown fields"),
    ("edited.safetensors", lambda p: with_header(p, scale=3), "scale 3"),
    ("number.safetensors", lambda p: with_header(p, hyperparameters=3), "hyperparameters is 3; expected dict"),
    ("list.safetensors", lambda p: with_header(p, architecture=["x"]), "architecture is ['x']; expected str"),
    ("metrics.safetensors", lambda p: with_header(p, provenance={"metrics": 3}), "metrics is not a table"),
    ("text.pth", lambda p: p.write_text("a list\n."), "torch checkpoint"),
    ("picture.pth", lambda p: p.write_bytes(b"GIF89a"), "torch checkpoint"),
    ("legacy.pth", lambda p: write_legacy(p, 0.5), "torch checkpoint"),
    ("stub.pth", lambda p: write_legacy(p, 0.02), "torch checkpoint"),
]


@pytest.mark.parametrize(("name", "write", "words"), BAD_FILES, ids=[name for name, _, _ in BAD_FILES])
def test_a_bad_file_is_named_in_one_sentence(name, write, words, tmp_path, capsys):
    path = tmp_path / name
    write(path)
    for read in (load_model, read_header):
        with pytest.raises(SengaError) as caught:
            read(path)
        message = str(caught.value)
        assert message.startswith(f"{name}: ")
        assert words in message
        assert "\n" not in message
    assert "must not run" not in capsys.readouterr().out


def test_a_missing_tensor_is_named(tmp_path):
    path = tmp_path / "hole.safetensors"
    write_missing_tensor(path)
    with pytest.raises(SengaError, match=r"hole\.safetensors: .*conv_hr\.bias is missing"):
        load_model(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SengaError, match=r"nowhere\.safetensors: there is no such file"):
        load_model(tmp_path / "nowhere.safetensors")


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

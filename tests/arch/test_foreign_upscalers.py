"""Other programs' upscalers load with equal results, and ours load in theirs."""

import re

import pytest
import torch
from safetensors.torch import save_file
from sample_upscalers import small_model, state_of
from senga.arch import SengaError, load_upscaler, read_header, save_model


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

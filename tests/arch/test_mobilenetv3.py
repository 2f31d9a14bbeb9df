"""MobileNetV3: sizes as published, and the same logits as torchvision's and timm's nets from their own files."""

import json
from typing import Any

import pytest
import torch
import torchvision_cpu_shim  # noqa: F401 (torchvision and timm can be imported with a CPU torch)
from safetensors.torch import save_file
from sample_taggers import scenes, settle, vocabulary
from senga.arch import SengaError, load_model, load_tagger, read_header
from senga.arch.mobilenetv3 import MobileNetV3Config, MobileNetV3Large, MobileNetV3Small
from senga.arch.preprocessing import Preprocessing

TAGS = 13


@pytest.mark.parametrize(
    ("net", "tags", "parameters"),
    [
        (MobileNetV3Large, 1000, 5_483_032),
        (MobileNetV3Large, 4003, 9_329_875),
        (MobileNetV3Small, 1000, 2_542_856),
        (MobileNetV3Small, 4003, 5_620_931),
    ],
)
def test_parameter_counts_are_the_published_ones(net, tags, parameters):
    with torch.device("meta"):
        assert sum(p.numel() for p in net(MobileNetV3Config(tags=tags)).parameters()) == parameters


@pytest.mark.parametrize(
    ("bad", "word"),
    [({"tags": 0}, "tags"), ({"eps": 0.0}, "eps"), ({"dropout": 1.0}, "dropout"), ({"padding": "x"}, "padding")],
)
def test_impossible_configs_are_refused(bad, word):
    with pytest.raises(ValueError, match=word):
        MobileNetV3Config(**bad)


def test_the_logits_keep_full_precision_under_autocast():
    net = MobileNetV3Small(MobileNetV3Config(tags=4, width=0.35)).eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert net(torch.rand(1, 3, 64, 64)).dtype == torch.float32


def torchvisions(name: str, **options: Any) -> torch.nn.Module:
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(1)
    return settle(getattr(models, name)(num_classes=TAGS, **options))


def timms(name: str) -> torch.nn.Module:
    timm = pytest.importorskip("timm")
    torch.manual_seed(1)
    return settle(timm.create_model(name, num_classes=TAGS))


def write(path, net, counters: bool = True) -> None:
    state = {k: v.clone() for k, v in net.state_dict().items() if counters or "num_batches" not in k}
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)


def write_tags(folder, count: int = TAGS) -> None:
    lines = ["tag_id,name,category,count", *(f"{9000 + i},tag_{i},{(0, 4, 9)[i % 3]},{100 - i}" for i in range(count))]
    (folder / "selected_tags.csv").write_text("\n".join(lines), encoding="utf-8")


def same_logits(net, path) -> None:
    model = load_tagger(path)
    model.model.to(memory_format=torch.contiguous_format)  # theirs: in another layout sums are rounded in another order
    x = scenes(4, 96, 64) * 2 - 1
    with torch.inference_mode():
        expected = net(x)
        assert expected.std(dim=0).max() > 0.5  # logits that differ between pictures
        assert torch.allclose(model.model(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize(
    ("name", "options"),
    [("mobilenet_v3_large", {}), ("mobilenet_v3_small", {}), ("mobilenet_v3_small", {"width_mult": 0.75})],
)
def test_torchvisions_files_give_the_same_logits(name, options, suffix, tmp_path):
    net, path = torchvisions(name, **options), tmp_path / f"net.{suffix}"
    write(path, net)
    write_tags(tmp_path)
    same_logits(net, path)
    header = read_header(path)
    assert header == load_model(path).header
    assert (header.architecture, header.scale) == (name.replace("net_", "net"), None)
    assert (header.hyperparameters["eps"], header.provenance.source) == (1e-3, "torchvision MobileNetV3")


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("name", ["mobilenetv3_large_100", "mobilenetv3_small_100"])
def test_timms_files_give_the_same_logits(name, suffix, tmp_path):
    net, path = timms(name), tmp_path / f"net.{suffix}"
    write(path, net, counters=suffix == "pth")
    write_tags(tmp_path)
    same_logits(net, path)
    header = read_header(path)
    assert (header.hyperparameters["eps"], header.provenance.source) == (1e-5, "timm MobileNetV3")


@pytest.mark.parametrize("name", ["tf_mobilenetv3_large_100", "tf_mobilenetv3_small_100"])
def test_timms_tensorflow_files_need_the_config_that_timm_writes(name, tmp_path):
    net, path = timms(name), tmp_path / "net.safetensors"
    write(path, net)
    write_tags(tmp_path)
    with torch.inference_mode():
        x = scenes(1, 96, 64) * 2 - 1
        assert (load_tagger(path).model(x) - net(x)).abs().max() > 1e-2  # the trap: no key shows it
        known = load_tagger(path, eps=1e-3, padding="same")
        known.model.to(memory_format=torch.contiguous_format)
        assert torch.allclose(known.model(x), net(x), atol=1e-5, rtol=1e-5)
    config = {
        "architecture": name,
        "pretrained_cfg": {"input_size": [3, 320, 320], "mean": [0.5] * 3, "std": [0.5] * 3},
    }
    (tmp_path / "config.json").write_text(json.dumps({**config, "order": "bgr"}))
    same_logits(net, path)
    assert read_header(path).preprocessing == Preprocessing(320, order="bgr")


def test_settings_in_the_files_folder_override_what_the_architecture_implies(tmp_path):
    path = tmp_path / "net.pth"
    write(path, torchvisions("mobilenet_v3_small"))
    write_tags(tmp_path)
    (tmp_path / "config.json").write_text('{"eps": 1}')
    (tmp_path / "net.config.json").write_text('{"eps": 1e-5, "size": 128, "resize": "bilinear"}')
    header = read_header(path)
    assert header.hyperparameters["eps"] == 1e-5
    assert header.preprocessing == Preprocessing(
        128, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (1.0, 1.0, 1.0), "bilinear"
    )
    given = Preprocessing(64)
    assert load_tagger(path, preprocessing=given, eps=2e-3).header.hyperparameters["eps"] == 2e-3
    assert load_tagger(path, preprocessing=given).preprocessing == given
    (tmp_path / "net.config.json").write_text('{"size": 4}')
    with pytest.raises(SengaError, match=r"net\.pth: net\.config\.json: preprocessing: size is 4"):
        load_model(path)
    (tmp_path / "net.config.json").write_text("[1]")
    with pytest.raises(SengaError, match=r"net\.config\.json: holds a list; expected a table"):
        read_header(path)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("net.csv", "name,category\n" + "\n".join(f"tag_{i},{'general' if i else 'rating'}" for i in range(TAGS))),
        ("net.json", json.dumps([[i, f"tag_{i}"] for i in reversed(range(TAGS))])),
        ("tags.json", json.dumps({str(i): f"tag_{i}" for i in range(TAGS)})),
        ("tags.json", json.dumps({f"tag_{i}": i for i in range(TAGS)})),
        ("tags.json", json.dumps([f"tag_{i}" for i in range(TAGS)])),
    ],
)
def test_the_tags_come_from_the_list_in_the_files_folder(file, text, tmp_path):
    path = tmp_path / "net.safetensors"
    write(path, torchvisions("mobilenet_v3_small"))
    (tmp_path / file).write_text(text, encoding="utf-8")
    found = load_tagger(path).vocabulary
    assert found.names == tuple(f"tag_{i}" for i in range(TAGS))
    assert found.categories[0] == ("rating" if file == "net.csv" else "general")


def test_a_tagger_without_its_tags_or_with_others_is_named(tmp_path):
    path = tmp_path / "net.safetensors"
    write(path, torchvisions("mobilenet_v3_small"))
    for read in (load_model, read_header):
        with pytest.raises(SengaError, match=r"net\.safetensors: is a tagger of 13 outputs .*selected_tags\.csv"):
            read(path)
    write_tags(tmp_path, 12)
    for read in (load_model, read_header):
        with pytest.raises(SengaError, match=r"head has 13 outputs, the vocabulary in selected_tags\.csv 12 tags"):
            read(path)
    with pytest.raises(SengaError, match="head has 13 outputs, the vocabulary 3 tags"):
        load_tagger(path, vocabulary=vocabulary(3))
    assert load_tagger(path, vocabulary=vocabulary(13)).vocabulary == vocabulary(13)


def test_another_depth_is_named(tmp_path):
    path = tmp_path / "net.safetensors"
    net = torchvisions("mobilenet_v3_small")
    state = {k: v.clone() for k, v in net.state_dict().items() if not k.startswith("features.5.")}
    save_file(state, path)
    with pytest.raises(SengaError, match="has 10 blocks"):
        load_model(path)

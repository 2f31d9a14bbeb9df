"""timm's taggers: logits as timm gives them by hand after the published preparation; a config.json cannot do harm."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from published_taggers import NAMES, TAGS, WHITE, logits, picture, square, tensor, write_tags
from safetensors.torch import save_file
from senga.arch import SengaError, TaggerModel, load_tagger, read_header, save_model
from senga.arch.borrowed import borrow, timm_taggers
from torch import nn

timm = borrow("timm")
COUNT = len(TAGS)
# SmilingWolf's v3 networks as config.json describes them, with fewer and narrower layers: (network, size, model_args).
SMALL = {"embed_dim": 48, "depth": 2, "num_heads": 4}
FAMILY = {
    "vit": (
        "vit_base_patch16_224",
        64,
        {
            **SMALL,
            "img_size": 64,
            "class_token": False,
            "global_pool": "avg",
            "fc_norm": False,
            "act_layer": "gelu_tanh",
        },
    ),
    "swinv2": (
        "swinv2_base_window8_256",
        64,
        {"img_size": 64, "window_size": 2, "embed_dim": 16, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]},
    ),
    "convnext": ("convnext_base", 64, {"depths": [1, 1, 1, 1], "dims": [8, 16, 32, 64], "norm_eps": 1e-6}),
    "eva02": (
        "eva02_large_patch14_448",
        56,
        {**SMALL, "img_size": 56, "ref_feat_shape": [4, 4], "class_token": False}
        | {"global_pool": "avg", "use_fc_norm": False},
    ),
}


def config(name: str, size: int, arguments: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What timm's push_to_hub writes."""
    cfg = {
        "input_size": [3, size, size],
        "fixed_input_size": True,
        "interpolation": "bicubic",
        "crop_pct": 1.0,
        "crop_mode": "center",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "num_classes": COUNT,
        "first_conv": "patch_embed.proj",
        "classifier": "head",
    }
    raw = {"architecture": name, "num_classes": COUNT, "num_features": 48, "model_args": arguments}
    return {**raw, "pretrained_cfg": {**cfg, **changes}}


def network(name: str, arguments: dict[str, Any]) -> nn.Module:
    torch.manual_seed(11)
    given = {key: tuple(v) if isinstance(v, list) else v for key, v in arguments.items()}
    net = timm.create_model(name, num_classes=COUNT, **given).eval()
    with torch.no_grad():  # as far apart as trained ones: a fresh head is nearly zero
        for parameter in net.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.5 * parameter[0].numel() ** -0.5)
        head = [m for m in net.modules() if isinstance(m, nn.Linear)][-1]
        head.weight.mul_(6)
    return net


def write(folder: Path, family: str = "vit", **changes: Any) -> tuple[Path, nn.Module, int]:
    """A folder as a hub lays it out; gives (file, network, size)."""
    name, size, arguments = FAMILY[family]
    folder.mkdir(parents=True, exist_ok=True)
    net = network(name, arguments)
    path = folder / "model.safetensors"
    save_file({key: value.contiguous() for key, value in net.state_dict().items()}, path)
    (folder / "config.json").write_text(json.dumps(config(name, size, arguments, **changes)))
    write_tags(folder / "selected_tags.csv")
    return path, net, size


def by_hand(net: nn.Module, levels: np.ndarray, order: tuple[int, ...] = (2, 1, 0)) -> torch.Tensor:
    """wdv3-timm's steps: to tensor, normalise, RGB -> BGR, forward. levels: (size, size, 3), 0 to 255."""
    x = torch.from_numpy(np.moveaxis(levels, -1, 0)[None].copy()) / 255
    with torch.no_grad():
        return net(((x - 0.5) / 0.5)[:, list(order)])


def same(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(logits(found), expected.double(), rtol=0, atol=1e-4)


def far(found: torch.Tensor, other: torch.Tensor) -> bool:
    return bool((found - other).abs().max() > 1e-2)


@pytest.mark.parametrize("family", FAMILY)
def test_logits_are_timms_after_the_published_preparation(tmp_path, family):
    path, net, size = write(tmp_path / "wd-x", family)
    model = load_tagger(path)
    assert isinstance(model, TaggerModel)
    assert model.vocabulary.names == NAMES
    assert model.header.architecture == f"timm/{FAMILY[family][0]}"
    assert model.preprocessing.size == size
    for width, height in ((size, size), (151, 97), (31, 40)):
        image = picture(width, height)
        expected = by_hand(net, square(image, size))
        same(model(tensor(image)), expected)
        assert expected.std() > 0.1  # worth comparing


def test_the_header_needs_no_timm(tmp_path, monkeypatch):
    path, _, _ = write(tmp_path)
    monkeypatch.setattr(timm_taggers, "borrow", lambda name: (_ for _ in ()).throw(ImportError("No module named x")))
    header = read_header(path)
    assert (header.architecture, header.row().task) == ("timm/vit_base_patch16_224", "tag")
    assert header.provenance.source == "WD tagger"
    with pytest.raises(SengaError, match=r"model\.safetensors: is a tagger for timm .*\[taggers\].*pip install timm"):
        load_tagger(path)


def test_wd_takes_bgr_and_others_rgb(tmp_path):
    path, net, size = write(tmp_path)
    image = picture(size, size)
    bgr, rgb = by_hand(net, square(image, size)), by_hand(net, square(image, size), (0, 1, 2))
    assert far(bgr, rgb)
    model = load_tagger(path)
    same(model(tensor(image)), bgr)
    same(model.with_channel_order("rgb")(tensor(image)), rgb)
    write_tags(path.with_name("selected_tags.csv"), best_threshold=[0.4] * COUNT)  # as animetimm's
    other = load_tagger(path)
    same(other(tensor(image)), rgb)
    assert set(other.vocabulary.thresholds) == {0.4}
    raw = json.loads(path.with_name("config.json").read_text())
    path.with_name("config.json").write_text(json.dumps({**raw, "order": "bgr"}))
    same(load_tagger(path)(tensor(image)), bgr)


def test_the_padding_is_white(tmp_path):
    path, net, size = write(tmp_path)
    image = picture(40, 20)
    white, black = by_hand(net, square(image, size, WHITE)), by_hand(net, square(image, size, (0, 0, 0)))
    assert far(white, black)
    same(load_tagger(path)(tensor(image)), white)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_the_filter_is_the_configs(tmp_path, interpolation):
    path, net, size = write(tmp_path, interpolation=interpolation)
    image = picture(31, 40)
    kinds = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
    results = {name: by_hand(net, square(image, size, resample=kind)) for name, kind in kinds.items()}
    assert far(results["bicubic"], results["bilinear"])
    same(load_tagger(path)(tensor(image)), results[interpolation])


def test_mean_and_deviation_are_the_configs(tmp_path):
    path, net, size = write(tmp_path, mean=[0.1, 0.2, 0.3], std=[0.4, 0.5, 0.6])
    image = picture(size, size)
    x = (torch.from_numpy(square(image, size)) / 255 - torch.tensor([0.1, 0.2, 0.3])) / torch.tensor([0.4, 0.5, 0.6])
    with torch.no_grad():
        same(load_tagger(path)(tensor(image)), net(x.movedim(-1, 0)[None].flip(1)))


def test_a_picture_has_the_same_scores_alone_and_among_others(tmp_path):
    path, _, _ = write(tmp_path)
    model = load_tagger(path)
    pictures = torch.rand(5, 3, 50, 70, generator=torch.Generator().manual_seed(2))
    together = model(pictures)
    for i in range(5):
        torch.testing.assert_close(model(pictures[i : i + 1])[0], together[i], rtol=0, atol=1e-6)


def test_a_checkpoint_of_half_precision(tmp_path):
    path, net, size = write(tmp_path)
    half = {key: value.half() for key, value in net.state_dict().items()}
    torch.save({"state_dict": half}, path.with_suffix(".pth"))
    image = picture(size, size)
    net.load_state_dict(half)
    same(load_tagger(path.with_suffix(".pth"))(tensor(image)), by_hand(net, square(image, size)))


def change_config(path: Path, **values: Any) -> None:
    raw = json.loads(path.with_name("config.json").read_text())
    path.with_name("config.json").write_text(json.dumps({**raw, **values}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p.with_name("config.json").unlink(), "tagger or classifier of 14 outputs, but nothing says which"),
        (lambda p: p.with_name("selected_tags.csv").unlink(), "tagger of 14 outputs without a list of its tags"),
        (lambda p: write_tags(p.with_name("selected_tags.csv"), TAGS[1:]), "head has 14 outputs.* 13 tags"),
        (lambda p: change_config(p, architecture="vit_of_tomorrow"), "timm .* does not have; update timm"),
        (lambda p: change_config(p, architecture="resnet18"), "cannot build resnet18|do not fit timm/resnet18"),
        (lambda p: change_config(p, architecture="hf-hub:a/b"), "expected one of timm's own names"),
        (lambda p: change_config(p, architecture="local-dir:/etc"), "expected one of timm's own names"),
        (lambda p: change_config(p, model_args={"checkpoint_path": "/tmp/x.pth"}), "sets 'checkpoint_path'"),
        (lambda p: change_config(p, model_args={"pretrained": True}), "sets 'pretrained'"),
        (lambda p: change_config(p, model_args={"norm_layer": {"a": 1}}), "expected numbers or words"),
        (lambda p: change_config(p, model_args={"depth": 10**9}), "has 'depth' 1000000000; expected at most"),
        (lambda p: change_config(p, model_args={"embed_dim": 3 * 2**16}), "describes a network of [0-9]{10,} numbers"),
        (lambda p: change_config(p, model_args={"embed_dim": 10**4000}), "has 'embed_dim' 1000.*; expected at most"),
        (lambda p: change_config(p, model_args=["x" * 200_000]), "has model_args ..xxx.*; expected a table"),
        (lambda p: p.with_name("config.json").write_text("[" * 100_000), "nested too deeply"),
        (lambda p: change_config(p, **{"class": "ViT", "n_tags": 14}), "is JoyTag's own network.* ONNX file works"),
    ],
)
def test_a_tagger_that_cannot_be_loaded_is_named_as_one(tmp_path, change, words):
    path, _, _ = write(tmp_path)
    change(path)
    with pytest.raises(SengaError, match=f"model.safetensors: .*({words})") as error:
        load_tagger(path)
    assert "ESRGAN" not in str(error.value)


def test_timm_never_reaches_the_network(tmp_path, monkeypatch):
    import socket

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    path, _, _ = write(tmp_path)
    load_tagger(path)


def test_camie_taggers_own_network_is_named(tmp_path):
    path = tmp_path / "camie-tagger-v2.safetensors"
    save_file({"initial_classifier.0.weight": torch.zeros(3, 3), "tag_embedding.weight": torch.zeros(3, 3)}, path)
    with pytest.raises(SengaError, match="is camie-tagger's own network"):
        load_tagger(path)


def test_loading_leaves_the_random_numbers_as_they_were(tmp_path):
    path, _, _ = write(tmp_path)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    load_tagger(path)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_timm_tagger_is_not_saved_as_ours(tmp_path):
    path, _, _ = write(tmp_path)
    with pytest.raises(SengaError, match="another library's network"):
        save_model(tmp_path / "copy.safetensors", load_tagger(path))

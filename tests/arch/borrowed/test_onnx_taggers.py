"""ONNX taggers: the numbers that onnxruntime gives by hand after the published preparation, and clear refusals."""

import dataclasses
import gc
import json
import weakref
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image
from published_taggers import NAMES, SIZES, TAGS, logits, picture, square, tensor, write_camie, write_tags
from senga.arch import SengaError, TaggerModel, load_tagger, read_header, save_model
from senga.arch.borrowed import onnx_taggers
from senga.arch.tagging import tag
from senga.arch.tags import Options
from senga.benchmarks.onnx_files import write_onnx  # pyright: ignore[reportMissingImports]

COUNT = len(TAGS)
SIZE = 64


@pytest.fixture
def wd14(tmp_path: Path) -> Path:
    """As ComfyUI-WD14-Tagger keeps its files."""
    write_tags(tmp_path / "wd-x.csv")
    return write_onnx(tmp_path / "wd-x.onnx", COUNT)


def by_hand(path: Path, levels: np.ndarray, output: int = 0) -> torch.Tensor:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: levels})[output])


def published(path: Path, image: Image.Image, **changes) -> torch.Tensor:
    """The steps of WD's script: white square, bicubic, RGB -> BGR, a batch of one."""
    return by_hand(path, np.ascontiguousarray(square(image, SIZE, **changes)[None, :, :, ::-1]))


def same(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(logits(found), logits(expected), rtol=0, atol=1e-4)


def test_a_wd14_file_is_told_by_its_graph_and_its_csv(wd14):
    header = read_header(wd14)
    assert header.vocabulary is not None
    assert header.preprocessing is not None
    assert header.architecture == "onnx/WD tagger"
    assert header.row().task == "tag"
    assert header.vocabulary.names == NAMES
    assert header.vocabulary.indices("rating") == [0, 1, 2, 3]
    assert header.vocabulary.indices("character") == [12, 13]
    assert (header.preprocessing.size, header.preprocessing.order) == (SIZE, "bgr")
    model = load_tagger(wd14)
    assert isinstance(model, TaggerModel)
    assert len(model.file_sha256) == 64


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_logits_are_onnxruntimes_after_the_published_preparation(wd14, size):
    image = picture(*size)
    same(load_tagger(wd14)(tensor(image)), published(wd14, image))


@pytest.mark.parametrize("name", ["model.onnx", "wd-x/model.onnx"])
def test_a_folder_as_hubs_lay_it_out(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    write_onnx(path, COUNT)
    write_tags(path.with_name("selected_tags.csv"))
    path.with_name("config.json").write_text('{"architecture": "vit", "pretrained_cfg": {"mean": [9, 9, 9]}}')  # timm's
    image = picture(150, 97)
    same(load_tagger(path)(tensor(image)), published(path, image))


def far(found: torch.Tensor, other: torch.Tensor) -> bool:
    return bool((logits(found) - logits(other)).abs().max() > 1e-2)


def test_the_channels_are_bgr_and_can_be_said_to_be_rgb(wd14):
    image = picture(SIZE, SIZE)
    right, swapped = published(wd14, image), by_hand(wd14, square(image, SIZE)[None])
    assert far(right, swapped)
    model = load_tagger(wd14)
    same(model(tensor(image)), right)
    same(model.with_channel_order("rgb")(tensor(image)), swapped)
    same(model(tensor(image)), right)  # the other one is a copy


def test_the_padding_is_white(wd14):
    image = picture(80, 40)
    right, black = published(wd14, image), published(wd14, image, colour=(0, 0, 0))
    assert far(right, black)
    same(load_tagger(wd14)(tensor(image)), right)
    wd14.with_name("wd-x.config.json").write_text("{}")
    ready = dataclasses.replace(load_tagger(wd14).preprocessing, pad_colour=(0, 0, 0))
    same(load_tagger(wd14, preprocessing=ready)(tensor(image)), black)


def test_the_filter_is_bicubic(wd14):
    image = picture(31, 40)
    right, other = published(wd14, image), published(wd14, image, resample=Image.Resampling.BILINEAR)
    assert far(right, other)
    same(load_tagger(wd14)(tensor(image)), right)
    ready = dataclasses.replace(load_tagger(wd14).preprocessing, resize="bilinear")
    same(load_tagger(wd14, preprocessing=ready)(tensor(image)), other)


def test_transparency_lies_on_white(wd14):
    image = picture(80, 60).convert("RGBA")
    image.putalpha(Image.fromarray(np.tile(np.array([0, 255], np.uint8).repeat(40), (60, 1))))
    flat = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    same(load_tagger(wd14)(tensor(image)), published(wd14, flat))


@pytest.mark.parametrize("batch", ["batch", 1, 4])
def test_a_picture_has_the_same_scores_alone_and_among_others(tmp_path, batch):
    """Whether the graph's batch axis is dynamic, or fixed to one picture, or to several."""
    write_tags(tmp_path / "x.csv")
    model = load_tagger(write_onnx(tmp_path / "x.onnx", COUNT, batch=batch))
    torch.manual_seed(4)
    pictures = torch.rand(7, 3, 50, 70)
    together = model(pictures)
    for i in range(7):
        torch.testing.assert_close(model(pictures[i : i + 1])[0], together[i], rtol=0, atol=1e-6)
    assert together.std(0).max() > 0.01


def test_every_pass_has_one_size_where_pictures_share_one(wd14, monkeypatch):
    """As on a GPU: the last pass is filled up."""
    model = load_tagger(wd14)
    prepared = torch.rand(5, 3, SIZE, SIZE) * 255
    expected = model.predict(prepared)
    forward, seen = type(model.model).forward, []
    monkeypatch.setattr(onnx_taggers, "CHUNK_ELSEWHERE", 4)
    monkeypatch.setattr(onnx_taggers, "ON_CORES", ("none",))
    monkeypatch.setattr(
        type(model.model), "forward", lambda self, x, threads=0: seen.append(len(x)) or forward(self, x, threads)
    )
    torch.testing.assert_close(model.predict(prepared), expected, rtol=0, atol=1e-6)
    assert seen == [4, 4]


def test_one_session_serves_all_models_of_a_file_and_goes_with_the_last(wd14):
    first, second = load_tagger(wd14), load_tagger(wd14)
    image = tensor(picture(20, 20))
    for model in (first, second):
        model(image)
    del model
    assert first.model.held is second.model.held is not None
    gone = weakref.ref(first.model.held)
    del first
    gc.collect()
    assert gone() is second.model.held
    del second
    gc.collect()
    assert gone() is None


def test_moving_away_gives_the_session_back(wd14):
    model = load_tagger(wd14)
    model(tensor(picture(20, 20)))
    assert model.to("cpu").model.held is not None
    model.model.to("meta")  # as ComfyUI's memory management takes a network off its device
    assert model.model.held is None
    assert isinstance(model, onnx_taggers.OnnxTagger)
    assert not model.moves_to(torch.device("meta"))
    assert load_tagger(wd14).to("meta").device.type == "cpu"  # where this onnxruntime runs


def test_logits_become_probabilities(tmp_path):
    write_tags(tmp_path / "x.csv")
    path = write_onnx(tmp_path / "x.onnx", COUNT, sigmoid=False)
    image = picture(64, 64)
    same(load_tagger(path)(tensor(image)), published(path, image).sigmoid())


def test_joytag(tmp_path):
    (tmp_path / "top_tags.txt").write_text("\n".join(NAMES) + "\n")
    path = write_onnx(tmp_path / "model.onnx", COUNT, channels_last=False, sigmoid=False)
    (tmp_path / "config.json").write_text('{"class": "ViT", "n_tags": 14, "image_size": 448}')
    image = picture(150, 97)
    normal = (square(image, SIZE) / 255 - [0.48145466, 0.4578275, 0.40821073]) / [0.26862954, 0.26130258, 0.27577711]
    model = load_tagger(path)
    same(model(tensor(image)), by_hand(path, np.moveaxis(normal, -1, 0)[None].astype(np.float32)).sigmoid())
    assert model.header.architecture == "onnx/JoyTag"
    assert model.vocabulary.names == NAMES


@pytest.mark.parametrize("version", [1, 2])
def test_camie_tagger(tmp_path, version):
    """Fitted, then padded with black or with ImageNet's mean; the refined output counts."""
    path = tmp_path / {1: "model_initial.onnx", 2: "camie-tagger-v2.onnx"}[version]
    write_onnx(path, COUNT, channels_last=False, sigmoid=False, refined=version == 2)
    write_camie(
        path.with_name({1: "model_initial_metadata.json", 2: "camie-tagger-v2-metadata.json"}[version]), version
    )
    image = picture(128, 96)
    canvas = Image.new("RGB", (SIZE, SIZE), {1: (0, 0, 0), 2: (124, 116, 104)}[version])
    canvas.paste(image.resize((64, 48), Image.Resampling.BICUBIC), (0, 8))
    levels = np.asarray(canvas, dtype=np.float32) / 255
    if version == 2:
        levels = (levels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    expected = by_hand(path, np.moveaxis(levels, -1, 0)[None].astype(np.float32), output=version - 1).sigmoid()
    model = load_tagger(path)
    same(model(tensor(image)), expected)
    assert model.vocabulary.indices("rating") == [0, 1, 2, 3]
    assert model.vocabulary.indices("character") == [12, 13]


def test_a_graph_that_takes_any_size_has_that_of_config_json(tmp_path):
    (tmp_path / "top_tags.txt").write_text("\n".join(NAMES) + "\n")
    path = write_onnx(tmp_path / "model.onnx", COUNT, channels_last=False, any_size=True)
    with pytest.raises(SengaError, match=r"model\.onnx: nothing says how many pixels"):
        load_tagger(path)
    (tmp_path / "config.json").write_text('{"class": "ViT", "n_tags": 14, "image_size": 64}')
    assert load_tagger(path)(tensor(picture(30, 40))).shape == (1, COUNT)


def test_a_graph_of_another_layout_takes_its_preparation_from_config_json(tmp_path):
    path = write_onnx(tmp_path / "x.onnx", COUNT, channels_last=False)
    write_tags(tmp_path / "x.csv", best_threshold=[0.3] * COUNT)
    with pytest.raises(SengaError, match=r"x\.onnx: nothing says how pictures are prepared"):
        load_tagger(path)
    cfg = {"pretrained_cfg": {"input_size": [3, SIZE, SIZE], "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}}
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "caformer_s18", **cfg}))
    image = picture(60, 50)
    normal = (square(image, SIZE) / 255 - [0.1, 0.2, 0.3]) / [0.4, 0.5, 0.6]
    model = load_tagger(path)
    same(model(tensor(image)), by_hand(path, np.moveaxis(normal, -1, 0)[None].astype(np.float32)))
    assert model.preprocessing.order == "rgb"


def test_options_work_as_with_our_own(wd14, tmp_path):
    thresholds = [round(0.02 * i, 2) for i in range(COUNT)]
    write_tags(tmp_path / "wd-x.csv", best_threshold=thresholds)
    model = load_tagger(wd14)
    assert model.vocabulary.thresholds == tuple(thresholds)
    image = tensor(picture(64, 64)).movedim(1, -1)
    score = dict(zip(NAMES, model(image.movedim(-1, 1))[0].tolist(), strict=True))
    (found,) = tag(model, image, Options(threshold_mode="per_tag", include_rating=True, escape_parentheses=True))
    assert dict(found.chosen).keys() - set(NAMES[:4]) == {
        n for n, t in zip(NAMES[4:], thresholds[4:], strict=True) if score[n] >= t
    }
    assert found.rating == max(NAMES[:4], key=score.__getitem__)
    assert found.tags.endswith(found.rating)
    for options in (Options(threshold_mode="mcut"), Options(general_threshold=0.0, character_threshold=1.0)):
        (one,) = tag(model, image, options)
        assert not set(NAMES[:4]) & set(dict(one.chosen))
    (everything,) = tag(model, image, Options(general_threshold=0, character_threshold=0, sort="alphabetical"))
    assert "^_^" in everything.tags.split(", ")
    assert "saber \\(fate\\)" in everything.tags
    (some,) = tag(model, image, Options(general_threshold=0, exclude_tags="1girl, solo", character_threshold=1.0))
    assert not {"1girl", "solo"} & set(dict(some.chosen))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: path.with_suffix(".csv").unlink(), "a tagger without a list of its tags; put the list"),
        (lambda path: write_tags(path.with_suffix(".csv"), TAGS[:-1]), "has 14 outputs, the vocabulary 13 tags"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "is not an ONNX model or is cut short"),
        (
            lambda path: path.write_bytes(b"\x7fELF and so on"),
            "is not an ONNX model or is cut short|holds no ONNX graph",
        ),
        (lambda path: path.write_bytes(b""), "holds no ONNX graph"),
    ],
)
def test_a_tagger_that_cannot_be_read_is_named_as_one(wd14, change, words):
    change(wd14)
    for call in (load_tagger, read_header):
        with pytest.raises(SengaError, match=f"wd-x.onnx: .*({words})") as error:
            call(wd14)
        assert "ESRGAN" not in str(error.value)


def test_an_onnx_file_of_another_kind_is_not_a_tagger(tmp_path):
    info = helper.make_tensor_value_info
    shapes = {"in": ["batch", 3, "height", 7], "out": ["batch", 3, "height", 7]}
    values = {name: info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()}
    node = helper.make_node("Relu", ["in"], ["out"])
    onnx.save(helper.make_model(helper.make_graph([node], "x", [values["in"]], [values["out"]])), tmp_path / "x.onnx")
    write_tags(tmp_path / "x.csv")
    with pytest.raises(SengaError, match=r"x\.onnx: (has 7 outputs|is not a tagger)"):
        load_tagger(tmp_path / "x.onnx")
    node = helper.make_node("Add", ["in", "more"], ["out"])
    more = info("more", TensorProto.FLOAT, [1])
    graph = helper.make_graph([node], "x", [values["in"], more], [values["out"]])
    onnx.save(helper.make_model(graph), tmp_path / "x.onnx")
    with pytest.raises(SengaError, match=r"x\.onnx: is not a tagger: its inputs are in .*, more \[1\]"):
        load_tagger(tmp_path / "x.onnx")


def test_without_onnxruntime_the_message_says_what_to_install(wd14, monkeypatch):
    monkeypatch.setattr(onnx_taggers, "borrow", lambda name: (_ for _ in ()).throw(ImportError("No module named x")))
    assert read_header(wd14).architecture == "onnx/WD tagger"  # lists need no library
    with pytest.raises(SengaError, match=r"wd-x\.onnx: .*onnxruntime.*\[taggers\].*pip install onnxruntime"):
        load_tagger(wd14)


def test_an_onnx_tagger_is_not_saved_as_ours(wd14, tmp_path):
    with pytest.raises(SengaError, match="another library's network"):
        save_model(tmp_path / "copy.safetensors", load_tagger(wd14))

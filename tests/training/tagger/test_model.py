"""A tagger's file, vocabulary and preprocessing, and that a batch changes nothing."""

import dataclasses
import json

import pytest
import torch
from safetensors.torch import save_file
from sample_taggers import CATEGORIES, NAMES, VOCABULARY, scenes, small_tagger
from sample_upscalers import small_model
from senga.arch import (
    Header,
    Preprocessing,
    Provenance,
    SengaError,
    TaggerModel,
    TagVocabulary,
    load_model,
    load_tagger,
    load_upscaler,
    preprocess,
    read_header,
    save_model,
)
from senga.arch.vocabulary import read_vocabulary


def test_a_saved_tagger_loads_equal_and_saves_to_the_same_bytes(tmp_path):
    tags = dataclasses.replace(VOCABULARY, counts=range(9), thresholds=[0.5] * 9, untrained=["rating"])
    model = small_tagger(tags)
    model.header = dataclasses.replace(model.header, provenance=Provenance(seed=3, metrics={"mAP": 0.5}))
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    save_model(first, model)
    loaded = load_model(first)
    assert isinstance(loaded, TaggerModel)
    save_model(second, loaded)
    assert first.read_bytes() == second.read_bytes()
    assert loaded.header == model.header == read_header(first)
    assert (loaded.vocabulary, loaded.preprocessing) == (tags, Preprocessing(64))
    assert len(loaded.file_sha256) == 64
    x = torch.rand(2, 3, 40, 70)
    assert torch.allclose(loaded(x), model(x), atol=1e-6)


def test_each_kind_of_model_is_named_where_the_other_is_wanted(tmp_path):
    save_model(tmp_path / "tagger.safetensors", small_tagger())
    save_model(tmp_path / "upscaler.safetensors", small_model("rrdb"))
    assert load_tagger(tmp_path / "tagger.safetensors").vocabulary == VOCABULARY
    assert load_upscaler(tmp_path / "upscaler.safetensors").scale == 4
    with pytest.raises(SengaError, match=r"tagger\.safetensors: is a tagger"):
        load_upscaler(tmp_path / "tagger.safetensors")
    with pytest.raises(SengaError, match=r"upscaler\.safetensors: is an upscaler"):
        load_tagger(tmp_path / "upscaler.safetensors")


def test_an_upscalers_header_says_nothing_of_taggers():
    assert not {"vocabulary", "preprocessing"} & json.loads(small_model("rrdb").header.to_json()).keys()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vocabulary": None}, "has no vocabulary"),
        ({"preprocessing": None}, "has no preprocessing"),
        ({"vocabulary": {"names": ["a"], "categories": ["general"]}}, "head has 9 outputs, the vocabulary 1 tags"),
        ({"vocabulary": {"names": ["a"], "categories": ["artist"]}}, "category 'artist'"),
        ({"vocabulary": {"names": ["a"], "colour": 3}}, "unknown fields"),
        ({"preprocessing": {"size": "big"}}, "size is 'big'"),
        ({"preprocessing": {"size": 64, "crop": 1}}, "unknown fields"),
        ({"vocabulary": 3}, "fields"),
    ],
)
def test_a_header_that_contradicts_itself_is_named(changes, words, tmp_path):
    model, path = small_tagger(), tmp_path / "t.safetensors"
    header = json.loads(model.header.to_json()) | changes
    save_file({k: v.contiguous() for k, v in model.model.state_dict().items()}, path, {"senga": json.dumps(header)})
    for read in (load_model, read_header):
        with pytest.raises(SengaError, match=words) as caught:
            read(path)
        assert str(caught.value).startswith("t.safetensors: ")


def test_a_head_of_another_width_than_the_vocabulary_is_refused():
    with pytest.raises(SengaError, match="head has 5 outputs, the vocabulary 9 tags"):
        TaggerModel.create("mobilenetv3_small", VOCABULARY, Preprocessing(64), tags=5)
    model = small_tagger()
    net = small_tagger(TagVocabulary(("a",), ("general",))).model
    with pytest.raises(SengaError, match="head has 1 outputs, the vocabulary 9 tags"):
        TaggerModel(model.header, net)
    with pytest.raises(SengaError, match=r"does not tag; this version knows to tag: "):
        TaggerModel.create("espcn_7", VOCABULARY, Preprocessing(64))
    with pytest.raises(SengaError, match="does not tag"):
        TaggerModel(Header("espcn_7", {"scale": 2}, 2), net)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"names": ()}, "no tags"),
        ({"categories": ("general",)}, "9 tags but 1 categories"),
        ({"counts": (1, 2)}, "9 tags but 2 counts"),
        ({"thresholds": (0.5,) * 8 + (1.5,)}, "threshold 1.5"),
        ({"thresholds": (0.5,) * 8 + (float("nan"),)}, "threshold nan"),
        ({"categories": ("artist",) * 9}, "category 'artist'"),
        ({"untrained": ("artist",)}, "category 'artist'"),
        ({"names": ("a",) * 9}, "'a' twice"),
        ({"names": ("a", " ", *"bcdefgh")}, "tag ' '"),
    ],
)
def test_an_impossible_vocabulary_is_refused_at_birth(changes, words):
    with pytest.raises(SengaError, match=words):
        dataclasses.replace(VOCABULARY, **changes)


@pytest.mark.parametrize(
    ("text", "categories"),
    [
        ('[[0, "a"], [1, "safe"], [2, "explicit"]]', ("general", "rating", "rating")),
        ('[[0, "a"], [1, "general"], [2, "sensitive"]]', ("general", "rating", "rating")),
        ('[[0, "a"], [1, "general"], [2, "b"]]', ("general",) * 3),
        ('[[0, "a", 0], [1, "b", 4], [2, "c", "rating"]]', ("general", "character", "rating")),
        ('{"a": 0, "b": 1, "rating:safe": 2}', ("general", "general", "rating")),
    ],
)
def test_categories_of_a_json_list(text, categories, tmp_path):
    (tmp_path / "t.json").write_text(text)
    assert read_vocabulary(tmp_path / "t.json").categories == categories


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("t.json", "3", "holds no tags"),
        ("t.json", "[[0, 1]]", "holds no tags"),
        ("t.json", '[[0, "a"], [2, "b"]]', "expected each index from 0 to 1 once"),
        ("t.json", "[[", "cannot be read|can be read"),
        ("t.json", '[[0, "a", 7]]', "category 7"),
        ("t.csv", "tag;kind\na;0", "has the columns tag;kind"),
        ("t.csv", "", "has the columns nothing"),
        ("t.csv", "name,category\na,0\na,0", "'a' twice"),
    ],
)
def test_a_bad_list_of_tags_is_named(name, text, words, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(SengaError, match=words) as caught:
        read_vocabulary(tmp_path / name)
    assert str(caught.value).startswith(f"{name}: ")


def test_counts_and_quoted_names_of_a_csv(tmp_path):
    (tmp_path / "t.csv").write_text('tag_id,name,category,count\n1,"a,b",0,12\n2,\u2028_x,4,3\n', encoding="utf-8-sig")
    assert read_vocabulary(tmp_path / "t.csv") == TagVocabulary(("a,b", "\u2028_x"), ("general", "character"), (12, 3))


RED_ON_BLUE = Preprocessing(32, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.0, 1.0))


def test_a_picture_that_is_no_square_is_padded_on_both_sides():
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    out = preprocess(red.expand(1, 3, 20, 40), RED_ON_BLUE)
    assert out.shape == (1, 3, 32, 32)
    assert torch.allclose(out[..., 8:24, :], red.expand(1, 3, 16, 32), atol=1e-6)
    assert (out[:, 2, :8] == 1).all()
    assert (out[:, 2, 24:] == 1).all()
    tall = preprocess(red.expand(1, 3, 4000, 3), RED_ON_BLUE)
    assert (tall[:, 0].amax(dim=1) > 0.9).sum() == 1  # one column is left of it
    assert torch.equal(preprocess(red.expand(1, 3, 32, 32), RED_ON_BLUE)[0], red.expand(1, 3, 32, 32)[0])


def test_transparent_pixels_become_the_pad_colour_and_grey_becomes_three_channels():
    clear = torch.zeros(1, 4, 8, 8)
    assert torch.allclose(preprocess(clear, RED_ON_BLUE)[:, 2], torch.ones(1, 32, 32))
    half = torch.cat((torch.ones(1, 3, 8, 8), torch.full((1, 1, 8, 8), 0.5)), 1)
    assert torch.allclose(preprocess(half, RED_ON_BLUE)[:, 0], torch.full((1, 32, 32), 0.5), atol=1e-6)
    grey = torch.rand(1, 1, 8, 8)
    assert torch.equal(preprocess(grey, RED_ON_BLUE), preprocess(grey.repeat(1, 3, 1, 1), RED_ON_BLUE))


def test_mean_deviation_and_order_of_the_channels():
    x = torch.rand(1, 3, 32, 32)
    plain = Preprocessing(32, (0.1, 0.2, 0.3), (0.5, 1.0, 2.0))
    wanted = (x - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / torch.tensor([0.5, 1.0, 2.0]).view(3, 1, 1)
    assert torch.allclose(preprocess(x, plain), wanted)
    assert torch.equal(preprocess(x, dataclasses.replace(plain, order="bgr")), preprocess(x, plain).flip(1))


def test_fine_lines_are_averaged_not_sampled_when_a_picture_shrinks():
    stripes = torch.zeros(1, 3, 320, 320)
    stripes[..., ::2] = 1
    for resize in ("bicubic", "bilinear"):
        out = preprocess(stripes, Preprocessing(32, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), resize=resize))
        assert (out - 0.5).abs().max() < 0.05


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": 0}, "size is 0"),
        ({"std": (0.0, 1.0, 1.0)}, "std"),
        ({"mean": (0.5,)}, "three numbers"),
        ({"mean": ("a", "b", "c")}, "three numbers"),
        ({"pad_colour": (255, 255, 255)}, "0 to 1"),
        ({"resize": "nearest"}, "resize is 'nearest'"),
        ({"order": "gbr"}, "order is 'gbr'"),
    ],
)
def test_impossible_preprocessing_is_refused(changes, words):
    with pytest.raises(SengaError, match=words):
        dataclasses.replace(Preprocessing(64), **changes)


@pytest.mark.parametrize("shape", [(1, 2, 8, 8), (3, 8, 8), (1, 3, 0, 8), (0, 3, 8, 8)])
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(SengaError, match="the image has shape"):
        preprocess(torch.zeros(shape), Preprocessing(64))


@pytest.mark.parametrize("architecture", ["mobilenetv3_small", "mobilenetv3_large"])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_picture_alone_and_in_a_batch_gives_the_same_probabilities(architecture, channels):
    model = small_tagger(architecture=architecture)
    pictures = scenes(19, 50, 77, channels)  # more than one pass of the net takes
    together = model(pictures)
    assert together.shape == (19, 9)
    assert together.dtype == torch.float32
    assert together.std(dim=0).max() > 0.1  # the pictures differ
    ready = preprocess(pictures, model.preprocessing)
    # ComfyUI's pictures are views of another layout.
    view = pictures.contiguous(memory_format=torch.channels_last)
    for i in range(len(pictures)):
        assert (preprocess(view[i : i + 1], model.preprocessing)[0] - ready[i]).abs().max() <= 1e-6
        assert (model(view[i : i + 1])[0] - together[i]).abs().max() <= 1e-6
    with torch.autocast("cpu", torch.bfloat16):
        assert (model(pictures[:3]) - together[:3]).abs().max() <= 1e-6


def test_passes_are_filled_up_to_one_size_where_they_hold_many(monkeypatch):
    model, sizes = small_tagger(), []
    monkeypatch.setattr("senga.arch.tagger.CHUNK", {"cpu": 4})
    model.model.register_forward_pre_hook(lambda net, args: sizes.append(len(args[0])))
    pictures = scenes(6, 64, 64)
    together = model(pictures)
    assert sizes == [4, 4]
    assert torch.allclose(model(pictures[5:])[0], together[5], atol=1e-6)
    assert together.shape == (6, 9)


def test_probabilities_are_the_sigmoid_of_the_logits():
    model = small_tagger()
    x = torch.rand(2, 3, 64, 64)
    logits = model.model(preprocess(x, model.preprocessing))
    assert torch.allclose(model(x), logits.sigmoid(), atol=1e-6)
    assert not any(p.requires_grad for p in model.model.parameters())
    assert (model.dtype, model.device.type, model.patcher) == (torch.float32, "cpu", None)
    assert model.to("cpu") is model


def test_the_tags_of_the_made_tagger_are_the_vocabularys():
    assert (VOCABULARY.names, VOCABULARY.categories) == (NAMES, CATEGORIES)
    assert VOCABULARY.indices("character") == [5, 6]

"""The tagger's nodes without ComfyUI: each option has an effect, a batch equals its frames, files come in pairs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from comfy_stand_ins import Books, Patching
from PIL import Image
from sample_taggers import VOCABULARY, known_tagger, scenes, small_tagger
from senga.arch import SengaError, load_tagger, save_model
from senga.arch.image import to_bhwc
from senga.arch.tagger import memory_needed
from senga.arch.tags import Options, choose
from senga.headless.workflow.execute import call_node
from senga.nodes import NODE_CLASS_MAPPINGS, host
from senga.nodes.load_model import SengaLoadTagger
from senga.nodes.save_tags import SengaSaveTags
from senga.nodes.tag_image import SengaTagImage


def frames(count: int = 3, channels: int = 3) -> torch.Tensor:
    torch.manual_seed(5)
    return to_bhwc(scenes(count, 40, 60, channels))


def tagged(model, image, **options):
    return call_node(SengaTagImage, tagger=model, image=image, **options)


def test_each_frame_has_the_texts_that_it_has_alone():
    model, image = small_tagger(), frames()
    together = tagged(model, image)
    assert [len(output) for output in together] == [3, 3, 3, 3]
    assert len(set(together[0])) > 1  # the pictures differ
    for i in range(3):
        alone = tagged(model, image[i : i + 1])
        assert [output[0] for output in alone[:3]] == [output[i] for output in together[:3]]


OPTIONS = [
    {},
    {"general_threshold": 0.6},
    {"character_threshold": 0.5},
    {"threshold_mode": "mcut"},
    {"max_tags": 2},
    {"include_rating": True},
    {"exclude_tags": "SOLO, cat *"},
    {"only_tags": "*girl, solo"},
    {"replace_underscore": False},
    {"escape_parentheses": False},
    {"with_scores": True},
    {"sort": "people first"},
    {"sort": "alphabetical"},
    {"separator": " / "},
    {"prefix": "best, "},
    {"suffix": ", end"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options)) or "defaults")
def test_every_option_reaches_the_choice_and_changes_it(options):
    probabilities = [0.5, 0.95, 0.55, 0.9, 0.75, 0.97, 0.7, 0.2, 0.1]
    model = known_tagger(probabilities)
    found = choose(model(torch.rand(1, 3, 8, 8))[0].tolist(), VOCABULARY, Options(**options))
    outputs = tagged(model, frames(1), **options)
    assert [output[0] for output in outputs[:3]] == [found.tags, found.characters, found.rating]
    assert json.loads(outputs[3][0])["thresholds"] == json.loads(found.scores)["thresholds"]
    if options:
        assert (found.tags, found.characters) != ((plain := tagged(model, frames(1)))[0][0], plain[1][0])


def test_thresholds_of_each_tag_come_from_the_model():
    probabilities = [0.5, 0.95, 0.55, 0.9, 0.75, 0.97, 0.7, 0.2, 0.1]
    own = [0.4, 0.99, 0.99, 0.99, 0.99, 0.99, 0.6, 0.0, 0.0]
    outputs = tagged(known_tagger(probabilities, thresholds=own), frames(1), threshold_mode="per_tag")
    assert outputs[0] == ["saber \\(fate\\), 1girl"]
    with pytest.raises(SengaError, match="no thresholds of its own"):
        tagged(known_tagger(probabilities), frames(1), threshold_mode="per_tag")


def test_the_tags_are_shown_on_the_node_and_the_scores_name_the_file(tmp_path, monkeypatch):
    path = tmp_path / "t.safetensors"
    save_model(path, small_tagger())
    monkeypatch.setattr(host, "standalone", host.Standalone(model_dirs=[tmp_path]))
    assert "t.safetensors" in host.tagger_names()
    assert "t.safetensors" not in host.upscale_model_names()
    (model,) = SengaLoadTagger().load("t.safetensors")
    defaults = {
        name: spec[1]["default"]
        for name, spec in SengaTagImage.INPUT_TYPES()["required"].items()
        if "default" in spec[1]
    }
    answer = SengaTagImage().tag(model, frames(2), **defaults)
    assert answer["ui"]["text"] == answer["result"][0]
    scores = json.loads(answer["result"][3][0])
    assert scores["model_sha256"] == load_tagger(path).file_sha256
    assert set(scores["general"]) == set(VOCABULARY.names[:5])
    before = SengaLoadTagger.IS_CHANGED("t.safetensors")
    save_model(path, small_tagger(architecture="mobilenetv3_large"))
    assert SengaLoadTagger.IS_CHANGED("t.safetensors") != before


def test_a_missing_tagger_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "standalone", host.Standalone(model_dirs=[tmp_path]))
    monkeypatch.setattr(host, "WEIGHTS", tmp_path)
    assert host.tagger_names() == []
    assert SengaLoadTagger.INPUT_TYPES()["required"]["model_name"][0] == []
    with pytest.raises(SengaError, match=r"tagger 'x\.safetensors' was not found in "):
        SengaLoadTagger().load("x.safetensors")


def test_transparency_counts_as_background():
    model, image = small_tagger(), frames(1)
    mask = torch.zeros(1, 40, 60)
    mask[:, :, 30:] = 1
    blank = image.clone()
    blank[:, :, 30:] = 1.0  # the pad colour
    scores = [json.loads(tagged(model, *a, **k)[3][0]) for a, k in (((image,), {"mask": mask}), ((blank,), {}))]
    assert scores[0] == scores[1]
    assert scores[0] != json.loads(tagged(model, image)[3][0])
    four = torch.cat((image, 1 - mask[..., None]), 3)
    assert json.loads(tagged(model, four)[3][0]) == scores[0]


def test_progress_and_cancel_reach_the_tagger(monkeypatch):
    seen = []
    monkeypatch.setattr(host.standalone, "progress", lambda done, total: seen.append((done, total)))
    tagged(small_tagger(), frames(2))
    assert seen == [(1, 2), (2, 2)]
    monkeypatch.setattr(host.standalone, "should_stop", lambda: True)
    with pytest.raises(Exception, match="stopped after 0 of 2 pictures"):
        tagged(small_tagger(), frames(2))


def test_inside_comfyui_the_tagger_is_loaded_by_the_memory_management(monkeypatch):
    books = Books()
    monkeypatch.setattr(books, "get_torch_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(host, "management", books)
    monkeypatch.setattr(host, "patching", Patching)
    model = small_tagger()
    host.attach_patcher(model)
    tagged(model, frames(2))
    needed = memory_needed(model, torch.device("cpu"))
    assert books.calls == [("load", [model.patcher], needed, True)]  # once, whatever the batch
    assert memory_needed(model, torch.device("cuda")) == 16 * needed


@pytest.fixture
def output(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(host, "standalone", host.Standalone(output_dir=tmp_path / "output"))
    return tmp_path / "output"


def save(images, tags, prefix="a/b", **hidden):
    return SengaSaveTags().save(images, tags, [prefix], **hidden)["ui"]


def test_pictures_and_captions_are_written_in_pairs_and_numbered_on(output):
    image = frames(2)
    saved = save([image], ["one", "zwei, ü"], prompt=[{"1": {}}], extra_pnginfo=[{"workflow": {"x": 1}}])
    assert [file["filename"] for file in saved["images"]] == ["b_00001_.png", "b_00002_.png"]
    assert [file["filename"] for file in saved["captions"]] == ["b_00001_.txt", "b_00002_.txt"]
    assert {file["subfolder"] for file in saved["images"]} == {"a"}
    assert (output / "a/b_00002_.txt").read_text(encoding="utf-8") == "zwei, ü"
    with Image.open(output / "a/b_00002_.png") as picture:
        assert (np.asarray(picture) == (image[1].numpy() * 255).astype(np.uint8)).all()
        assert json.loads(picture.info["prompt"]) == {"1": {}}
        assert json.loads(picture.info["workflow"]) == {"x": 1}
    (output / "a/b_00007_.png").touch()  # of another node
    assert save([image[:1]], ["three"])["images"][0]["filename"] == "b_00008_.png"


def test_pictures_of_several_sizes_and_one_text_for_all(output):
    save([frames(1), frames(1)[:, :20]], ["same"], "p")
    assert [(output / f"p_0000{i}_.txt").read_text(encoding="utf-8") for i in (1, 2)] == ["same", "same"]
    with pytest.raises(SengaError, match="found 3 pictures and 2 texts"):
        save([frames(3)], ["a", "b"])


def test_with_a_mask_the_picture_is_saved_on_white_with_soft_edges(output):
    image, mask = torch.zeros(1, 4, 3, 3), torch.tensor([0.0, 0.5, 1.0]).expand(1, 4, 3)
    save([image], ["a"], "p", mask=[mask])
    with Image.open(output / "p_00001_.png") as picture:
        assert picture.mode == "RGB"
        assert np.asarray(picture)[0, :, 0].tolist() == [0, 127, 255]
    save([frames(1), frames(1)], ["a", "b"], "q", mask=[torch.zeros(1, 64, 64)])  # Load Image's mask of no alpha
    with Image.open(output / "q_00002_.png") as picture:
        assert (np.asarray(picture) == (frames(1)[0].numpy() * 255).astype(np.uint8)).all()
    with pytest.raises(SengaError, match="3 pictures and 2 masks"):
        save([frames(1)] * 3, ["a"], "r", mask=[mask] * 2)


def test_names_are_kept_in_the_folder_of_the_prefix_and_nothing_is_replaced(output):
    saved = save([frames(2)], ["one", "two"], "set/senga", names=["lucy", "cat.v2"])
    assert [file["filename"] for file in saved["images"]] == ["lucy.png", "cat.v2.png"]
    assert (output / "set/cat.v2.txt").read_text(encoding="utf-8") == "two"
    again = save([frames(2)], ["three"], "set/senga", names=["lucy", "lucy"])
    assert [file["filename"] for file in again["captions"]] == ["lucy_00001_.txt", "lucy_00002_.txt"]
    assert (output / "set/lucy.txt").read_text(encoding="utf-8") == "one"


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a\\b", "C:x", "%width%", "a\n"])
def test_a_name_cannot_lead_elsewhere(name, output):
    with pytest.raises(SengaError, match="cannot be that of a file"):
        save([frames(1)], ["a"], names=[name])
    with pytest.raises(SengaError, match="found 1 picture and 2 names"):
        save([frames(1)], ["a"], names=["a", "b"])
    assert not [path for path in output.parent.rglob("*") if path.is_file()]


@pytest.mark.parametrize("prefix", ["../x", "a/../../x", "a/../b", "/x", "C:\\x", "C:x", "\\x", "a\\..\\..\\x", ""])
def test_nothing_is_saved_outside_the_output_folder(prefix, output):
    with pytest.raises(SengaError, match="filename_prefix"):
        save([frames(1)], ["a"], prefix)
    assert not [path for path in output.parent.rglob("*") if path.is_file()]


def test_the_metadata_can_be_turned_off(output, monkeypatch):
    monkeypatch.setattr(host, "metadata_allowed", lambda: False)
    save([frames(1)], ["a"], "p", prompt=[{"1": {}}])
    with Image.open(output / "p_00001_.png") as picture:
        assert "prompt" not in picture.info


def test_the_nodes_run_without_a_linked_output():
    assert NODE_CLASS_MAPPINGS["SengaTagImage"].OUTPUT_NODE
    assert NODE_CLASS_MAPPINGS["SengaSaveTags"].OUTPUT_NODE

"""`senga convert`: other people's files become Senga's, and back, without a change of the picture."""

import json

import pytest
import torch
from sample_foreign import write_foreign
from sample_taggers import VOCABULARY, small_tagger
from sample_upscalers import picture, small_model
from senga.arch import load_model, load_tagger, read_header, save_model, upscale
from senga.arch.foreign_upscalers import LAYOUTS
from senga.arch.weights import save_official
from senga.headless.cli import FAILED, OK, USAGE, main

# What the official code takes for granted.
AS_THERE = {
    "rrdb": {"blocks": 2},
    "compact": {"scale": 2},
    "espcn_7": {"selection": "replace"},
    "dcscn": {"residual": "bilinear", "activation": "selu"},
}


@pytest.mark.parametrize("architecture", AS_THERE)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_official_files_come_back_as_the_same_network(architecture, suffix, tmp_path, capsys, caplog):
    model = small_model(architecture, **AS_THERE[architecture])
    ours, official, back = (tmp_path / name for name in ("ours.safetensors", f"official{suffix}", "back.safetensors"))
    save_model(ours, model)
    assert main(["convert", str(ours), str(official), "--official"]) == OK
    assert caplog.records == []  # nothing is lost
    extra = ["--licence", "CC-BY-4.0", "--licence", "MIT", "--source", "https://example.org/a.pth"]
    assert main(["convert", str(official), str(back), *extra]) == OK
    assert capsys.readouterr().out.split() == [str(official), str(back)]
    found = load_model(back)
    assert found.header.config() == model.header.config()
    assert found.header.provenance.licences == ("CC-BY-4.0", "MIT")
    layout, _, source = found.header.provenance.source.partition("; ")
    assert layout in {layout.name for layout in LAYOUTS}
    assert source == "https://example.org/a.pth"
    expected, states = model.model.state_dict(), found.model.state_dict()
    assert all(torch.equal(states[key], value) for key, value in expected.items())
    # Files of other programs give the picture that they give there, with a header as without.
    assert torch.equal(upscale(found, picture(9, 12)), upscale(load_model(official), picture(9, 12)))


def test_dcscn_gets_the_names_of_its_code(tmp_path):
    save_official(tmp_path / "dcscn.pth", small_model("dcscn", residual="bilinear"))
    keys = set(torch.load(tmp_path / "dcscn.pth", weights_only=True))
    assert {"feature_block.Feature 1.Conv2d.weight", "reconstruction_block.A.Conv2d.weight"} <= keys
    assert {"up_sampler.Conv2d_block.Conv2d.weight", "up_sampler.Conv2d.weight"} <= keys


def test_real_esrgan_finds_its_tensors(tmp_path):
    save_official(tmp_path / "rrdb.pth", small_model("rrdb"))
    assert set(torch.load(tmp_path / "rrdb.pth", weights_only=True)) == {"params_ema"}


def test_what_the_official_code_cannot_know_is_said(tmp_path, caplog):
    save_model(tmp_path / "a.safetensors", small_model("espcn_7", selection="multiply"))
    assert main(["convert", str(tmp_path / "a.safetensors"), str(tmp_path / "a.pth"), "--official"]) == OK
    assert "the official code cannot know selection=multiply" in caplog.text


def test_a_checkpoint_with_wrapped_tensors_is_converted(tmp_path):
    state = small_model("rrdb").model.state_dict()
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "a.ckpt")
    assert main(["convert", str(tmp_path / "a.ckpt"), str(tmp_path / "a.safetensors")]) == OK
    assert read_header(tmp_path / "a.safetensors").hyperparameters["features"] == 8


def test_a_tagger_is_converted_with_its_list_and_back(tmp_path):
    model = small_tagger()
    save_official(tmp_path / "theirs.pth", model)
    kinds = {"general": 0, "character": 4, "rating": 9}
    tags = enumerate(zip(VOCABULARY.names, VOCABULARY.categories, strict=True))
    rows = [f"{i},{name},{kinds[category]},1" for i, (name, category) in tags]
    (tmp_path / "theirs.csv").write_text("\n".join(["tag_id,name,category,count", *rows]))
    (tmp_path / "theirs.config.json").write_text(json.dumps({"size": 64}))
    assert main(["convert", str(tmp_path / "theirs.pth"), str(tmp_path / "ours.safetensors")]) == OK
    ours = load_tagger(tmp_path / "ours.safetensors")
    assert ours.vocabulary.names == VOCABULARY.names
    x = torch.rand(1, 3, 64, 64)
    assert torch.allclose(ours.predict(x), model.predict(x), atol=1e-5)


def test_what_cannot_be_converted_is_said(tmp_path, caplog):
    save_model(tmp_path / "a.safetensors", small_model("rrdb"))
    save_model(tmp_path / "d.safetensors", small_model("drrn"))
    path = str(tmp_path / "a.safetensors")
    cases = [
        ([path, str(tmp_path / "b.pth")], USAGE, "Senga writes safetensors"),
        ([path, path], USAGE, "IN and OUT are the same file"),
        ([path, str(tmp_path / "b.safetensors"), "--source", "x"], USAGE, "the file has a header of Senga's"),
        (
            [path, str(tmp_path / "b.safetensors"), "--official", "--licence", "x"],
            USAGE,
            "--official files do not have",
        ),
        ([path, str(tmp_path / "b.bin"), "--official"], FAILED, "official files are .safetensors or .pth"),
        ([str(tmp_path / "d.safetensors"), str(tmp_path / "b.pth"), "--official"], FAILED, "drrn has no official key"),
        ([str(tmp_path / "none.pth"), str(tmp_path / "b.safetensors")], FAILED, "there is no such file"),
    ]
    for arguments, code, text in cases:
        caplog.clear()
        assert main(["convert", *arguments]) == code
        assert text in caplog.text
    assert {path.name for path in tmp_path.iterdir()} == {"a.safetensors", "d.safetensors"}


def test_a_listed_name_is_converted(tmp_path, capsys):
    target = tmp_path / "x.safetensors"
    assert main(["convert", "senga_compact_x2", str(target)]) == OK
    assert read_header(target).architecture == "compact"
    assert main(["convert", "senga_compact_x9", str(target)]) == USAGE
    assert "neither a known model nor a file" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
def test_other_libraries_networks_stay_as_they_are(tmp_path, caplog):
    path = write_foreign(tmp_path, "span.safetensors")
    assert main(["convert", str(path), str(tmp_path / "x.safetensors")]) == FAILED
    assert "span.safetensors: is a spandrel/SPAN network, which another library runs; it loads as it is" in caplog.text

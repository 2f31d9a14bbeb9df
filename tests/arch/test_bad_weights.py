"""A clear sentence for every bad weights file. Files made to do harm: test_hostile_weights.py."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file
from sample_upscalers import small_model, state_of
from senga.arch import SengaError, load_model, read_header, save_model


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

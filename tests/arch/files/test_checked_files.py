"""What `senga models` checks beyond a header, what lists ask, and files without header: each fault names its file."""

from pathlib import Path

import pytest
import torch
from sample_upscalers import small_model
from senga.arch import SengaError, save_model, weights
from senga.arch.weights import check_file, read_state_dict, save_official, task_of


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    save_model(tmp_path / "sound.safetensors", small_model("espcn_7"))
    return tmp_path / "sound.safetensors"


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    model = small_model("espcn_7")
    with torch.no_grad():
        next(model.model.parameters())[0, 0, 0, 0] = float("inf")
    save_model(tmp_path / "spoilt.safetensors", model)
    return tmp_path / "spoilt.safetensors"


def test_a_sound_file_gives_its_header(sound: Path) -> None:
    assert check_file(sound).architecture == "espcn_7"


def test_values_that_are_not_finite_are_named_with_the_file(spoilt: Path) -> None:
    with pytest.raises(SengaError, match=r"^spoilt\.safetensors: its tensor .* holds Inf"):
        check_file(spoilt)


def test_values_are_looked_at_up_to_512_mb(spoilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights.LOOKED_AT == 536_870_912
    size = spoilt.stat().st_size
    monkeypatch.setattr(weights, "LOOKED_AT", size)
    with pytest.raises(SengaError):
        check_file(spoilt)
    monkeypatch.setattr(weights, "LOOKED_AT", size - 1)
    assert check_file(spoilt).scale == 2


@pytest.mark.parametrize(("library", "refused"), [("timm", True), ("onnxruntime", False)])
def test_a_library_is_missed_only_where_the_network_needs_it(
    library: str, refused: bool, sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = weights.read_header(sound)
    object.__setattr__(header, "architecture", "timm/vit_tiny_patch16_224")
    monkeypatch.setattr(weights, "read_header", lambda path: header)
    monkeypatch.setattr(weights, "is_there", lambda name: name != library)
    if refused:
        with pytest.raises(SengaError, match=r"^sound\.safetensors: is a tagger for timm, which is not installed"):
            check_file(sound)
    else:
        assert check_file(sound) is header


@pytest.mark.parametrize("ask", [check_file, task_of, read_state_dict, weights.read_header, weights.load_model])
@pytest.mark.parametrize("failure", [OSError(5, "Input/output error"), SengaError("is cut short")])
def test_a_fault_while_reading_is_named_with_the_file(
    ask: object, failure: Exception, sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise failure

    assert callable(ask)
    for step in ("read_index",) if ask in (task_of, weights.read_header) else ("read_index", "read_tensors"):
        with monkeypatch.context() as patch:
            patch.setattr(weights, step, fail)
            with pytest.raises(SengaError, match=r"^sound\.safetensors: (Input/output error|is cut short)$"):
                ask(sound)


def test_what_a_file_is_for_is_asked_of_its_index(sound: Path, tmp_path: Path) -> None:
    assert task_of(sound) == "upscale"
    (tmp_path / "t.onnx").write_bytes(b"")
    assert task_of(tmp_path / "t.onnx") == "tag"
    (tmp_path / "no.pth").write_bytes(b"no weights")
    with pytest.raises(SengaError, match=r"^no\.pth: "):
        task_of(tmp_path / "no.pth")


@pytest.mark.parametrize("suffix", [".ckpt", ".PT", ""])
def test_official_files_have_two_endings(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    with pytest.raises(SengaError, match=r"official files are \.safetensors or \.pth"):
        save_official(path, small_model("rrdb"))
    assert not path.exists()


def test_a_pth_is_one_by_its_ending_in_any_case(tmp_path: Path) -> None:
    save_official(tmp_path / "x.PTH", small_model("dcscn", residual="bilinear"))
    keys = set(torch.load(tmp_path / "x.PTH", weights_only=True))
    assert keys == set(read_state_dict(tmp_path / "x.PTH"))  # no table around the tensors
    save_official(tmp_path / "y.pth", small_model("rrdb"))
    assert set(torch.load(tmp_path / "y.pth", weights_only=True)) == {"params_ema"}

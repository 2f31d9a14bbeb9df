"""`senga export`: ONNX files give what torch gives."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sample_foreign import write_foreign
from sample_taggers import small_tagger
from sample_upscalers import picture, small_model
from senga.arch import Header, SengaError, save_model, upscale
from senga.arch.borrowed import onnx_export
from senga.arch.borrowed.onnx_half import halve_weights
from senga.arch.preprocessing import preprocess
from senga.headless.cli import FAILED, OK, USAGE, main

OPEN = [("espcn_7", {}), ("rrdb", {"scale": 2})]
FIXED = [("dcscn", {"scale": 2}), ("compact", {"scale": 3}), ("drrn", {"scale": 2})]


def export(model, tmp_path, *options):
    save_model(tmp_path / "m.safetensors", model)
    assert main(["export", str(tmp_path / "m.safetensors"), "--onnx", str(tmp_path / "m.onnx"), *options]) == OK
    return onnx.load(str(tmp_path / "m.onnx")), onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))


def result(session, image) -> np.ndarray:
    """image: (frames, channels, height, width)."""
    return np.asarray(session.run(None, {"image": image.contiguous().numpy()})[0])


def properties(file):
    return {entry.key: entry.value for entry in file.metadata_props}


@pytest.mark.parametrize(("architecture", "options"), OPEN)
def test_an_upscaler_takes_any_size_and_gives_torchs_picture(architecture, options, tmp_path, capsys):
    model = small_model(architecture, **options)
    file, session = export(model, tmp_path)
    assert capsys.readouterr().out == f"{tmp_path / 'm.onnx'}\n"  # torch's exporter is quiet
    assert file.opset_import[0].version >= 17
    assert "Clip" not in {node.op_type for node in file.graph.node}
    assert Header.from_json(properties(file)["senga"]) == model.header
    facts = json.loads(properties(file)["senga_graph"])
    assert facts == {"scale": 2, "alignment": model.alignment, "halo": model.default_halo, "tile": 0}
    for height, width in ((20, 34), (46, 12)):
        image = 3 * picture(height, width, frames=2) - 1  # also beyond the range, to see the clamp
        expected = model(image.movedim(3, 1))
        found = result(session, image.movedim(3, 1))
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)
        assert found.min() >= 0
        assert found.max() <= 1


@pytest.mark.parametrize(("architecture", "options"), FIXED)
def test_a_fixed_tile_is_all_that_the_graph_takes(architecture, options, tmp_path):
    model = small_model(architecture, **options)
    file, session = export(model, tmp_path, "--tile", "24")
    assert session.get_inputs()[0].shape == [1, 3, 24, 24]
    assert "Clip" not in {node.op_type for node in file.graph.node}
    small = picture(24, 24)
    found = result(session, small.movedim(3, 1))
    expected = upscale(model, small, precision="fp32")
    np.testing.assert_allclose(found, expected.movedim(3, 1).numpy(), atol=1e-4)


def test_a_tagger_gives_torchs_probabilities(tmp_path):
    model = small_tagger()
    file, session = export(model, tmp_path)
    image = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    found = result(session, image)
    np.testing.assert_allclose(found, model.predict(preprocess(image, model.preprocessing)).numpy(), atol=1e-4)
    assert Header.from_json(properties(file)["senga"]).vocabulary == model.vocabulary
    assert "Clip" not in {node.op_type for node in file.graph.node}


def test_a_graph_that_differs_from_torch_is_not_kept(tmp_path, monkeypatch, caplog):
    save_model(tmp_path / "m.safetensors", small_model("compact"))
    monkeypatch.setattr(onnx_export, "_difference", lambda *_: 0.01)
    arguments = ["export", str(tmp_path / "m.safetensors"), "--onnx", str(tmp_path / "m.onnx"), "--tile", "16"]
    assert main(arguments) == FAILED
    assert "m.safetensors: the ONNX graph differs from torch by 0.01" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


def test_without_the_libraries_the_message_has_the_command(tmp_path, monkeypatch, caplog):
    def missing(library):
        raise ModuleNotFoundError(f"No module named {library!r}", name=library)

    save_model(tmp_path / "m.safetensors", small_model("compact"))
    monkeypatch.setattr(onnx_export, "borrow", missing)
    assert main(["export", str(tmp_path / "m.safetensors"), "--onnx", str(tmp_path / "m.onnx")]) == FAILED
    assert "No module named 'onnx'" in caplog.text
    assert 'pip install -c constraints.txt ".[export]"' in caplog.text


@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_exported_is_said(tmp_path, caplog):
    save_model(tmp_path / "x2.safetensors", small_model("rrdb", scale=2))
    span = write_foreign(tmp_path, "span.safetensors")
    out = ["--onnx", str(tmp_path / "m.onnx")]
    cases = [
        ([str(tmp_path / "x2.safetensors"), *out, "--tile", "15"], FAILED, "takes multiples of 2"),
        ([str(tmp_path / "x2.safetensors"), *out, "--tile", "-1"], USAGE, "expected pixels, or 0"),
        ([str(tmp_path / "x2.safetensors"), "--onnx", str(tmp_path / "m.pb")], USAGE, "a name that ends in .onnx"),
        (["nothing", *out], USAGE, "`senga models` lists the names"),
        ([str(span), *out], FAILED, "span.safetensors: is a spandrel/SPAN network; only Senga's own"),
    ]
    for arguments, code, text in cases:
        caplog.clear()
        assert main(["export", *arguments]) == code
        assert text in caplog.text
    assert not (tmp_path / "m.onnx").exists()


def test_without_its_border_a_graph_needs_the_context_from_outside(tmp_path):
    model = small_model("compact", scale=2)
    onnx_export.export_onnx(model, tmp_path / "bare.onnx", border=False)
    around = picture(40, 40)
    inside, halo = around[:, 10:30, 10:30], model.default_halo
    assert halo <= 10
    session = onnxruntime.InferenceSession(str(tmp_path / "bare.onnx"))
    found = result(session, around[:, 10 - halo : 30 + halo, 10 - halo : 30 + halo].movedim(3, 1))
    expected = upscale(model, around, precision="fp32")[:, 20:60, 20:60]
    np.testing.assert_allclose(found, expected.movedim(3, 1).numpy(), atol=1e-4)
    assert result(session, inside.movedim(3, 1)).shape[2:] == (40 - 4 * halo, 40 - 4 * halo)


def test_a_fixed_tile_without_border_holds_the_context(tmp_path):
    model = small_model("compact", scale=2)
    with pytest.raises(SengaError, match="takes multiples of 1 from 9 on"):
        onnx_export.export_onnx(model, tmp_path / "bare.onnx", 8, border=False)
    onnx_export.export_onnx(model, tmp_path / "bare.onnx", 9, border=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "bare.onnx"))
    assert result(session, picture(9, 9).movedim(3, 1)).shape[2:] == (2, 2)


def test_where_the_halo_is_less_than_the_radius_a_graph_without_border_pads(tmp_path):
    model = small_model("dcscn", scale=2)
    assert model.default_halo < model.receptive_radius
    onnx_export.export_onnx(model, tmp_path / "bare.onnx", border=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "bare.onnx"))
    assert result(session, picture(20, 30).movedim(3, 1)).shape[2:] == (40, 60)


def test_weights_of_16_bits_are_half_the_file_and_nearly_the_result(tmp_path):
    model = small_model("compact", scale=2, features=32)
    onnx_export.export_onnx(model, tmp_path / "full.onnx")
    error = onnx_export.export_onnx(model, tmp_path / "half.onnx", half=True)
    full, half = ((tmp_path / name).stat().st_size for name in ("full.onnx", "half.onnx"))
    assert half < 0.75 * full
    kinds = {tensor.data_type for tensor in onnx.load(str(tmp_path / "half.onnx")).graph.initializer if tensor.dims}
    assert onnx.TensorProto.FLOAT16 in kinds
    assert 0 < error <= 1 / 255


def test_weights_beyond_16_bits_stay_as_they_are():
    big = onnx.numpy_helper.from_array(np.full(100, 1e6, dtype=np.float32), "big")
    few = onnx.numpy_helper.from_array(np.ones(3, dtype=np.float32), "few")
    good = onnx.numpy_helper.from_array(np.ones(100, dtype=np.float32), "good")
    graph = onnx.helper.make_graph([], "g", [], [], [big, few, good])
    file = onnx.helper.make_model(graph)
    halve_weights(onnx, file)
    assert [tensor.name for tensor in file.graph.initializer] == ["big", "few", "good.half"]
    assert [(node.op_type, *node.output) for node in file.graph.node] == [("Cast", "good")]

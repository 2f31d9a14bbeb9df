"""The networks that the feature loss is made of, and what it compares."""

from types import SimpleNamespace

import pytest
import torch
from sample_upscalers import small_model
from sample_vgg import noise_pictures, vgg_state
from senga.arch import SengaError, save_model
from senga.training.sr.losses import features
from senga.training.sr.losses.features import FeatureLoss, vgg_layers
from torch import nn


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg") / "vgg.pth"
    torch.save(vgg_state(), path)
    return path


class TestFeatures:
    def test_vgg_is_rebuilt_from_its_shapes(self):
        state = vgg_state()
        layers = dict(vgg_layers(state))
        names = "conv1_1 relu1_1 conv1_2 relu1_2 pool1 conv2_1 relu2_1 pool2 conv3_1 relu3_1 conv3_2 relu3_2"
        assert list(layers) == names.split()
        assert torch.equal(layers["conv3_2"].get_parameter("weight"), state["features.10.weight"])

    def test_the_defaults_are_real_esrgans_of_vgg19(self, tmp_path):
        path = tmp_path / "vgg19.pth"
        torch.save(vgg_state(((2, 2), (2, 2), (2,) * 4, (2,) * 4, (2,) * 4)), path)
        loss = FeatureLoss(path)
        assert loss.weights == {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1, "conv4_4": 1, "conv5_4": 1}
        assert loss.names[-1] == "conv5_4"
        a, b = noise_pictures(32, 32)
        assert loss(a, b) > 0
        with pytest.raises(SengaError, match="the patch has a side of 12 pixels, too few for pool4"):
            loss(*noise_pictures(12, 32))

    def test_features_are_compared_before_the_relu_and_after_normalising(self, vgg):
        state = vgg_state()
        a, b = noise_pictures()
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        outputs = []
        for picture in (a, b):
            x, seen = (picture - mean) / std, []
            for number in (0, 2, 5, 8, 10):
                x = nn.functional.conv2d(
                    x, state[f"features.{number}.weight"], state[f"features.{number}.bias"], padding=1
                )
                seen.append(x)
                x = x.relu()
                if number in (2, 5):
                    x = nn.functional.max_pool2d(x, 2)
            outputs.append(seen)
        terms = [(p - q).abs().mean() for p, q in zip(*outputs, strict=True)]
        expected = 0.1 * terms[1] + 0.1 * terms[2] + terms[4]  # the last of each block
        assert FeatureLoss(vgg)(a, b).item() == pytest.approx(expected.item(), rel=1e-5)
        chosen = FeatureLoss(vgg, {"conv1_1": 0.5, "conv3_1": 2})
        assert chosen(a, b).item() == pytest.approx((0.5 * terms[0] + 2 * terms[3]).item(), rel=1e-5)

    def test_the_network_learns_nothing(self, vgg):
        loss = FeatureLoss(vgg)
        a, b = noise_pictures()
        loss(a.requires_grad_(), b).backward()
        assert all(p.grad is None and not p.requires_grad for p in loss.layers.parameters())

    @pytest.mark.parametrize("order", ["rgb", "bgr"])
    def test_a_taggers_blocks_are_compared_at_each_resolution(self, order, tmp_path, monkeypatch):
        torch.manual_seed(1)
        net = nn.Module()
        net.features = nn.Sequential(
            nn.Conv2d(3, 4, 3, 2, 1),
            nn.Conv2d(4, 4, 3, 1, 1),
            nn.Conv2d(4, 6, 3, 2, 1),
            nn.Sequential(nn.Conv2d(6, 6, 3, 1, 1), nn.BatchNorm2d(6)),
        )
        preprocessing = SimpleNamespace(mean=(0.5,) * 3, std=(0.25,) * 3, order=order)
        tagger = SimpleNamespace(model=net, preprocessing=preprocessing)
        path = tmp_path / "tagger.safetensors"
        save_model(path, small_model("espcn_7"))  # stands in for the file; what it holds is `tagger`
        monkeypatch.setattr(features, "load_model", lambda _: tagger)
        loss = FeatureLoss(path)
        assert loss.weights == {"1": 1.0, "3": 1.0}
        a, b = noise_pictures()
        half = [net.features[:2]((p[:, [2, 1, 0]] if order == "bgr" else p) * 4 - 2) for p in (a, b)]
        quarter = [net.features[2:](x) for x in half]
        expected = sum((p - q).abs().mean().item() for p, q in (half, quarter))
        assert loss(a, b).item() == pytest.approx(expected, rel=1e-5)
        assert not any(module.training for module in loss.layers.modules())

    def test_other_files_are_refused(self, vgg, tmp_path):
        save_model(tmp_path / "upscaler.safetensors", small_model("espcn_7"))
        with pytest.raises(SengaError, match=r"upscaler\.safetensors: holds espcn_7, which makes no features"):
            FeatureLoss(tmp_path / "upscaler.safetensors")
        (tmp_path / "cut.safetensors").write_bytes(b"\x40" + b"\0" * 20)
        with pytest.raises(SengaError, match=r"cut\.safetensors: is not a safetensors file or is cut short"):
            FeatureLoss(tmp_path / "cut.safetensors")
        normalised = vgg_state()
        normalised["features.1.weight"] = torch.ones(4)
        torch.save(normalised, tmp_path / "vgg_bn.pth")
        with pytest.raises(SengaError, match=r"vgg_bn\.pth: features\.1 is \(4,\), .* without batch normalisation"):
            FeatureLoss(tmp_path / "vgg_bn.pth")
        with pytest.raises(SengaError, match=r"vgg\.pth: has no layer 'conv3_3'; did you mean 'conv3_[12]'"):
            FeatureLoss(vgg, {"conv3_3": 1.0})

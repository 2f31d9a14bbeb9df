"""Convolutions over joined maps become sums: the same result, and no large copy."""

import pytest
import torch
from sample_upscalers import small_model
from senga.arch.engines.folding import Convolution
from senga.arch.engines.recording import Recording, record
from senga.arch.engines.splitting import split
from torch import Tensor, nn
from torch.nn import functional as F

DENSE = ("rrdb", "dcscn")


def widest_copy(recording: Recording, x: Tensor) -> int:
    """The most channels that a torch.cat of the recording gives."""
    widths: list[int] = [0]

    def counted(*arguments: object, **options: object) -> Tensor:
        y = torch.cat(*arguments, **options)  # type: ignore[arg-type]
        widths.append(y.shape[1])
        return y

    watched = Recording(list(recording.operations))
    watched.operations = tuple(
        type(step)(counted, step.arguments, step.options) if step.function is torch.cat else step
        for step in recording.operations
    )
    watched.run(x)
    return max(widths)


def sample(channels: int = 3, height: int = 24, width: int = 20) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("architecture", DENSE)
@pytest.mark.parametrize("most", [1, 8, 10**6])
def test_a_split_network_gives_the_same(architecture: str, most: int) -> None:
    model = small_model(architecture)
    x = sample(model.input_channels)
    recording, expected = record(model.model, x)
    found = split(recording, model.input_channels, most)
    with torch.no_grad():
        assert (found.run(x) - expected).abs().max() <= 1e-5
        assert widest_copy(found, x) <= max(most, 2) or most == 10**6


def test_a_dense_block_is_copied_in_small_parts_only() -> None:
    model = small_model("rrdb")
    x = sample()
    recording, _ = record(model.model, x)
    config = model.header.config()
    with torch.no_grad():
        before = widest_copy(recording, x)
        assert before == config.features + 4 * config.growth
        after = widest_copy(split(recording, 3, config.features), x)
    assert after <= config.features < before


class Joined(nn.Module):
    def __init__(self, groups: int = 1, ends_joined: bool = False) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.conv = nn.Conv2d(6, 4, 3, padding=1, groups=groups)
        self.ends_joined = ends_joined

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat((x, F.relu(x)), dim=1)
        y = self.conv(both)
        return torch.cat((y, both), dim=1) if self.ends_joined else y


@pytest.mark.parametrize("ends_joined", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_joined_results_and_convolutions_in_groups_stay_whole(groups: int, ends_joined: bool) -> None:
    net, x = Joined(groups, ends_joined).eval(), sample()
    recording, expected = record(net, x)
    found = split(recording, 3, 3)
    assert torch.allclose(found.run(x).detach(), expected, atol=1e-6)
    convolutions = [conv for step in found.operations if (conv := Convolution.of(step)) is not None]
    assert len(convolutions) == (2 if groups == 1 else 1)


def test_the_bias_is_added_once() -> None:
    net, x = Joined().eval(), sample()
    recording, _ = record(net, x)
    convolutions = [conv for step in split(recording, 3, 3).operations if (conv := Convolution.of(step)) is not None]
    assert [conv.bias is None for conv in convolutions] == [False, True]

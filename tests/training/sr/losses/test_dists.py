"""DISTS against its paper's formula written out in numpy, and the files that it takes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sample_vgg import VGG16, dists_weights, noise_pictures, vgg_state
from senga.arch import SengaError
from senga.training.sr.losses.dists import Dists
from torch import Tensor


class TestDists:
    def files(self, folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        state, table = vgg_state(VGG16), dists_weights()
        torch.save(state, folder / "vgg16.pth")
        torch.save(table, folder / "weights.pt")
        return state, table

    @staticmethod
    def convolved(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (1, 1), (1, 1))), (3, 3), axis=(1, 2))
        return np.maximum(np.einsum("chwij,ocij->ohw", windows, kernel) + bias[:, None, None], 0)

    @staticmethod
    def pooled(x: np.ndarray) -> np.ndarray:
        hann = np.outer([1, 2, 1], [1, 2, 1]) / 16
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(x**2, ((0, 0), (1, 1), (1, 1))), (3, 3), axis=(1, 2))
        return np.sqrt((windows * hann).sum((-2, -1))[:, ::2, ::2] + 1e-12)

    def features(self, picture: np.ndarray, state: dict[str, Tensor]) -> list[np.ndarray]:
        mean, std = (np.array(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        found, x, number = [picture], (picture - mean) / std, 0
        for i, block in enumerate(VGG16):
            x = self.pooled(x) if i else x
            for _ in block:
                kernel, bias = (state[f"features.{number}.{part}"].double().numpy() for part in ("weight", "bias"))
                x = self.convolved(x, kernel, bias)
                number += 2
            number += 1
            found.append(x)
        return found

    def test_is_the_papers_formula(self, tmp_path):
        state, table = self.files(tmp_path)
        a, b = noise_pictures(20, 17)
        alpha, beta = (table[name].double().flatten().numpy() for name in ("alpha", "beta"))
        scores = []
        for i in range(2):
            both = [self.features(x[i].double().numpy(), state) for x in (a, b)]
            score, channel = 0.0, 0
            for p, q in zip(*both, strict=True):
                for x, y in zip(p, q, strict=True):
                    covariance = (x * y).mean() - x.mean() * y.mean()
                    luminance = (2 * x.mean() * y.mean() + 1e-6) / (x.mean() ** 2 + y.mean() ** 2 + 1e-6)
                    structure = (2 * covariance + 1e-6) / (x.var() + y.var() + 1e-6)
                    score += alpha[channel] * luminance + beta[channel] * structure
                    channel += 1
            scores.append(1 - score / (alpha.sum() + beta.sum()))
        loss = Dists(tmp_path / "vgg16.pth", tmp_path / "weights.pt")
        assert loss(a, b).item() == pytest.approx(sum(scores) / 2, abs=1e-5)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert loss(a, b).dtype == torch.float32

    def test_other_files_are_named(self, tmp_path):
        state, table = self.files(tmp_path)
        with pytest.raises(SengaError, match=r"vgg16\.pth: alpha and beta have 0 and 0 weights; expected 20 each"):
            Dists(tmp_path / "vgg16.pth")
        torch.save({"alpha": table["alpha"][:, :5], "beta": table["beta"]}, tmp_path / "short.pt")
        with pytest.raises(SengaError, match=r"short\.pt: alpha and beta have 5 and 20 weights"):
            Dists(tmp_path / "vgg16.pth", tmp_path / "short.pt")
        cut = {name: value for name, value in state.items() if int(name.split(".")[1]) < 20}
        torch.save(cut, tmp_path / "cut.pth")
        with pytest.raises(
            SengaError, match=r"cut\.pth: has 9 convolutions, \(2, 2, 3, 2, 0\) by block; expected VGG16"
        ):
            Dists(tmp_path / "cut.pth", tmp_path / "weights.pt")

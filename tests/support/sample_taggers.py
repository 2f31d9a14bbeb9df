"""Taggers made for tests."""

import dataclasses

import torch
from senga.arch import Preprocessing, TaggerModel, TagVocabulary
from torch import Tensor, nn
from torch.nn import functional as F

NAMES = ("1girl", "solo", "long_hair", "^_^", "cat_(animal)", "hatsune_miku", "saber_(fate)", "safe", "explicit")
CATEGORIES = ("general",) * 5 + ("character",) * 2 + ("rating",) * 2
VOCABULARY = TagVocabulary(NAMES, CATEGORIES)


def vocabulary(tags: int) -> TagVocabulary:
    return TagVocabulary(tuple(f"tag_{i}" for i in range(tags)), ("general",) * tags)


def scenes(count: int, height: int, width: int, channels: int = 3) -> Tensor:
    """(count, channels, height, width) in [0, 1]: fields of colour under a little noise, each unlike the others."""
    coarse = torch.rand(count, channels, 3, 3)
    return (F.interpolate(coarse, (height, width), mode="bicubic") + 0.1 * torch.rand(height, width)).clamp(0, 1)


def settle(net: nn.Module, size: int = 64) -> nn.Module:
    """Give a fresh net the look of a trained one: normalised by what it has seen, logits that tell pictures apart."""
    torch.manual_seed(3)
    net.train()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # the mean over what follows: nothing of the initial 1 stays
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(std=0.1)
        net(scenes(48, size, size) * 2 - 1)
        last = [m for m in net.modules() if isinstance(m, nn.Linear)][-1]
        logits = net.eval()(scenes(16, size, size) * 2 - 1)
        gain = 1.5 / logits.std(dim=0)
        last.weight.mul_(gain[:, None])
        last.bias.sub_(logits.mean(dim=0)).mul_(gain).sub_(1)
    return net


def small_tagger(tags: TagVocabulary = VOCABULARY, architecture: str = "mobilenetv3_small", **options) -> TaggerModel:
    torch.manual_seed(7)
    model = TaggerModel.create(architecture, tags, Preprocessing(64), width=0.35, **options)
    settle(model.model)
    return model


def known_tagger(probabilities: list[float], **vocabulary: object) -> TaggerModel:
    """A tagger that gives these probabilities for every picture: the last layer is its bias alone."""
    model = small_tagger(dataclasses.replace(VOCABULARY, **vocabulary))
    last = [m for m in model.model.modules() if isinstance(m, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor(probabilities).logit())
    return model

"""What the tagger's trainer does with its net, apart from learning."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...arch import SengaError, TaggerModel, TagVocabulary
from ..run.pictures import BROKEN
from .batches import TagPictures
from .index import TagIndex
from .metrics import Array, Scored

MOMENTUM = 0.01  # of the running statistics, in the end
SETTLING = 10  # steps; the larger, the longer recent batches alone count
EVALUATED = 64  # pictures in a forward pass


def vocabulary_of(index: TagIndex, trained: Array, exclusive: Sequence[str] = ()) -> TagVocabulary:
    """The header's vocabulary; a category without any trained tag is called untrained.

    Args:
        exclusive: groups of tags that exclude each other, the names between spaces; tags that are not learnt are left
            out.
    """
    categories = np.array(index.categories)
    untrained = [name for name in dict.fromkeys(index.categories) if not trained[categories == name].any()]
    known = [tuple(name for name in group.split() if name in index.names) for group in exclusive]
    groups = tuple(group for group in known if len(group) > 1)
    counts = tuple(index.counts()[0].tolist())
    return TagVocabulary(index.names, index.categories, counts, (), tuple(untrained), groups)


def start_from_counts(net: nn.Module, bearing: Array, known: Array) -> None:
    """The last layer begins with each tag's frequency: b = log(p / (1 - p)), after Lin et al. 2017.

    Outputs that are never trained (known is 0) start at 0.5 and remain there: no gradient reaches them.
    """
    p = torch.from_numpy((bearing + 0.5) / (known + 1.0)).float()
    trained = torch.from_numpy(known > 0).float()
    last = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        last.bias.copy_((p / (1 - p)).log() * trained)
        last.weight.mul_(trained[:, None])


def with_outputs_of(
    state: Mapping[str, Tensor], theirs: Sequence[str], net: nn.Module, ours: Sequence[str]
) -> dict[str, Tensor]:
    """Another net's tensors, the rows of its last layer in the order of our tags; tags that it lacks keep ours.

    `state` is returned as it is where its last layer does not have one row for each of `theirs`.
    """
    found = dict(state)
    name, last = [(name, module) for name, module in net.named_modules() if isinstance(module, nn.Linear)][-1]
    places = {tag: place for place, tag in enumerate(theirs)}
    pairs = [(place, places[tag]) for place, tag in enumerate(ours) if tag in places]
    for key, own in ((f"{name}.weight", last.weight), (f"{name}.bias", last.bias)):
        other = found.get(key)
        if other is None or len(other) != len(theirs) or other.shape[1:] != own.shape[1:] or not pairs:
            return dict(state)
        rows = own.detach().clone()
        rows[[place for place, _ in pairs]] = other[[place for _, place in pairs]].to(rows)
        found[key] = rows
    return found


def warm_statistics(net: nn.Module, step: int) -> None:
    """Let batch normalisation's running statistics settle fast at first: of the net's start nothing should be left.

    MobileNetV3's momentum of 0.01 alone would take hundreds of steps to forget it.
    """
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = max(MOMENTUM, SETTLING / (SETTLING + step))


def _in_float32(conv: nn.Conv2d, x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return F.conv2d(x.float(), conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups)


def depthwise_in_float32(net: nn.Module) -> None:
    """Take the depthwise convolutions whose gradients bfloat16 slows down on a CPU (with a stride, or 5x5) out of it.

    Their gradients took up to 18 times as long as in float32; the whole step becomes 2.4 times as fast, and a quarter
    faster than float32 throughout.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1 and (module.stride[0] > 1 or module.kernel_size[0] > 3):
            module.forward = partial(_in_float32, module)  # type: ignore[method-assign]


def halve_kernels(net: nn.Module) -> None:
    """Weights of convolutions and linear layers to float16, for a file of half the size.

    Biases and batch normalisation stay: variances may be smaller than the smallest float16.
    """
    for parameter in net.parameters():
        if parameter.ndim > 1:
            parameter.data = parameter.data.half()


def predict(model: TaggerModel, pictures: TagPictures, numbers: Array, precision: str) -> Scored:
    """The model's scores of whole pictures, prepared as its users will. Those that cannot be read are left out.

    Raises:
        SengaError: none can be read.
    """

    def whole(number: int) -> Tensor | None:
        try:
            return pictures.whole(number)
        except BROKEN as error:
            pictures.leave_out(number, error)
            return None

    rows, read = [], []
    with ThreadPoolExecutor(pictures.data.workers) as pool, torch.inference_mode():
        for begin in range(0, len(numbers), EVALUATED):
            part = numbers[begin : begin + EVALUATED].tolist()
            found = [(n, x) for n, x in zip(part, pool.map(whole, part), strict=True) if x is not None]
            if found:
                rows.append(model.one_pass(torch.stack([x for _, x in found]), precision).cpu().numpy())
                read += [number for number, _ in found]
    if not read:
        raise SengaError(f"{pictures.folder}: none of {len(numbers)} pictures held out can be read; look at them")
    numbers = np.array(read)
    truths = [pictures.index.truth(number) for number in numbers.tolist()]
    truth, known = (np.stack(column) for column in zip(*truths, strict=True))
    return Scored(numbers, np.concatenate(rows), truth, known)

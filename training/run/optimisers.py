"""Optimisers by name: the values of `optim.optimiser`; their rate and their step."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...arch.errors import SengaError, install
from .scaling import Scaler, Together

if TYPE_CHECKING:  # settings.py imports the names from here
    from .settings import OptimSettings

SCHEDULE_FREE = "schedule_free"
NARROWEST = 16  # kernels with fewer channels in or out (first, last and depthwise layers) are not worth orthogonalising


class ConvMuon(torch.optim.Muon):
    """torch's Muon, which takes matrices alone, on convolution kernels.

    Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks". A kernel (out, in, h, w) is seen as
    the matrix (out, h * w * in) that shares its memory, so it must be kept in channels_last layout.
    """

    def __init__(self, kernels: Iterable[nn.Parameter], **options: Any) -> None:
        self.kernels = list(kernels)
        for kernel in self.kernels:
            kernel.data = kernel.data.contiguous(memory_format=torch.channels_last)
        super().__init__([k.data.movedim(1, -1).view(len(k), -1) for k in self.kernels], **options)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for kernel, matrix in zip(self.kernels, self.param_groups[0]["params"], strict=True):
            matrix.grad = None if kernel.grad is None else kernel.grad.movedim(1, -1).flatten(1)
        return super().step(closure)


def _adamw(net: nn.Module, weight_decay: float) -> list[torch.optim.Optimizer]:
    return [torch.optim.AdamW(net.parameters(), lr=1.0, weight_decay=weight_decay)]


def _muon(net: nn.Module, weight_decay: float) -> list[torch.optim.Optimizer]:
    """Muon for the kernels of hidden convolutions, AdamW for all the rest."""
    hidden = [p for p in net.parameters() if p.ndim == 4 and min(p.shape[:2]) >= NARROWEST]
    chosen = {id(p) for p in hidden}
    rest = [p for p in net.parameters() if id(p) not in chosen]
    adamw = torch.optim.AdamW(rest, lr=1.0, weight_decay=weight_decay)
    if not hidden:
        return [adamw]
    # Steps as large as AdamW's, so that both take the same learning rates (Liu et al. 2025, "Muon is Scalable").
    muon = ConvMuon(hidden, lr=1.0, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
    return [muon, adamw]


def _schedule_free(net: nn.Module, weight_decay: float) -> list[torch.optim.Optimizer]:
    """Schedule-Free AdamW (Defazio et al. 2024, "The Road Less Scheduled", arXiv:2405.15682), the authors' library. The
    net holds the points at which gradients are taken; `ScheduleFreeAverage` gives the weights to use."""
    try:
        from schedulefree import AdamWScheduleFree
    except ImportError as error:
        raise SengaError(
            f"optim.optimiser is {SCHEDULE_FREE!r}, which needs the package schedulefree, which is not installed; in"
            f" the repository, run: {install('train')}"
        ) from error
    optimiser = AdamWScheduleFree(net.parameters(), lr=1.0, weight_decay=weight_decay)
    optimiser.train()
    return [optimiser]


# name: (net, weight decay) -> optimisers that share the net's parameters; set their rate before each step
OPTIMISERS: dict[str, Callable[[nn.Module, float], list[torch.optim.Optimizer]]] = {
    "adamw": _adamw,
    "muon": _muon,
    SCHEDULE_FREE: _schedule_free,
}


def make_optimisers(net: nn.Module, optim: "OptimSettings") -> list[torch.optim.Optimizer]:
    """What `optim.optimiser` names; several share the parameters among them. Set their rate before each step."""
    return OPTIMISERS[optim.optimiser](net, optim.weight_decay)


def set_learning_rate(optimisers: Iterable[torch.optim.Optimizer], rate: float) -> None:
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate


def step_optimisers(
    net: nn.Module, optimisers: Iterable[torch.optim.Optimizer], clip: float, scaler: Scaler | None = None
) -> Tensor:
    """One step on the gradients that are there, their norm cut to `clip` (0: as it is); returns the norm before.

    With a scaler, gradients are divided by its scale first; where one is infinite nothing is stepped, and the norm that
    is returned is 0. Call its `update` after all steps.
    """
    together = Together(net, optimisers) if scaler else None
    if scaler and together:
        scaler.unscale_(together)
    if clip:
        norm = nn.utils.clip_grad_norm_(net.parameters(), clip)
    else:
        norm = nn.utils.get_total_norm([p.grad for p in net.parameters() if p.grad is not None])
    if scaler and together:
        scaler.step(together)
        return norm.nan_to_num(0, 0, 0)
    for optimiser in optimisers:
        optimiser.step()
    return norm

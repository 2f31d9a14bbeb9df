"""The gradients of one batch: forward, losses and backward, in several parts where memory is short."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ...arch import SengaError
from .gan import GanStep, usm_sharpen
from .losses.table import LossOf, mean_terms
from .settings import GanSettings

Terms = dict[str, Tensor]  # name of a column -> scalar, detached


class Step:
    """Forward, losses, backward; then, after the network's own step, that of the discriminator.

    A net that can stop early (`forward_all`) has the same losses on each of its results.

    Args:
        net: as Fabric has set it up; `unwrapped` is the same network itself.
        loss_of: of `make_loss`.
        discriminator: of a GAN, or None.
        averaged: LR -> what the averaged weights make of it, for losses that compare with that; or None.
        parts: that a batch goes through the net in, one after the other; the gradient is that of the whole.
    """

    def __init__(
        self,
        fabric: Fabric,
        net: Any,
        unwrapped: nn.Module,
        loss_of: LossOf,
        gan: GanSettings,
        discriminator: GanStep | None,
        averaged: Callable[[Tensor], Tensor] | None = None,
        parts: int = 1,
    ) -> None:
        self.fabric, self.net, self.unwrapped, self.loss_of = fabric, net, unwrapped, loss_of
        self.gan, self.discriminator, self.parts = gan, discriminator, parts
        self.averaged = averaged
        self.stops_early = hasattr(unwrapped, "forward_all")
        if self.stops_early:
            net.mark_forward_method("forward_all")
        self._shown: list[tuple[Tensor, Tensor]] = []  # what the discriminator learns from: fake, real

    def gradients(self, lr: Tensor, hr: Tensor, *, alone: bool = False) -> tuple[Tensor, Terms]:
        """The gradients of a batch, in the parameters; returns its loss, detached, and each of its terms before its
        weight.

        Args:
            alone: they are those of this process, not means over all.

        Raises:
            SengaError: the batch cannot be divided evenly.
        """
        if len(lr) % self.parts:
            raise SengaError(f"optim.accumulate is {self.parts}; expected a divisor of the {len(lr)} patches a process")
        self.unwrapped.zero_grad(set_to_none=True)
        self._shown = []
        losses, terms = [], []
        for i, (part, target) in enumerate(zip(lr.chunk(self.parts), hr.chunk(self.parts), strict=True), 1):
            waits = self.fabric.world_size > 1 and (alone or i < self.parts)  # they are averaged once
            with self.fabric.no_backward_sync(self.net) if waits else nullcontext():
                loss, found = self._losses(part, target)
                self.fabric.backward(loss / self.parts)
            losses.append(loss.detach())
            terms.append(found)
        return torch.stack(losses).mean(), mean_terms(terms)

    @property
    def nets(self) -> list[nn.Module]:
        """All that a step runs."""
        return [self.unwrapped, *([self.discriminator.unwrapped] if self.discriminator else [])]

    def rehearse(self, batch: int, patch: int, scale: int) -> None:
        """The gradients of a batch of noise, to see how long they take; without those of other processes, which make
        more or fewer of them meanwhile."""
        sides = patch, patch * scale
        lr, hr = (torch.rand(batch, 3, side, side, device=self.fabric.device) for side in sides)
        self.gradients(lr, hr, alone=True)

    def _losses(self, lr: Tensor, hr: Tensor) -> tuple[Tensor, Terms]:
        lr = lr.contiguous(memory_format=torch.channels_last)
        results = [one.float() for one in (self.net.forward_all(lr) if self.stops_early else [self.net(lr)])]
        target = usm_sharpen(hr) if self.gan.sharpen else hr
        average = None
        if self.averaged:
            with torch.no_grad(), self.fabric.autocast():
                average = self.averaged(lr)
        found = [self.loss_of(one, target, average) for one in results]
        loss = torch.stack([total for total, _ in found]).mean()
        terms = mean_terms([{f"loss_{name}": value for name, value in parts.items()} for _, parts in found])
        if self.discriminator:
            adversarial = self.discriminator.generator_loss(results[-1], hr)
            loss = loss + self.gan.weight * adversarial
            terms["loss_gan"] = adversarial.detach()
            self._shown.append((results[-1].detach(), hr))
        return loss, terms

    def update_discriminator(self) -> Terms:
        """The discriminator's step on the batch of `gradients`; its loss, and what share of either side it classified
        correctly. Nothing without one."""
        return self.discriminator.update(self._shown) if self.discriminator else {}


class Means:
    """Running means of scalars, which stay on their device until somebody asks."""

    def __init__(self) -> None:
        self._sums: Terms = {}
        self._count = 0

    def add(self, terms: Terms) -> None:
        """Count a step. Every step has the same terms."""
        self._sums = {name: self._sums.get(name, 0) + value.detach() for name, value in terms.items()}
        self._count += 1

    def take(self) -> dict[str, float]:
        """Name -> mean since the last call."""
        found = {name: float(total) / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        return found

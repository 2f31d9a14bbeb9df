"""GAN losses by name, as functions of the discriminator's logits."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def vanilla(fake: Tensor, real: Tensor) -> Tensor:
    """-log D(real) - log(1 - D(fake)): what the discriminator minimises (Goodfellow et al. 2014)."""
    return F.softplus(-real.float()).mean() + F.softplus(fake.float()).mean()


def vanilla_generator(fake: Tensor, real: Tensor) -> Tensor:
    """-log D(fake): generated pictures are to be taken for real (the non-saturating form). `real` plays no part."""
    return F.softplus(-fake.float()).mean()


def relativistic(fake: Tensor, real: Tensor) -> Tensor:
    """The real should look more real than the fake do on average, and the fake less than the real.

    Relativistic average GAN (Jolicoeur-Martineau 2018, arXiv:1807.00734) as ESRGAN has it (Wang et al. 2018,
    arXiv:1809.00219). Both terms are halved, as in its code, so that its weight of 0.005 means the same here.
    """
    fake, real = fake.float(), real.float()
    return (F.softplus(fake.mean() - real).mean() + F.softplus(fake - real.mean()).mean()) / 2


def relativistic_generator(fake: Tensor, real: Tensor) -> Tensor:
    """`relativistic` with the two exchanged."""
    return relativistic(real, fake)


# kind: the discriminator's loss, the generator's; both of the logits (fake, real)
GAN_LOSSES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "vanilla": (vanilla, vanilla_generator),
    "relativistic": (relativistic, relativistic_generator),
}


def discriminator_loss(kind: str, *, fake: Tensor, real: Tensor) -> Tensor:
    """What the discriminator is to minimise, from its logits of generated pictures (detached) and of real ones.

    Named arguments alone: exchanged, the two would train it to prefer the fake, and nothing would complain.

    Args:
        kind: a key of GAN_LOSSES.
    """
    return GAN_LOSSES[kind][0](fake, real)


@torch.no_grad()
def accuracies(kind: str, *, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
    """The shares of the generated and of the real places that the discriminator classifies correctly, 0 to 1 each.

    Vanilla: by the sign of the logit. Relativistic: against the mean of the other side. 0.5 on both sides is chance; 1
    means that the generator learns little from it.
    """
    fake, real = fake.float(), real.float()
    against_fake, against_real = (fake.mean(), real.mean()) if kind == "relativistic" else (0.0, 0.0)
    found = {"accuracy_fake": fake < against_real, "accuracy_real": real > against_fake}
    return {name: right.float().mean() for name, right in found.items()}


def generator_loss(kind: str, *, fake: Tensor, real: Tensor) -> Tensor:
    """What the generator is to minimise; see `discriminator_loss`.

    `fake` carries the gradient; let the discriminator's parameters be without one meanwhile. "vanilla" does not look at
    `real`: any tensor will do.
    """
    return GAN_LOSSES[kind][1](fake, real)

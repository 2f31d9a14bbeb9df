"""Which machine parts a run uses: one process, or many under torchrun."""

import logging
import os

import torch
from lightning_fabric import Fabric

from ...arch import SengaError
from ...arch.precision import pick_precision

FABRIC_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def make_fabric(precision: str, *, bf16: bool, half: bool) -> tuple[Fabric, str]:
    """Fabric, launched, and the precision that "auto" came to ("fp32" or "bf16").

    Under `torchrun` every process gets its own GPU, or a share of the CPU, and gradients are averaged (DDP); a plain
    start uses one GPU or the CPU. Trained in float32 or with bfloat16 autocast; if it is asked for on a GPU, in float16
    with scaled losses (scaling.py).

    Raises:
        SengaError: a precision that the network or the device does not support.
    """
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces the precision, even before errors
    world = int(os.environ.get("WORLD_SIZE", "1"))  # set by torchrun, as is LOCAL_WORLD_SIZE
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    cuda = torch.cuda.is_available()
    if precision == "fp16" and not cuda:
        raise SengaError("run.precision is fp16, which trains on a GPU only, and there is none; use auto")
    allowed = half and precision == "fp16"  # auto does not choose it
    chosen = pick_precision(precision, torch.device("cuda" if cuda else "cpu"), half=allowed, bf16=bf16)
    fabric = Fabric(
        accelerator="cuda" if cuda else "cpu",
        devices=local,
        num_nodes=world // local,
        strategy="ddp" if world > 1 else "auto",
        precision=FABRIC_PRECISION[chosen],  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric, chosen

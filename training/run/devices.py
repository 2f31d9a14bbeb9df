"""Which machine parts a run uses: one process, or many under torchrun."""

import logging
import os
from datetime import timedelta

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from ...arch import SengaError
from ...arch.precision import pick_precision
from .processes import choose_interface

# Gradients of one parameter at a time on CPUs, MiB: in larger buckets, whose order changes after the first step, three
# processes or more would add them up in another order, and a run that goes on would not end with the same bits.
CPU_BUCKET = 1e-6
FABRIC_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def make_fabric(precision: str, *, bf16: bool, half: bool, batch: int, timeout: int) -> tuple[Fabric, str]:
    """Fabric, launched, and the precision that "auto" came to ("fp32" or "bf16").

    Under `torchrun` every process gets its own GPU, or a share of the CPU, and gradients are averaged (DDP); a plain
    start uses one GPU or the CPU. Trained in float32 or with bfloat16 autocast; if it is asked for on a GPU, in float16
    with scaled losses (scaling.py).

    Args:
        batch: `data.batch`, which the processes divide evenly.
        timeout: seconds that a process waits for another one's gradients.

    Raises:
        SengaError: a precision that the network or the device does not support, or a number of processes that does not
            divide the batch or is not the same on every machine.
    """
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces the precision, even before errors
    # Set by torchrun
    world, local, machines = (
        int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE")
    )
    if batch % world:
        raise SengaError(f"data.batch is {batch}; expected a multiple of the {world} processes")
    if world != local * machines and machines > 1:
        raise SengaError(
            f"torchrun started {local} of {world} processes here; expected the same number on each of the {machines}"
            " machines: give all of them the same --nproc-per-node"
        )
    choose_interface()
    cuda = torch.cuda.is_available()
    if precision == "fp16" and not cuda:
        raise SengaError("run.precision is fp16, which trains on a GPU only, and there is none; use auto")
    allowed = half and precision == "fp16"  # auto does not choose it
    chosen = pick_precision(precision, torch.device("cuda" if cuda else "cpu"), half=allowed, bf16=bf16)
    fabric = Fabric(
        accelerator="cuda" if cuda else "cpu",
        devices=local,
        num_nodes=world // local,
        strategy=_ddp(timeout, cuda) if world > 1 else "auto",
        precision=FABRIC_PRECISION[chosen],  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric, chosen


def _ddp(timeout: int, cuda: bool) -> DDPStrategy:
    waits = timedelta(seconds=timeout)
    return DDPStrategy(timeout=waits) if cuda else DDPStrategy(timeout=waits, bucket_cap_mb=CPU_BUCKET)

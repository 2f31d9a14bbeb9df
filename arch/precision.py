"""Which arithmetic a network runs in. Chosen per call and passed as an argument; no global state is touched."""

from contextlib import AbstractContextManager, nullcontext

import torch

from .errors import SengaError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PRECISIONS = ("auto", *DTYPES)


def pick_precision(precision: str, device: torch.device, *, half: bool, bf16: bool) -> str:
    """What "auto" means on a device, given what the network supports; other values are checked and returned.

    On a CPU bfloat16 pays only where the processor multiplies it natively (AMX, AVX512-BF16).

    Raises:
        SengaError: an unknown name, or a precision that the network does not support.
    """
    if precision not in PRECISIONS:
        raise SengaError(f"precision is {precision!r}; it is one of {', '.join(PRECISIONS)}")
    supported = {"fp32": True, "bf16": bf16, "fp16": half}
    if precision != "auto":
        if not supported[precision]:
            raise SengaError(f"precision is {precision}, which this model does not support; use auto or fp32")
        return precision
    if device.type == "cuda":
        fast = ("bf16", "fp16") if torch.cuda.is_bf16_supported(including_emulation=False) else ("fp16",)
    elif device.type == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()):
        fast = ("bf16",)
    else:
        fast = ()
    return next((name for name in fast if supported[name]), "fp32")


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Run convolutions in that precision inside the block; weights keep their own."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=DTYPES[precision])

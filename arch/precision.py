"""The arithmetic that a network runs in: chosen for each call and passed as an argument, never set globally."""

from contextlib import ExitStack

import torch

from .errors import SengaError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PRECISIONS = ("auto", *DTYPES)


def pick_precision(
    precision: str, device: torch.device, *, half: bool, bf16: bool, full_last_layer: bool = True
) -> str:
    """Resolve "auto" for a device and what the network supports; check and return any other value.

    float16 has three more bits of mantissa than bfloat16 and is as fast on a GPU. On a CPU only bfloat16 can be native,
    if the processor multiplies it (AMX, AVX512-BF16). A network whose last layer would run in bfloat16 too
    (`full_last_layer` False: other programs' nets) would show bands in gradients, so auto keeps float32.

    Raises:
        SengaError: an unknown name, or a precision that the network does not support.
    """
    if precision not in PRECISIONS:
        raise SengaError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}")
    supported = {"fp32": True, "bf16": bf16, "fp16": half}
    if precision != "auto":
        if not supported[precision]:
            raise SengaError(f"precision is {precision}, which this model does not support; use auto or fp32")
        return precision
    if device.type == "cuda":
        fast = ("fp16", "bf16") if torch.cuda.is_bf16_supported(including_emulation=False) else ("fp16",)
    elif device.type == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()):
        fast = ("bf16",)
    else:
        fast = ()
    supported["bf16"] = bf16 and full_last_layer
    return next((name for name in fast if supported[name]), "fp32")


def autocast(device: torch.device, precision: str) -> ExitStack:
    """Run convolutions in this precision inside the block; weights keep their own.

    fp32 is exact: it turns off a caller's autocast and TensorFloat-32, which rounds factors to 10 bits of mantissa.
    """
    stack = ExitStack()
    if precision != "fp32":
        stack.enter_context(torch.autocast(device.type, dtype=DTYPES[precision]))
        return stack
    if torch.is_autocast_enabled(device.type):
        stack.enter_context(torch.autocast(device.type, enabled=False))
    if device.type == "cuda":
        cudnn = torch.backends.cudnn
        stack.enter_context(
            cudnn.flags(cudnn.enabled, cudnn.benchmark, cudnn.benchmark_limit, cudnn.deterministic, allow_tf32=False)
        )
    return stack

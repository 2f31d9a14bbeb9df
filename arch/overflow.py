"""Networks whose output is not finite: in half precision they go on in float32, in float32 they are refused.

NaN would become a black picture or an empty list of tags. float16 ends at 65504; bfloat16 overflows where float32 does,
but loses digits on the way. Each tile of the result is looked at: UpscaleModel turns Inf into NaN, which a clamp keeps.
Other programs' models may hide Inf in their clamp to [0, 1], so once per model and precision the network's own output
is looked at as well.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from .errors import SengaError

logger = logging.getLogger("senga")

# net -> precision -> whether it overflows there
_known: "WeakKeyDictionary[nn.Module, dict[str, bool]]" = WeakKeyDictionary()


class Run(Protocol):
    """What runs tiles: `call` computes in `precision`, which may change between tiles."""

    model: Any
    precision: str

    def call(self, x: Tensor) -> Tensor: ...


def finite(run: Run, x: Tensor) -> Tensor:
    """`run.call(x)` in float32. Where that is not finite, `run` goes on in fp32, and the log says so once.

    Raises:
        SengaError: the output is not finite in fp32 either, or the picture is not.
    """
    known = _known.setdefault(run.model.model, {})
    if known.get(run.precision):
        run.precision = "fp32"
    with _own_output(run.model.model, watch=run.precision not in known) as own:
        y = run.call(x).float()
    if all(own) and is_finite(y):
        known[run.precision] = False
        return y
    _check_picture(x)
    name = _name(run.model)
    if run.precision == "fp32":
        raise SengaError(
            f"the network ({name}) gives NaN or Inf, so the picture would come out black or white; its weights are"
            " damaged: take another file"
        )
    logger.warning("%s overflows in %s; it goes on in fp32, which is slower", name, run.precision)
    known[run.precision] = True
    return finite(run, x)


def check_probabilities(found: Tensor, prepared: Tensor, model: Any) -> Tensor:
    """The probabilities themselves. Raises SengaError where they are NaN, which no threshold would ever choose."""
    if is_finite(found):
        return found
    _check_picture(prepared)
    raise SengaError(f"the tagger ({_name(model)}) gives NaN; its weights are damaged: take another file")


def _check_picture(x: Tensor) -> None:
    if not is_finite(x):
        raise SengaError("the picture holds NaN or Inf; look for the node or program that made it")


def is_finite(x: Tensor) -> bool:
    """Whether all numbers are. The sum tells at less cost, unless it overflows by itself."""
    return bool(x.sum().isfinite()) or bool(x.isfinite().all())


@contextmanager
def _own_output(net: nn.Module, *, watch: bool) -> Iterator[list[bool]]:
    """Whether each output of a network inside the block, before any clamp, is finite."""
    found: list[bool] = []
    if not watch:
        yield found
        return
    hook = net.register_forward_hook(
        lambda _module, _inputs, output: found.append(not isinstance(output, Tensor) or is_finite(output))
    )
    try:
        yield found
    finally:
        hook.remove()


def _name(model: Any) -> str:
    header = getattr(model, "header", None)
    return header.architecture if header is not None else type(model.model).__name__

"""Upscalers that spandrel knows and Senga does not, with the interface of Senga's own.

Files are read by arch/weights.py, which never runs what a pickle carries; spandrel gets the tensors alone.
"""

import logging
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ..errors import SengaError, brief
from ..header import Header, Provenance
from ..upscaler import UpscaleModel
from . import borrow, is_there, missing
from .halo import Context, cached_context, key_of_tensors, measure, store_context
from .spandrel_table import PREFIX, code_licence, name_by_keys

logger = logging.getLogger("senga")

# Assumed before it is measured: the context that the deepest common network, RRDB with 23 blocks, was measured to need
# (benchmarks/halo.py).
UNKNOWN_HALO = 80
UNKNOWN_FLOATS = 256  # activations alive at the peak, per output pixel

_contexts: WeakKeyDictionary[Any, Context] = WeakKeyDictionary()  # of the descriptors in use


class BorrowedUpscaler(UpscaleModel):
    """A descriptor of spandrel's with what `upscale` needs to know of it.

    Args:
        descriptor: spandrel's ImageModelDescriptor, in eval mode or not.
        key: what its measured context is kept under; empty for a hash of its tensors.

    Raises:
        SengaError: it takes or gives other than 1 or 3 channels, or needs a mask besides the picture.
    """

    full_last_layer = False  # in bfloat16 the last layer would show bands; see precision.pick_precision

    def __init__(self, descriptor: Any, key: str = "") -> None:
        name = descriptor.architecture.id
        if not isinstance(descriptor, borrow("spandrel").ImageModelDescriptor):
            raise SengaError(f"is an inpainting network ({name}), which takes a mask; choose a model that upscales")
        channels = descriptor.input_channels, descriptor.output_channels
        if channels not in ((1, 1), (3, 3)):
            raise SengaError(
                f"is a {name} network that takes {channels[0]} channels and gives {channels[1]};"
                " expected one that takes and gives 1 or 3"
            )
        self.descriptor = descriptor
        self.header = Header(PREFIX + name, {}, descriptor.scale, _provenance(descriptor.tags))
        self.model = descriptor.model.eval()
        self.scale = descriptor.scale
        self.input_channels, self.output_channels = channels
        self.supports_half = descriptor.supports_half
        self.supports_bfloat16 = descriptor.supports_bfloat16
        self.size_requirements = descriptor.size_requirements
        self.border = 0  # other programs' files give the picture that they give there
        self.floats_per_pixel = UNKNOWN_FLOATS * self.scale**2
        self.patcher = getattr(descriptor, "patcher", None)
        self._key = key
        # Kept by descriptor: ComfyUI's own load node hands out a bare one, which is wrapped anew for each picture.
        context = _contexts.get(descriptor)
        self.default_halo = UNKNOWN_HALO if context is None else context.halo
        self.alignment = self.size_requirements.multiple_of if context is None else context.alignment
        # Tiles that change the picture are made as large as possible. Until it is measured, spandrel's word counts.
        self.whole_preferred = descriptor.tiling.name != "SUPPORTED" if context is None else not context.seam_free

    def before_tiling(self) -> Context:
        """Learn how it may be tiled, and warn, once, where that shows.

        Measured on a small picture when it is first needed, and kept in the user's cache folder by the file's hash.
        """
        context = _contexts.get(self.descriptor)
        if context is None:
            name = f"{self.header.architecture.removeprefix(PREFIX)} x{self.scale}"
            key = self._key or key_of_tensors(self.model)
            context = cached_context(key)
            if context is None:
                logger.info("%s: measuring, once for this file, how much context its tiles need", name)
                context = measure(self)
                store_context(key, context)
            _contexts[self.descriptor] = context
            if not context.seam_free:
                logger.warning("%s: %s", name, context.sentence)
        self.default_halo, self.alignment = context.halo, context.alignment
        self.whole_preferred = not context.seam_free
        return context

    def __call__(self, image: Tensor) -> Tensor:
        """As UpscaleModel: (B, C, H, W) in [0, 1], any size, -> (B, C, scale * H, scale * W) in [0, 1].

        spandrel pads the sizes that the network cannot take, by reflection, and crops the result.
        """
        x = image.to(self.dtype)
        rows = [self.descriptor(row) for row in x.split(1)]  # one picture a call is all that it promises to take
        return (torch.cat(rows) if len(rows) > 1 else rows[0]).to(image.dtype).clamp(0, 1)

    def bare(self, image: Tensor) -> Tensor:
        """The same: there is no border to leave out, and spandrel's padding is part of the picture."""
        return self(image)


def load(
    index: dict[str, Tensor],
    read: Callable[[], dict[str, Tensor]],
    key: Callable[[], str],
    reason: SengaError,
    *,
    quiet: bool = False,
) -> BorrowedUpscaler:
    """The network of a file that is none of ours. Its architecture and licence are logged, unless `quiet`.

    Args:
        index: the file's tensors on the device meta, under its own keys.
        read: gives the tensors, in float32. Called once the network is known.
        key: gives the file's SHA-256. Called as `read` is.
        reason: why Senga cannot read it.

    Raises:
        SengaError: spandrel is missing, does not know the network either, or cannot build it.
    """
    _row(index, reason)
    row, state = _row(read(), reason)
    try:
        model = BorrowedUpscaler(_built(row, state), key())
        model.model.requires_grad_(False)
    except SengaError:
        raise
    except Exception as error:
        raise _refused(row.architecture.id, reason, error) from error
    name = row.architecture.id
    logger.log(
        logging.DEBUG if quiet else logging.INFO,
        "%s x%d runs through spandrel %s (its code: %s; the licence of the weights is not in the file)",
        name,
        model.scale,
        spandrel_version(),
        code_licence(PREFIX + name),
    )
    return model


def describe(index: dict[str, Tensor], read: Callable[[], dict[str, Tensor]], reason: SengaError) -> Header:
    """What `load` would give, from keys and shapes alone where that is enough.

    Args:
        index: the file's tensors on the device meta, under its own keys.
        read: gives the tensors. Called for networks whose code reads values while they are built, as attention often
            does.
        reason: why Senga cannot read it.

    Raises:
        SengaError: as `load`.
    """
    row, state = _row(index, reason)
    try:
        with torch.device("meta"):
            descriptor = _built(row, state)
    except Exception as error:  # noqa: BLE001 (as above)
        logger.debug("%s: the tensors have to be read (%s)", row.architecture.id, error)
        return load(index, read, str, reason, quiet=True).header
    return Header(PREFIX + row.architecture.id, {}, descriptor.scale, _provenance(descriptor.tags))


def wrapped(model: Any) -> Any:
    """A descriptor of spandrel's as a BorrowedUpscaler; any other model as it is. Raises SengaError as that does."""
    return BorrowedUpscaler(model) if type(model).__module__.startswith("spandrel.") else model


def spandrel_version() -> str:
    try:
        return version("spandrel")
    except PackageNotFoundError:
        return "(unknown version)"


def _provenance(tags: list[str]) -> Provenance:
    return Provenance(source=f"spandrel {spandrel_version()}", notes=", ".join(tags))


def _row(state: dict[str, Tensor], reason: SengaError) -> tuple[Any, dict[str, Tensor]]:
    """The row of spandrel's registry that takes the keys, and the state dict without the prefixes that spandrel knows.

    Raises:
        SengaError: with the way out.
    """
    name = name_by_keys(state)
    what = f"its keys are those of {name}, which is not one of Senga's networks" if name else str(reason)
    if not is_there("spandrel"):
        sure = "spandrel runs most such networks" if name else "if it is an upscaler, spandrel may know it"
        raise SengaError(f"{what}; {sure}; {missing('models', 'spandrel')}")
    try:
        spandrel = borrow("spandrel")
    except ImportError as error:
        raise SengaError(
            f"{what}; spandrel, which may know it, cannot be imported ({error});"
            f" {missing('models', '--upgrade spandrel')}"
        ) from error
    state = spandrel.canonicalize_state_dict(state)
    for row in spandrel.MAIN_REGISTRY.architectures("detection"):
        try:
            if row.detect(dict(state)):
                return row, state
        except Exception as error:  # noqa: BLE001 (rows look at shapes, and take for granted that there are some)
            logger.debug("%s: not asked (%s)", row.architecture.id, error)
    either = "does not know it" if name else "does not know it either"
    raise SengaError(f"{what}; spandrel {spandrel_version()} {either}")


def _built(row: Any, state: dict[str, Tensor]) -> Any:
    """spandrel's descriptor. Its networks make torch warn of what is no fault of the file's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return row.architecture.load(dict(state))


def _refused(name: str, reason: SengaError, error: Exception) -> SengaError:
    if "do not fit the network" in str(reason):
        return reason  # ours has said which tensor it is
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return SengaError(
        f"spandrel {spandrel_version()} takes it for {name}, but cannot build it"
        f" ({brief(' '.join(line.strip() for line in lines[:2]), 200)}); the file was damaged or is a variant of {name}"
    )

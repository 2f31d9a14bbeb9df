"""How large the result of a node becomes, from the sizes of its inputs alone: nothing is allocated, nothing decoded.

A size is the shape of a picture (B, H, W, C) or of a mask (B, H, W). A function here gets its node's class and inputs,
with sizes in place of tensors, and raises KeyError, TypeError or ValueError where one of them is not known.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...arch import read_header
from ...arch.pictures.fitting import FITS, plan_fit
from ...arch.pictures.sizes import pass_sizes, target_size
from ...nodes import host
from ...nodes.load_images import chosen
from ...training.run.pictures import open_picture

FLOAT = 4  # bytes

Inputs = Mapping[str, Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Scale:
    """A model that upscales, in place of its network."""

    factor: int


@dataclass(frozen=True)
class Need:
    results: tuple[Any, ...] = ()  # a Shape or a Scale for each output; None where it is not known
    work: int = 0  # bytes while the node runs, beside its inputs and results


def size_of(shape: Any) -> int:
    """Bytes of a picture or a mask in float32; 0 for anything else."""
    return math.prod(shape) * FLOAT if isinstance(shape, tuple) else 0


def _picture(value: Any) -> Shape:
    if not isinstance(value, tuple) or len(value) != 4:
        raise TypeError("the size is not known")
    return value


def _number(value: Any) -> Any:
    if not isinstance(value, int | float):
        raise TypeError("the number is not known")
    return value


def _scaled(image: Shape, width: int, height: int) -> Need:
    result = (image[0], height, width, image[3])
    return Need((result,), size_of(result))  # resized in another layout first


def _scale(_: type, given: Inputs) -> Need:
    image, width, height = _picture(given["image"]), _number(given["width"]), _number(given["height"])
    if width == height == 0:
        return Need((image,))
    width = width or max(1, round(image[2] * height / image[1]))
    return _scaled(image, width, height or max(1, round(image[1] * width / image[2])))


def _scale_by(_: type, given: Inputs) -> Need:
    image = _picture(given["image"])
    height, width = (max(1, round(side * given["scale_by"])) for side in image[1:3])
    return _scaled(image, width, height)


def _batch(_: type, given: Inputs) -> Need:
    first, second = _picture(given["image1"]), _picture(given["image2"])
    rest = (*first[1:3], max(first[3], second[3]))
    fitted = 0 if first[1:] == second[1:] else size_of((second[0], *rest))
    return Need(((first[0] + second[0], *rest),), fitted)


def _same(_: type, given: Inputs) -> Need:
    return Need((_picture(given["image"]),))


def _mask_to_image(_: type, given: Inputs) -> Need:
    *frames, height, width = given["mask"]
    return Need(((math.prod(frames), height, width, 3),))


def _image_to_mask(_: type, given: Inputs) -> Need:
    return Need((_picture(given["image"])[:3],))


def _split(_: type, given: Inputs) -> Need:
    image = _picture(given["image"])
    return Need(((*image[:3], 3), image[:3]))


def _join(_: type, given: Inputs) -> Need:
    image, (*frames, _height, _width) = _picture(given["image"]), given["alpha"]
    result = (min(image[0], math.prod(frames)), *image[1:3], 4)
    return Need((result,), size_of(result[:3]))


def _model(_: type, given: Inputs) -> Need:
    try:
        factor = read_header(host.upscale_model_path(given["model_name"])).scale
    except OSError as error:
        raise ValueError("the model cannot be read") from error
    return Need((Scale(factor) if factor else None,))


def _factor(model: Any) -> int:
    if not isinstance(model, Scale):
        raise TypeError("the model is not known")
    return model.factor


def _upscale(_: type, given: Inputs) -> Need:
    image, factor = _picture(given["image"]), _factor(given["upscale_model"])
    sides = [_number(given.get(name, 0)) for name in ("width", "height")]
    plan = plan_fit(image[2], image[1], sides[0], sides[1], given.get("fit", FITS[0]))
    scale = _number(given.get("scale", 0)) or None
    (columns, rows), size = ((image[2], image[1]), None) if plan is None else (plan.part, plan.size)
    target = target_size(columns, rows, factor, scale if plan is None else None, size)
    final = target if plan is None else plan.result
    result = (image[0], final[1], final[0], image[3])
    width, height = pass_sizes(columns, rows, factor, target)[-1]
    passes = size_of((1, height, width, 4)) * (1 + factor**2)  # one frame, into the last pass and out of it
    work = passes if (width * factor, height * factor) != target else 0
    return Need((result, result[:3]), work + (size_of((image[0], *target, 4)) if target != final else 0))


def _upscale_with_model(node_class: type, given: Inputs) -> Need:
    both = _upscale(node_class, given)
    return Need(both.results[:1], both.work)


def _degrade(_: type, given: Inputs) -> Need:
    image, scale = _picture(given["image"]), given["scale"]
    result = (image[0], math.ceil(image[1] / scale), math.ceil(image[2] / scale), image[3])
    return Need((result, None), size_of(result) + 4 * size_of(image[1:]))


def _file_shape(node_class: Any, name: str) -> Shape:
    path: Path = node_class.path_of(name)
    try:
        with open_picture(path, node_class.folders.max_pixels) as picture:
            return (getattr(picture, "n_frames", 1), picture.height, picture.width, 3)
    except Exception as error:  # reading it says what is wrong with it
        raise ValueError("the picture cannot be read") from error


def _load(node_class: type, given: Inputs) -> Need:
    shape = _file_shape(node_class, given["image"])
    return Need((shape, shape[:3]), 2 * size_of(shape))  # decoded frames, and their levels before they are one batch


def _load_mask(node_class: type, given: Inputs) -> Need:
    shape = _file_shape(node_class, given["image"])
    return Need(((1, *shape[1:3]),), 2 * size_of(shape))


def _load_images(node_class: Any, given: Inputs) -> Need:
    """All pictures of a folder, which are held together: the shapes of a list are not one shape, so they count here."""
    paths = chosen(node_class.root(), given["folder"], given["limit"], given["start"])
    total = 0
    for path in paths:
        # Reading it says what is wrong with it.
        with suppress(Exception), open_picture(path, node_class.folders.max_pixels) as picture:
            total += size_of((picture.height, picture.width, 4))  # and its mask
    return Need((None, None, None), total)


def _save(_: type, given: Inputs) -> Need:
    return Need((), 3 * size_of(_picture(given["images"])[1:]))  # a frame's levels as floats, clipped, and in 8 bits


NEEDS: dict[str, Callable[[type, Inputs], Need]] = {
    "LoadImage": _load,
    "LoadImageMask": _load_mask,
    "SengaLoadImages": _load_images,
    "SaveImage": _save,
    "PreviewImage": _save,
    "ImageScale": _scale,
    "ImageScaleBy": _scale_by,
    "ImageBatch": _batch,
    "ImageInvert": _same,
    "MaskToImage": _mask_to_image,
    "ImageToMask": _image_to_mask,
    "SplitImageWithAlpha": _split,
    "JoinImageWithAlpha": _join,
    "UpscaleModelLoader": _model,
    "SengaLoadUpscaleModel": _model,
    "ImageUpscaleWithModel": _upscale_with_model,
    "SengaUpscale": _upscale,
    "SengaDegradeImage": _degrade,
}


def need(class_type: str, node_class: type, given: Inputs) -> Need | None:
    """What a node needs, or None where that is not known. SengaError, a ValueError, is left to the node's own check."""
    if class_type not in NEEDS:
        return None
    try:
        return NEEDS[class_type](node_class, given)
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None

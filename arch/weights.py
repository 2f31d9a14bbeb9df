"""Load and save networks: from an index of tensors to a model that can be called, and back."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import foreign_taggers
from .borrowed import is_there, onnx_taggers, spandrel_upscalers, timm_taggers
from .errors import NotOurs, SengaError, brief
from .files.atomic import replacing
from .files.matching import Overrides, planned
from .files.official import lost_settings, official_state
from .files.tensor_files import (
    ONNX,
    State,
    check_values,
    existing,
    in_float32,
    read_index,
    read_tensors,
    write_safetensors,
)
from .header import Header
from .preprocessing import Preprocessing
from .registry import BY_ID
from .tagger import TaggerModel
from .upscaler import UpscaleModel
from .vocabulary import TagVocabulary

LONGEST_MESSAGE = 600  # characters
LOOKED_AT = 512 * 2**20  # bytes of a file whose values are looked at for a list
# The first part of an architecture's name -> the library that runs it, and how to get it.
NEEDED = {"timm": ("timm", timm_taggers.INSTALL), "onnx": ("onnxruntime", onnx_taggers.INSTALL)}


def read_header(path: str | Path) -> Header:
    """Read a weights file's header, not its tensors.

    Headers of other people's files are inferred from the names and shapes of the tensors and from accompanying files.
    Of networks that spandrel runs, `architecture` begins with "spandrel/"; some of these are read whole for it.

    Raises:
        SengaError: the file is missing, damaged or of an unknown kind, or holds no network that Senga knows.
    """
    path = existing(path)
    try:
        if path.suffix.lower() in ONNX:
            return onnx_taggers.describe(path)
        index = read_index(path)
        if index.text is None and _is_timm(path, index.shapes):
            return timm_taggers.describe(path, index.shapes)
        try:
            return planned(path, index, Overrides()).header
        except NotOurs as error:
            if index.text is not None:
                raise
            return spandrel_upscalers.describe(index.state, lambda: in_float32(read_tensors(path, index)), error)
    except (SengaError, OSError) as error:
        raise _named(path, error) from error


def check_file(path: str | Path) -> Header:
    """`read_header`, and whatever else would keep the file from loading: for `senga models`, which may take its time.

    Values are looked at in files of up to 512 MB.

    Raises:
        SengaError: as `read_header`; also where a library is missing, or where weights hold NaN or Inf.
    """
    path = existing(path)
    header = read_header(path)
    try:
        library, install = NEEDED.get(header.architecture.partition("/")[0], ("", ""))
        if library and not is_there(library):
            raise SengaError(f"is a tagger for {library}, which is not installed; {install}")
        if path.suffix.lower() not in ONNX and path.stat().st_size <= LOOKED_AT:
            check_values(read_tensors(path, read_index(path)))
    except (SengaError, OSError) as error:
        raise _named(path, error) from error
    return header


def task_of(path: str | Path) -> str:
    """Whether a file is to "tag" or to "upscale", from its index alone: for lists, which must be quick.

    A tagger that cannot be loaded, for want of a file next to it, is one too. Raises SengaError.
    """
    path = existing(path)
    if path.suffix.lower() in ONNX:
        return "tag"
    try:
        index = read_index(path)
        if index.text is not None:
            return Header.from_json(index.text).row().task
        shapes = index.shapes
        return "tag" if foreign_taggers.layout_of(shapes) or timm_taggers.claims(path, shapes) else "upscale"
    except (SengaError, OSError) as error:
        raise _named(path, error) from error


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of any network to the CPU, with the file's own names and precision.

    Reads safetensors, and torch checkpoints with `weights_only=True`. Checkpoints may keep the tensors under
    `params_ema`, `params`, `state_dict` or similar keys; these and `net_g.`, `generator.`, `module.`, `_orig_mod.` are
    also removed where all names begin with them.

    Raises:
        SengaError: the file is missing, damaged or of an unknown kind.
    """
    path = existing(path)
    try:
        return read_tensors(path, read_index(path))
    except (SengaError, OSError) as error:
        raise _named(path, error) from error


def load_model(path: str | Path) -> UpscaleModel | TaggerModel:
    """Load a network in float32 on the CPU, ready to call.

    Reads Senga's files; Real-ESRGAN's RRDB and Compact (`params_ema` or `params`); ESRGAN's old and original forms;
    yu45020/Waifu2x's ESPCN_7 and DCSCN; torchvision's and timm's MobileNetV3 (see `load_tagger`); the same keys in
    plain safetensors; and, if spandrel is installed, the upscalers that it knows (docs/models.md). `.pth` and `.pt` are
    read with `weights_only=True`.

    Raises:
        SengaError: as `read_header`; also if tensors are missing, unexpected or of the wrong shape.
    """
    return _load(existing(path), Overrides())


def load_upscaler(path: str | Path) -> UpscaleModel:
    """`load_model` for upscalers only. Also raises SengaError for a tagger."""
    model = load_model(path)
    if isinstance(model, UpscaleModel):
        return model
    raise SengaError(f"{Path(path).name}: is a tagger ({model.header.architecture}); choose a model that upscales")


def load_tagger(
    path: str | Path,
    *,
    vocabulary: TagVocabulary | None = None,
    preprocessing: Preprocessing | None = None,
    **hyperparameters: Any,
) -> TaggerModel:
    """`load_model` for taggers only.

    Args:
        vocabulary: for a file without Senga's header, in place of the accompanying list of tags.
        preprocessing: for such a file, in place of the accompanying settings or torchvision's.
        **hyperparameters: `eps` and `padding` of such a file, which its tensors do not reveal.

    Raises:
        SengaError: as `load_model`; also for an upscaler, and if the list of tags does not fit the head.
    """
    model = _load(existing(path), Overrides(vocabulary, preprocessing, hyperparameters))
    if isinstance(model, TaggerModel):
        return model
    raise SengaError(f"{Path(path).name}: is an upscaler ({model.header.architecture}); choose a model that tags")


def _load(path: Path, given: Overrides) -> UpscaleModel | TaggerModel:
    try:
        if path.suffix.lower() in ONNX:
            return _signed(onnx_taggers.load(path, given.vocabulary, given.preprocessing), path)
        index = read_index(path)

        def read() -> State:
            return in_float32(read_tensors(path, index))

        if index.text is None and _is_timm(path, index.shapes):
            return _signed(timm_taggers.load(path, index.shapes, read, given.vocabulary, given.preprocessing), path)
        try:
            plan = planned(path, index, given)
        except NotOurs as error:
            if index.text is not None:
                raise
            return spandrel_upscalers.load(index.state, read, lambda: _sha256(path), error)
        plan.net.load_state_dict(plan.renamed(read()), assign=True)
        if plan.header.row().task == "upscale":
            return UpscaleModel(plan.header, plan.net)
        return _signed(TaggerModel(plan.header, plan.net), path)
    except (SengaError, OSError) as error:
        raise _named(path, error) from error


def _signed(model: TaggerModel, path: Path) -> TaggerModel:
    model.file_sha256 = _sha256(path)
    return model


def _is_timm(path: Path, shapes: dict[str, tuple[int, ...]]) -> bool:
    """Whether timm has the network. Ours come first: MobileNetV3 under timm's keys needs no library."""
    return not foreign_taggers.layout_of(shapes) and timm_taggers.claims(path, shapes)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_model(path: str | Path, model: UpscaleModel | TaggerModel) -> None:
    """Write a model and its header as safetensors. Equal models give equal bytes.

    The file appears whole or not at all.
    RRDB and Compact keep the official key names, so spandrel, chaiNNer and ComfyUI's own loader read them as well.

    Raises:
        SengaError: the name does not end in .safetensors, or another program has the file open (Windows).
        OSError: the folder cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise SengaError(f"{path.name}: Senga writes safetensors only; give a name that ends in .safetensors")
    if model.header.architecture not in BY_ID:
        raise SengaError(f"{path.name}: {model.header.architecture} is another library's network; Senga saves its own")
    state = {key: value.detach().cpu().contiguous() for key, value in model.model.state_dict().items()}
    write_safetensors(path, state, model.header.to_json())


def save_official(path: str | Path, model: UpscaleModel | TaggerModel) -> list[str]:
    """Write a model without header under the key names of its official code, as .safetensors or .pth.

    Returns:
        What that code cannot know from the file and would take to be otherwise, as `name=value`.

    Raises:
        SengaError: the network has no official code, or the name ends otherwise.
        OSError: the folder cannot be written.
    """
    path = Path(path)
    official, state = official_state(model)
    if path.suffix.lower() not in (".safetensors", ".pth"):
        raise SengaError(f"{path.name}: official files are .safetensors or .pth; give a name that ends in one of them")
    if path.suffix.lower() == ".pth":
        with replacing(path) as temporary:
            torch.save({official.wrapper: state} if official.wrapper else state, temporary)
    else:
        write_safetensors(path, state, None)
    return lost_settings(model, state)


def _named(path: Path, error: SengaError | OSError) -> SengaError:
    reason = brief(error.strerror or error) if isinstance(error, OSError) else error
    return SengaError(brief(f"{brief(path.name)}: {reason}", LONGEST_MESSAGE))

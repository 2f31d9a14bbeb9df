"""Read and write weights files. The only safetensors import in the project."""

import dataclasses
import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from . import foreign_taggers
from .atomic import replacing
from .borrowed import onnx_taggers, spandrel_upscalers, timm_taggers
from .errors import NotOurs, SengaError
from .foreign_upscalers import recognise, rename
from .header import Header, Provenance, as_table
from .official import lost_settings, official_state
from .preprocessing import Preprocessing
from .registry import BY_ID, architecture, make_config
from .tagger import TaggerModel
from .upscaler import UpscaleModel
from .vocabulary import TagVocabulary

METADATA_KEY = "senga"
SAFETENSORS = (".safetensors", ".sft")
ONNX = (".onnx",)  # taggers
PICKLES = (".pth", ".pt", ".ckpt", ".bin", ".pk", ".pkl")
WRAPPERS = (
    "params_ema",
    "params-ema",
    "params",
    "state_dict",
    "model_state_dict",
    "model_ema",
    "model",
    "net",
)  # keys under which checkpoints keep their tensors, averaged ones first


State = dict[str, Tensor]
Rename = Callable[[State], State]


@dataclasses.dataclass(frozen=True)
class Overrides:
    """What a caller says about other people's taggers, in place of the accompanying files."""

    vocabulary: TagVocabulary | None = None
    preprocessing: Preprocessing | None = None
    hyperparameters: dict[str, Any] = dataclasses.field(default_factory=dict)


def read_header(path: str | Path) -> Header:
    """Read a weights file's header, not its tensors.

    Headers of other people's files are inferred from the names and shapes of the tensors and from accompanying files.
    Of networks that spandrel runs, `architecture` begins with "spandrel/"; some of these are read whole for it.

    Raises:
        SengaError: the file is missing, damaged or of an unknown kind, or holds no network that Senga knows.
    """
    path = _existing(path)
    try:
        if path.suffix.lower() in ONNX:
            return onnx_taggers.describe(path)
        text, shapes = _index(path)
        if text is not None:
            return Header.from_json(text)
        if _is_timm(path, shapes):
            return timm_taggers.describe(path, shapes)
        state = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
        try:
            return _recognised(path, state, Overrides())[0]
        except NotOurs as error:
            return spandrel_upscalers.describe(shapes, lambda: _in_float32(_tensors(path)[1]), error)
    except SengaError as error:
        raise _named(path, error) from error


def task_of(path: str | Path) -> str:
    """Whether a file is to "tag" or to "upscale", from its index alone: for lists, which must be quick.

    A tagger that cannot be loaded, for want of a file next to it, is one too. Raises SengaError.
    """
    path = _existing(path)
    if path.suffix.lower() in ONNX:
        return "tag"
    text, shapes = _index(path)
    if text is not None:
        return Header.from_json(text).row().task
    return "tag" if foreign_taggers.layout_of(shapes) or timm_taggers.claims(path, shapes) else "upscale"


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of any network to the CPU, with the file's own names and precision.

    Reads safetensors, and torch checkpoints with `weights_only=True`. Checkpoints may keep the tensors under
    `params_ema`, `params`, `state_dict` or similar keys; DataParallel's prefix `module.` is removed.

    Raises:
        SengaError: the file is missing, damaged or of an unknown kind.
    """
    path = _existing(path)
    try:
        return _tensors(path)[1]
    except SengaError as error:
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
    return _load(_existing(path), Overrides())


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
    model = _load(_existing(path), Overrides(vocabulary, preprocessing, hyperparameters))
    if isinstance(model, TaggerModel):
        return model
    raise SengaError(f"{Path(path).name}: is an upscaler ({model.header.architecture}); choose a model that tags")


def _load(path: Path, given: Overrides) -> UpscaleModel | TaggerModel:
    try:
        if path.suffix.lower() in ONNX:
            return _signed(onnx_taggers.load(path, given.vocabulary, given.preprocessing), path)
        text, state = _tensors(path)
        state = _in_float32(state)
        if text is None and _is_timm(path, {key: tuple(value.shape) for key, value in state.items()}):
            return _signed(timm_taggers.load(path, state, given.vocabulary, given.preprocessing), path)
        if text is not None:
            header = Header.from_json(text)
            net = _built(header, state)
        else:
            try:
                header, net = _recognised(path, state, given)
            except NotOurs as error:
                return spandrel_upscalers.load(state, _sha256(path), error)
        if header.row().task == "upscale":
            return UpscaleModel(header, net)
        return _signed(TaggerModel(header, net), path)
    except SengaError as error:
        raise _named(path, error) from error


def _signed(model: TaggerModel, path: Path) -> TaggerModel:
    model.file_sha256 = _sha256(path)
    return model


def _is_timm(path: Path, shapes: dict[str, tuple[int, ...]]) -> bool:
    """Whether timm has the network. Ours come first: MobileNetV3 under timm's keys needs no library."""
    return not foreign_taggers.layout_of(shapes) and timm_taggers.claims(path, shapes)


def _in_float32(state: State) -> State:
    """Counters (of batch normalisation) stay integers."""
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}


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
    with replacing(path) as temporary:
        # Not save_file: it makes files that only their owner may read.
        temporary.write_bytes(save(state, metadata={METADATA_KEY: model.header.to_json()}))


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
    with replacing(path) as temporary:
        if path.suffix.lower() == ".pth":
            torch.save({official.wrapper: state} if official.wrapper else state, temporary)
        else:
            temporary.write_bytes(save(state))
    return lost_settings(model, state)


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise SengaError(f"{path}: there is no such file; check the name and the folder")
    if path.suffix.lower() not in SAFETENSORS + PICKLES + ONNX:
        known = ", ".join(SAFETENSORS + PICKLES + ONNX)
        raise SengaError(f"{path.name}: ends in {path.suffix!r}; weights files end in {known}")
    return path


def _named(path: Path, error: SengaError) -> SengaError:
    return SengaError(f"{path.name}: {error}")


def _tensors(path: Path) -> tuple[str | None, State]:
    """The header's text, if any, and the tensors."""
    if path.suffix.lower() not in SAFETENSORS:
        return None, _unpickle(path, "cpu")
    text, _ = _safetensors_index(path)  # raises an explanation for a damaged file
    # Copies: load_file maps the file, which a download or a training may write over while the model is in use.
    try:
        return text, {key: value.clone() for key, value in load_file(path).items()}
    except RuntimeError as error:  # as above
        raise SengaError(f"cannot be read ({error})") from error


def _index(path: Path) -> tuple[str | None, dict[str, tuple[int, ...]]]:
    """The header's text, if any, and every tensor's shape."""
    if path.suffix.lower() in SAFETENSORS:
        return _safetensors_index(path)
    return None, {key: tuple(value.shape) for key, value in _unpickle(path, "meta").items()}


def _safetensors_index(path: Path) -> tuple[str | None, dict[str, tuple[int, ...]]]:
    """The header's text, if any, and every tensor's shape. Reads the file's index only."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 (no mapping)
    except SafetensorError as error:
        raise SengaError(
            f"is not a safetensors file or is cut short ({path.stat().st_size} bytes; {error}); fetch or copy it again"
        ) from error
    except RuntimeError as error:  # torch opens the file once more, which may be one file too many
        raise SengaError(f"cannot be read ({error})") from error
    return metadata.get(METADATA_KEY), shapes


def _unpickle(path: Path, device: str) -> dict[str, Tensor]:
    """The tensors of a torch checkpoint. Never runs code that a pickle may carry."""
    with path.open("rb") as file:  # outside the try: failing to open is an OSError
        try:
            found: Any = torch.load(file, map_location=device, weights_only=True)
        except pickle.UnpicklingError as error:
            raise SengaError(
                "holds Python objects besides tensors, or is not a torch checkpoint; Senga never runs what a pickle"
                " carries: ask its author for a safetensors file, or save only its state_dict()"
            ) from error
        except Exception as error:
            raise SengaError(
                f"is not a torch checkpoint or is cut short ({path.stat().st_size} bytes); fetch or copy it again"
            ) from error
    for wrapper in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
            break
    if isinstance(found, dict):  # Real-CUGAN's pro files hold a mark besides the tensors
        found = {key: torch.tensor(value) if type(value) in (bool, int) else value for key, value in found.items()}
    if not isinstance(found, dict) or not found or not all(isinstance(value, Tensor) for value in found.values()):
        raise SengaError(f"holds a {type(found).__name__}, not the tensors of a network; save its state_dict()")
    return {key.removeprefix("module."): value for key, value in found.items()}  # DataParallel's prefix


def _infer(path: Path, shapes: dict[str, tuple[int, ...]], given: Overrides) -> tuple[Rename, Header]:
    """For a file without Senga's header: the function that renames its keys, and the header it would have."""
    if source := foreign_taggers.layout_of(shapes):
        name, hyperparameters = foreign_taggers.recognise(shapes)
        settings, preprocessing = foreign_taggers.settings_beside(path)
        vocabulary = given.vocabulary or foreign_taggers.vocabulary_beside(path, hyperparameters["tags"])
        config = make_config(architecture(name), hyperparameters | settings | given.hyperparameters)
        header = Header(
            name,
            as_table(config),
            None,
            Provenance(source=source),
            vocabulary=vocabulary,
            preprocessing=given.preprocessing or preprocessing,
        )
        header.check()
        return lambda state: foreign_taggers.renamed(state, name), header
    layout, hyperparameters = recognise(shapes)
    config = make_config(architecture(layout.architecture), hyperparameters)
    header = Header(layout.architecture, hyperparameters, config.scale, Provenance(source=layout.name))
    return lambda state: {rename(key, layout): value for key, value in state.items()}, header


def _recognised(path: Path, state: State, given: Overrides) -> tuple[Header, torch.nn.Module]:
    """The network of a file without Senga's header. Raises NotOurs where a borrowed library may know it instead."""
    rename_keys, header = _infer(path, {key: tuple(value.shape) for key, value in state.items()}, given)
    try:
        return header, _built(header, rename_keys(state))
    except NotOurs as error:
        if header.row().task == "tag":
            raise SengaError(str(error)) from error
        raise


def _built(header: Header, state: State) -> torch.nn.Module:
    with torch.device("meta"):  # spends no memory and no random numbers on weights that are replaced below
        net = header.row().build(header.config())
    _fill(net, state)
    return net


def _fill(net: torch.nn.Module, state: dict[str, Tensor]) -> None:
    """load_state_dict with a short error message."""
    expected = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    faults = [
        *(f"{key} is missing" for key in expected.keys() - found.keys()),
        *(f"{key} is unexpected" for key in found.keys() - expected.keys()),
        *(
            f"{key} is {found[key]}, expected {expected[key]}"
            for key in expected.keys() & found.keys()
            if expected[key] != found[key]
        ),
    ]
    if faults:
        raise NotOurs(
            f"its tensors do not fit the network described by its header or shapes: {sorted(faults)[0]}"
            f" (fault 1 of {len(faults)}); the file was damaged or is a variant that Senga does not know"
        )
    net.load_state_dict(state, assign=True)

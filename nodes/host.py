"""The only file that imports ComfyUI. Each function also works without it, for tests and the headless commands."""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..arch import SengaError
from ..arch.errors import quoted
from ..arch.files.reading import has_text_name, why_unreadable
from .model_files import is_tagger, listed, task, unlisted, with_folder, with_slashes
from .watching import Watcher

try:
    import comfy.cli_args  # pyright: ignore[reportMissingImports]
    import comfy.model_management as management  # pyright: ignore[reportMissingImports]
    import comfy.model_patcher as patching  # pyright: ignore[reportMissingImports]
    import comfy.utils as comfy_utils  # pyright: ignore[reportMissingImports]
    import folder_paths  # pyright: ignore[reportMissingImports]

    arguments = comfy.cli_args.args
except ModuleNotFoundError as missing:
    if missing.name is None or missing.name.split(".")[0] not in ("comfy", "folder_paths"):
        raise  # ComfyUI is present but broken: do not hide it
    management = patching = comfy_utils = folder_paths = arguments = None

logger = logging.getLogger("senga")

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
DEFAULT_UPSCALER = "senga_compact_x2.safetensors"  # first in every list
DEFAULT_TAGGER = "senga_tagger_large.safetensors"  # likewise
# Files that came with Senga once -> what replaces them.
RETIRED = {"senga_rrdb_6b_x1.safetensors": "senga_compact_x1.safetensors"}
TAGGERS = "senga_taggers"  # ComfyUI's folder models/senga_taggers
EXTENSIONS = (".safetensors", ".sft", ".pth", ".pt", ".ckpt", ".bin")
TAGGER_EXTENSIONS = (*EXTENSIONS, ".onnx")
OTHERS_TAGGERS = "wd14_tagger"  # ComfyUI-WD14-Tagger's folder in models/ and in extra_model_paths.yaml
OTHERS_NODES = "comfyui-wd14-tagger"  # its folder in custom_nodes/, whatever the capitals: models/ is in there


@dataclass
class Standalone:
    """Replaces ComfyUI where it is missing; whoever runs the nodes fills it in."""

    model_dirs: list[Path] = field(default_factory=list)  # searched after our own weights
    output_dir: Path = Path("output")  # for nodes that save
    input_dir: Path = Path("input")  # for nodes that load pictures
    progress: Callable[[int, int], None] | None = None  # (done, total)
    should_stop: Callable[[], bool] | None = None
    device: torch.device | None = None  # None: the first accelerator found


standalone = Standalone()

if folder_paths is not None:
    # A new folder name has no extensions yet and would list every file.
    folder_paths.add_model_folder_path(TAGGERS, str(Path(folder_paths.models_dir) / TAGGERS))
    folder_paths.folder_names_and_paths[TAGGERS] = (
        folder_paths.folder_names_and_paths[TAGGERS][0],
        set(TAGGER_EXTENSIONS),
    )


def compute_device() -> torch.device:
    """Where networks run: ComfyUI's choice, else that of `senga --device`, the first accelerator found, or the CPU."""
    if management is not None:
        return management.get_torch_device()
    if standalone.device is not None:
        return standalone.device
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def shipped_upscale_models() -> list[str]:
    """File names of our own upscaling networks, the default one first.

    Reads headers only, not tensors; leaves out damaged files.
    """
    return _shipped("upscale")


def shipped_taggers() -> list[str]:
    """File names of our own taggers, in the same way."""
    return _shipped("tag")


def default_name(task: str) -> str:
    """The file that a list begins with and `senga` takes where none is named; "" where none of ours is there."""
    shipped = shipped_upscale_models() if task == "upscale" else shipped_taggers()
    return shipped[0] if shipped else ""


def _shipped(kind: str) -> list[str]:
    names, defaults = [], (DEFAULT_UPSCALER, DEFAULT_TAGGER)
    for path in sorted(WEIGHTS.glob("*.safetensors"), key=lambda path: (path.name not in defaults, path.name)):
        found, reason = task(path)
        if reason:
            logger.warning("%s", reason)  # one bad file must not remove the whole node
        elif found == kind:
            names.append(path.name)
    return names


def upscale_model_names() -> list[str]:
    """Our weights first, then the user's folders; for a name in both, ours is taken."""
    return list(dict.fromkeys([*shipped_upscale_models(), *_user_names("upscale_models", tagging=False)]))


def tagger_names() -> list[str]:
    """Our taggers first, then the user's, of models/senga_taggers in ComfyUI; for a name in both, ours is taken.

    Then those of other nodes' folders, as ORIGIN/NAME.
    """
    return list(dict.fromkeys([*shipped_taggers(), *_user_names(TAGGERS, tagging=True), *_others_taggers()]))


def unusable_files() -> list[tuple[Path, str]]:
    """(file, reason) of what has the name of a weights file in the user's folders and is in no list."""
    folders = [*standalone.model_dirs, *_comfy_folders()]
    return list(dict(found for folder in folders for found in unlisted(folder, TAGGER_EXTENSIONS)).items())


def _comfy_folders() -> list[Path]:
    if folder_paths is None:
        return []
    kinds = [kind for kind in ("upscale_models", TAGGERS) if kind in folder_paths.folder_names_and_paths]
    return [Path(folder) for kind in kinds for folder in folder_paths.get_folder_paths(kind)]


def _user_names(kind: str, *, tagging: bool) -> list[str]:
    if folder_paths is not None:
        # ComfyUI lists dangling links and pipes as well.
        paths = ((name, folder_paths.get_full_path(kind, name)) for name in folder_paths.get_filename_list(kind))
        return [name for name, path in paths if path and has_text_name(name) and not why_unreadable(Path(path))]
    endings = TAGGER_EXTENSIONS if tagging else EXTENSIONS  # one folder holds both kinds
    found = [pair for folder in standalone.model_dirs for pair in with_folder(folder, endings).items()]
    own = (name for name, path in found if is_tagger(path) is tagging and WEIGHTS not in path.parents)
    return sorted(own)  # without ours, where the user's folder contains them


def _others_taggers() -> dict[str, Path]:
    """Taggers that other nodes keep, by ORIGIN/NAME; ComfyUI alone has other nodes."""
    found: dict[str, Path] = {}
    for origin, folder in _others_folders():
        for name, path in listed(folder, TAGGER_EXTENSIONS).items():
            if is_tagger(path):
                found.setdefault(f"{origin}/{name}", path)
    return found


def _others_folders() -> Iterator[tuple[str, Path]]:
    """(origin, folder) of other nodes' taggers: in models/, in extra_model_paths.yaml, among their own files."""
    if folder_paths is None:
        return
    known = folder_paths.folder_names_and_paths.get(OTHERS_TAGGERS, ([], set()))[0]
    for folder in dict.fromkeys([str(Path(folder_paths.models_dir) / OTHERS_TAGGERS), *known]):
        yield OTHERS_TAGGERS, Path(folder)
    for place in folder_paths.folder_names_and_paths.get("custom_nodes", ([], set()))[0]:
        for folder in sorted(Path(place).glob("*/models")):
            if folder.parent.name.lower() == OTHERS_NODES:
                yield folder.parent.name, folder


def upscale_model_path(name: str) -> Path:
    """The file of a name from `upscale_model_names`. Raises SengaError that lists the searched folders."""
    return _path(name, shipped_upscale_models(), "upscale_models", "model")


def tagger_path(name: str) -> Path:
    """The file of a name from `tagger_names`. Raises SengaError that lists the searched folders."""
    others = _others_taggers() if "/" in (slashed := with_slashes(name)) else {}
    return others[slashed] if slashed in others else _path(name, shipped_taggers(), TAGGERS, "tagger")


def _path(name: str, shipped: list[str], kind: str, what: str) -> Path:
    if name in shipped:
        return WEIGHTS / name
    slashed = with_slashes(name)
    if folder_paths is not None:
        for spelling in dict.fromkeys([name, slashed]):
            found = folder_paths.get_full_path(kind, spelling)
            if found is not None:
                return Path(found)
        folders = folder_paths.get_folder_paths(kind)
    else:
        for folder in standalone.model_dirs:
            for find in (listed, with_folder):
                if path := find(folder, TAGGER_EXTENSIONS).get(slashed):
                    return path
        folders = standalone.model_dirs
    if name in RETIRED:
        raise SengaError(retired(name))
    searched = ", ".join(str(folder) for folder in [WEIGHTS, *folders])
    raise SengaError(f"{what} {quoted(name)} was not found in {searched}; put the file there or choose another {what}")


def retired(name: str) -> str:
    """What to answer for a file of RETIRED that is not there."""
    return f"model {quoted(name)} no longer comes with Senga; choose {RETIRED[name]}, which replaces it"


def output_folder() -> Path:
    """The folder in which nodes save."""
    return standalone.output_dir if folder_paths is None else Path(folder_paths.get_output_directory())


def temp_folder() -> Path | None:
    """ComfyUI's folder of previews; None without ComfyUI, where nobody looks at a node."""
    return None if folder_paths is None else Path(folder_paths.get_temp_directory())


def input_folder() -> Path:
    """The folder from which nodes load pictures."""
    return standalone.input_dir if folder_paths is None else Path(folder_paths.get_input_directory())


def metadata_allowed() -> bool:
    """Whether saved pictures may contain the workflow; ComfyUI's --disable-metadata forbids it."""
    return arguments is None or not arguments.disable_metadata


def serve(route: str, answer: Callable[[Mapping[str, str]], Any]) -> bool:
    """Let ComfyUI's server answer GET `route` with the JSON of `answer(query)`; False where there is no server.

    `answer` runs in a thread, since it may read files.
    """
    module = sys.modules.get("server")
    server = getattr(getattr(module, "PromptServer", None), "instance", None)
    if module is None or server is None:
        return False

    async def reply(request: Any) -> Any:
        found = await server.loop.run_in_executor(None, answer, dict(request.query))
        return module.web.json_response(found)

    server.routes.get(route)(reply)
    return True


def attach_patcher(model: Any) -> None:
    """Hand the model to ComfyUI's memory management, if there is one."""
    if patching is None or management is None:
        return
    # onnxruntime may be installed for the CPU alone; its networks tell their size, since they have no tensors.
    moves = getattr(model, "moves_to", None)
    if moves is not None and not moves(compute_device()):
        return
    size = getattr(model, "bytes", 0)
    # Newer versions have a patcher for models that cannot be loaded in parts.
    patcher = getattr(patching, "CoreModelPatcher", patching.ModelPatcher)
    there, away = compute_device(), management.unet_offload_device()
    model.patcher = patcher(model.model, load_device=there, offload_device=away, **({"size": size} if size else {}))


@contextmanager
def on_device(model: Any, memory: int) -> Iterator[None]:
    """Keep the model on the compute device inside the block, with `memory` bytes free for its activations.

    ComfyUI keeps a model with a patcher loaded until something else needs the memory. A model without one (a
    descriptor of the built-in loader in older versions) goes back to the CPU, also after an error. Without ComfyUI, the
    model stays on the device.
    """
    if management is None:
        model.to(compute_device())
        yield
        return
    patcher = getattr(model, "patcher", None)
    if patcher is not None:
        management.load_models_gpu([patcher], memory_required=memory, force_full_load=True)
        # It may count the model as loaded while the weights are elsewhere: the built-in upscaler moves them to the CPU
        # when it is done, and so does ours when memory runs out.
        model.to(patcher.load_device)
        yield
        return
    device = compute_device()
    size = sum(p.numel() * p.element_size() for p in model.model.parameters())
    management.free_memory(size + memory, device)
    try:
        model.to(device)
        yield
    finally:
        model.to("cpu")


def progress() -> Callable[[int, int], None] | None:
    """A function to call with (done, total) while working, if anybody listens."""
    if comfy_utils is None:
        return standalone.progress
    bar = comfy_utils.ProgressBar(100)

    def report(done: int, total: int) -> None:
        bar.update_absolute(done, total)

    return report


def watcher() -> Watcher | None:
    """Like `progress`, for tiles: inside ComfyUI it also shows the picture so far and the time left on the node."""
    if comfy_utils is None:
        return None if standalone.progress is None else Watcher(standalone.progress)
    return Watcher(comfy_utils.ProgressBar(100).update_absolute, _say)


def _say(text: str) -> None:
    """Write on the node that runs, where the server can do that and somebody looks."""
    server: Any = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
    context = getattr(sys.modules.get("comfy_execution.utils"), "get_executing_context", lambda: None)()
    send = getattr(server, "send_progress_text", None)
    if context is not None and send is not None and server.client_id is not None:
        send(text, context.node_id, sid=server.client_id)


def should_stop() -> bool:
    """Whether the user cancelled. Inside ComfyUI, this raises ComfyUI's own exception instead."""
    if management is not None:
        # In newer versions ComfyUI's ProgressBar is throttled and may miss a cancel, so ask directly.
        management.throw_exception_if_processing_interrupted()
        return False
    return standalone.should_stop is not None and standalone.should_stop()

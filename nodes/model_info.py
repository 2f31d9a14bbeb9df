"""SengaModelInfo: what the header of a weights file says, as text. `describe` is the line that the load nodes show."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from ..arch import Header, SengaError, read_header
from ..arch.purpose import one_line, page
from . import host
from .model_files import stamp

ROUTE = "/senga/model"  # ?task=upscale|tag&name=NAME, of the front end

TASKS: dict[str, tuple[Callable[[], list[str]], Callable[[str], Path]]] = {
    "upscale": (host.upscale_model_names, host.upscale_model_path),
    "tag": (host.tagger_names, host.tagger_path),
}


class SengaModelInfo:
    CATEGORY = "Senga"
    DESCRIPTION = (
        "Shows what a weights file says about itself: what it is for, its network, scale, size, the licences of its"
        " training pictures, how it was trained, and its scores. Files of other programs say less."
    )
    SEARCH_ALIASES: ClassVar = ["model licence", "which upscaler", "safetensors metadata", "model header", "provenance"]
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("info",)
    OUTPUT_TOOLTIPS = ("The text that the node shows, a line for each fact.",)
    FUNCTION = "read"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        names = list(dict.fromkeys([*host.upscale_model_names(), *host.tagger_names()]))
        return {
            "required": {"model_name": (names, {"tooltip": "An upscaler or a tagger, as the load nodes list them."})}
        }

    @classmethod
    def IS_CHANGED(cls, model_name: str) -> str:
        """Read again if the file was replaced."""
        return stamp(path_of(model_name))

    def read(self, model_name: str) -> dict[str, Any]:
        path = path_of(model_name)
        text = page(model_name, read_header(path), path.stat().st_size)
        return {"ui": {"text": [text]}, "result": (text,)}


def path_of(name: str) -> Path:
    """The file of a name among upscalers and taggers. Raises SengaError that lists the searched folders."""
    find = host.upscale_model_path if name in host.upscale_model_names() else host.tagger_path
    return find(name)


def describe(query: Mapping[str, str]) -> dict[str, Any]:
    """`{"line": ..., "default": bool}` for a task and a name of its list; `{}` for any other name.

    A file that cannot be read has the reason as its line. Only files of the lists are opened.
    """
    task, name = query.get("task", ""), query.get("name", "")
    if task not in TASKS:
        return {}
    names, find = TASKS[task]
    if name not in names():
        return {}
    try:
        path = find(name)
        stat = path.stat()
        line = one_line(_header_as_of(path, stat.st_mtime_ns, stat.st_size), stat.st_size)
    except (SengaError, OSError) as error:
        line = str(error)
    return {"line": line, "default": name == host.default_name(task)}


@lru_cache(maxsize=64)
def _header_as_of(path: Path, changed: int, size: int) -> Header:
    """Some files of other programs are read whole for it."""
    return read_header(path)

"""Loaded models, shared by all runs of a process: load nodes of workflows, `senga upscale` and calls of `main`."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from ..arch import SengaError, TaggerModel, UpscaleModel, load_model

KEPT = 2  # models; a process that uses many of them must not fill the memory

_Key = tuple[Path, int, int]
_loaded: "OrderedDict[_Key, Any]" = OrderedDict()
_lock = threading.Lock()


def shared_model(path: Path) -> Any:
    """The model of a weights file, loaded once while the file does not change. Raises what load_model raises."""
    with _lock:
        stat = path.stat() if path.is_file() else None
        key = (path.resolve(), stat.st_mtime_ns if stat else 0, stat.st_size if stat else 0)
        if key in _loaded:
            _loaded.move_to_end(key)
        else:
            model = load_model(path)
            for old in [other for other in _loaded if other[0] == key[0]]:
                del _loaded[old]  # the file was replaced
            _loaded[key] = model
            while len(_loaded) > KEPT:
                _loaded.popitem(last=False)
        return _loaded[key]


def shared_upscaler(path: Path) -> UpscaleModel:
    """The same for an upscaler. Also raises SengaError for a tagger."""
    if isinstance(model := shared_model(path), UpscaleModel):
        return model
    raise SengaError(
        f"{path.name}: is a tagger ({model.header.architecture}); choose a model that upscales, or use `senga tag`"
    )


def shared_tagger(path: Path) -> TaggerModel:
    """The same for a tagger. Also raises SengaError for an upscaler."""
    if isinstance(model := shared_model(path), TaggerModel):
        return model
    raise SengaError(
        f"{path.name}: is an upscaler ({model.header.architecture}); choose a model that tags, or use `senga upscale`"
    )

"""Loaded models, shared by all runs of a process: load nodes of workflows, `senga upscale` and calls of `main`."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from ..arch import SengaError, TaggerModel, UpscaleModel, load_model

KEPT = 2  # models; a process that uses many of them must not fill the memory

_Key = tuple[Path, int, int, int]  # file, when it changed, bytes, units
_loaded: "OrderedDict[_Key, Any]" = OrderedDict()
_lock = threading.Lock()


def shared_model(path: Path, units: int = 0) -> Any:
    """The model of a weights file, loaded once while the file does not change; with `units`, an upscaler's shorter one.

    Raises what load_model and with_units raise.
    """
    with _lock:
        stat = path.stat() if path.is_file() else None
        file = (path.resolve(), stat.st_mtime_ns if stat else 0, stat.st_size if stat else 0)
        key = (*file, units)
        if key in _loaded:
            _loaded.move_to_end(key)
        else:
            model = load_model(path)
            for old in [other for other in _loaded if other[0] == key[0] and other[:3] != file]:
                del _loaded[old]  # the file was replaced
            _loaded[key] = model.with_units(units) if isinstance(model, UpscaleModel) else model
            while len(_loaded) > KEPT:
                _loaded.popitem(last=False)
        return _loaded[key]


def shared_upscaler(path: Path, units: int = 0) -> UpscaleModel:
    """The same for an upscaler. Also raises SengaError for a tagger."""
    if isinstance(model := shared_model(path, units), UpscaleModel):
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

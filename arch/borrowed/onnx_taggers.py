"""Taggers as ONNX files, through onnxruntime: WD14's, JoyTag's, camie-tagger's, and what a config.json describes."""

import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import SengaError, file_label
from ..image import to_bhwc
from ..overflow import check_probabilities
from ..preprocessing import Preprocessing
from ..tagger import CHUNK_ELSEWHERE, TaggerModel
from ..vocabulary import TagVocabulary
from . import borrow, missing, tagger_files
from .onnx_graph import FLOAT, FLOAT16, Graph, Shape, Value, read_graph

logger = logging.getLogger("senga")

PROVIDERS = {"cuda": ("CUDAExecutionProvider", "ROCMExecutionProvider")}  # torch's device -> onnxruntime's, best first
INSTALL = missing("taggers", "onnxruntime, or onnxruntime-gpu for an NVIDIA card")
ON_CORES = ("cpu",)  # types of device whose pictures run one by one, each on a core

_sessions: "WeakValueDictionary[tuple[object, ...], Session]" = WeakValueDictionary()
_lock = threading.Lock()


class Description:
    """What a graph takes and gives, with its list of tags and its preprocessing.

    Raises:
        SengaError: the graph is not a tagger's, or its files do not say enough.
    """

    def __init__(
        self, path: Path, vocabulary: TagVocabulary | None = None, preprocessing: Preprocessing | None = None
    ) -> None:
        graph = read_graph(path)
        self.input = _picture_input(graph)
        sides = self.input.shape
        self.channels_last = sides[3] == 3
        self.batch = sides[0] if isinstance(sides[0], int) and sides[0] > 0 else None  # None: any number of pictures
        size = sides[1] if self.channels_last else sides[2]
        outputs = {value.shape[-1] for value in graph.outputs if value.kind in (FLOAT, FLOAT16) and value.shape}
        tags = tagger_files.tags_beside(path, None, vocabulary, levels=self.channels_last)
        count = len(tags.vocabulary)
        if not any(side == count or isinstance(side, str) for side in outputs):
            numbers = " or ".join(str(side) for side in sorted(outputs, key=str)) or "no"
            raise SengaError(
                f"has {numbers} outputs, the vocabulary {count} tags; expected as many: take the list of tags that the"
                " network was trained with"
            )
        self.output = _tag_output(graph, count)
        self.sigmoid = graph.ends_with_sigmoid(self.output.name)
        settings = tagger_files.settings_beside(path)
        known = size if isinstance(size, int) and size > 0 else None
        ready = tagger_files.preprocessing_of(tags.layout, settings, known, preprocessing)
        self.header = tagger_files.header("onnx", tags.layout.name or "tagger", tags, ready)


def describe(
    path: Path, vocabulary: TagVocabulary | None = None, preprocessing: Preprocessing | None = None
) -> tagger_files.BorrowedHeader:
    """The header of an ONNX tagger, without onnxruntime and without reading its weights. Raises SengaError."""
    return Description(path, vocabulary, preprocessing).header


def load(
    path: Path, vocabulary: TagVocabulary | None = None, preprocessing: Preprocessing | None = None
) -> "OnnxTagger":
    """An ONNX tagger, ready to call. Raises SengaError, also where onnxruntime is not installed."""
    found = Description(path, vocabulary, preprocessing)
    _onnxruntime()  # now, not at the first picture
    ready = found.header.preprocessing
    assert ready is not None
    logger.info(
        "%s: %s for onnxruntime, %d pixels, %s, %d tags",
        file_label(path),
        found.header.provenance.source,
        ready.size,
        ready.order,
        len(found.header.vocabulary or ()),
    )
    return OnnxTagger(path, found)


def _onnxruntime() -> Any:
    try:
        return borrow("onnxruntime")
    except ImportError as error:
        raise SengaError(f"is a tagger for onnxruntime, which cannot be imported ({error}); {INSTALL}") from error


def _picture_input(graph: Graph) -> Value:
    """The one input, (batch, side, side, 3) or (batch, 3, side, side)."""
    if len(graph.inputs) == 1:
        value = graph.inputs[0]
        if value.kind in (FLOAT, FLOAT16) and len(value.shape) == 4 and _channels(value.shape):
            return value
    found = ", ".join(f"{value.name} {list(value.shape)}" for value in graph.inputs) or "none"
    raise SengaError(
        f"is not a tagger: its inputs are {found}; expected one picture, [batch, size, size, 3] or"
        " [batch, 3, size, size], of floats"
    )


def _channels(shape: Shape) -> bool:
    for colours, sides in ((shape[3], shape[1:3]), (shape[1], shape[2:])):
        if colours == 3:
            return sides[0] == sides[1] or not all(isinstance(side, int) for side in sides)
    return False


def _tag_output(graph: Graph, tags: int) -> Value:
    """The output with one number for each tag: probabilities before logits, the last of several (the refined one)."""
    known = [value for value in graph.outputs if value.kind in (FLOAT, FLOAT16) and value.shape]
    fitting = [v for v in known if v.shape[-1] == tags] or [v for v in known if not isinstance(v.shape[-1], int)]
    finished = [value for value in fitting if graph.ends_with_sigmoid(value.name)]
    return (finished or fitting)[-1]


class Session:
    """A file in onnxruntime, on one device. The file is read once for all models of it that are alive.

    Args:
        device: torch's name of the device type.
        threads: for one picture; 0 is onnxruntime's own choice.
    """

    def __init__(self, path: Path, device: str, index: int, threads: int) -> None:
        library = _onnxruntime()
        options = library.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # its warnings are about graphs that nobody here can change
        provider = provider_for(device)
        if provider and hasattr(library, "preload_dlls"):
            library.preload_dlls()  # CUDA's libraries as torch brought them
        providers = [(provider, {"device_id": index}), "CPUExecutionProvider"] if provider else ["CPUExecutionProvider"]
        try:
            self.inner = library.InferenceSession(os.fspath(path), options, providers=providers)
        except Exception as error:
            raise SengaError(f"onnxruntime cannot read it ({' '.join(str(error).split())[:300]})") from error
        if provider and provider not in self.inner.get_providers():
            logger.warning("%s: onnxruntime's %s does not start here; it runs on the CPU", path.name, provider)

    def run(self, output: str, input: str, pictures: "np.ndarray[Any, Any]") -> Tensor:
        return torch.from_numpy(self.inner.run([output], {input: pictures})[0]).float()


def provider_for(device: str) -> str:
    """What runs on that type of device in the onnxruntime that is installed; "" where nothing does but the CPU."""
    known = PROVIDERS.get(device, ())
    if not known:
        return ""
    available = _onnxruntime().get_available_providers()
    return next((name for name in known if name in available), "")


def session(path: Path, device: torch.device, threads: int) -> Session:
    """The session of a file on a device: the one that is in use already, or a new one."""
    stat = path.stat()
    key = (path.resolve(), stat.st_mtime_ns, stat.st_size, device.type, device.index or 0, threads)
    with _lock:
        found = _sessions.get(key)
        if found is None:
            found = _sessions[key] = Session(path, device.type, device.index or 0, threads)
        return found


class SessionNet(nn.Module):
    """A session as torch's users see a network: it follows `.to(device)`, and gives its memory back when it moves.

    So ComfyUI's memory management can load and unload it as it does any other model.
    """

    place: Tensor  # empty; it is where the network is

    def __init__(self, path: Path, found: Description) -> None:
        super().__init__()
        self.register_buffer("place", torch.empty(0), persistent=False)
        self.path = path
        self.found = found
        self.held: Session | None = None
        self.held_key: tuple[torch.device, int] | None = None

    def session(self, threads: int = 0) -> Session:
        """The session where the network is now, opened when it is first needed."""
        key = (self.place.device, threads)
        if self.held is None or self.held_key != key:
            self.held = None  # before the next one is there: two of them might not fit
            self.held, self.held_key = session(self.path, self.place.device, threads), key
        return self.held

    def is_open(self, threads: int) -> bool:
        return self.held is not None and self.held_key == (self.place.device, threads)

    def _apply(self, fn: Any, recurse: bool = True) -> "SessionNet":
        before = self.place.device
        super()._apply(fn, recurse)
        if self.place.device != before:
            self.held = None
        return self

    def forward(self, x: Tensor, threads: int = 0) -> Tensor:
        """(B, 3, size, size), prepared -> what the graph gives, (B, tags), on the CPU."""
        found = self.found
        layout = to_bhwc(x) if found.channels_last else x
        pictures = layout.float().cpu().contiguous().numpy()
        if found.input.kind == FLOAT16:
            pictures = pictures.astype(np.float16)
        return self.session(threads).run(found.output.name, found.input.name, pictures)


class OnnxTagger(TaggerModel):
    """A tagger that onnxruntime runs. Of several pictures on a CPU each has a core of its own, for itself."""

    model: SessionNet

    def __init__(self, path: Path, found: Description) -> None:
        super().__init__(found.header, SessionNet(path, found))
        self.bytes = path.stat().st_size  # what it takes in memory, for ComfyUI's books
        self._alone = 0  # calls with one picture since the last with several

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32

    @property
    def device(self) -> torch.device:
        return self.model.place.device

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "OnnxTagger":
        """Go to a device if the installed onnxruntime works there, else to the CPU. Precision is the file's own."""
        if device is not None:
            there = torch.device(device)
            self.model.to(device=there if provider_for(there.type) else "cpu")
        return self

    def moves_to(self, device: torch.device) -> bool:
        """Whether the installed onnxruntime works there."""
        return bool(provider_for(device.type))

    def pictures_at_once(self) -> int:
        # More than there are cores: one that is done takes the next picture, and seldom waits for the others.
        return max(cores(), min(4 * cores(), 16)) if self.device.type in ON_CORES else CHUNK_ELSEWHERE

    @torch.no_grad()
    def predict(self, prepared: Tensor) -> Tensor:
        """(B, 3, size, size) -> probabilities (B, tags), float32, on the model's device.

        A picture's probabilities are the same whatever else is in the batch: on a CPU pictures are run one by one,
        elsewhere in passes of one size.
        """
        if self.device.type in ON_CORES:
            rows = self._on_cores(prepared)
        else:
            size = self.model.found.batch or CHUNK_ELSEWHERE
            rows = [self._filled(part, size) for part in prepared.split(size)]
        result = torch.cat(rows)
        if result.shape[1:] != (len(self.vocabulary),):
            raise SengaError(
                f"the network gives {result.shape[-1]} numbers a picture, the vocabulary {len(self.vocabulary)} tags;"
                " take the list of tags that the network was trained with"
            )
        found = result if self.model.found.sigmoid else result.sigmoid()
        return check_probabilities(found, prepared, self).to(self.device)

    def one_pass(self, prepared: Tensor, precision: str = "fp32") -> Tensor:
        return self.predict(prepared)

    def _on_cores(self, prepared: Tensor) -> list[Tensor]:
        """One thread a picture where there are several: a matrix product over two cores leaves both waiting often."""
        parts = prepared.cpu().split(1)
        size = self.model.found.batch or 1
        self._alone = self._alone + 1 if len(parts) == 1 else 0
        if self._alone or cores() == 1:
            # The last picture of many comes alone: not worth a session of its own.
            threads = 1 if self._alone == 1 and self.model.is_open(1) else 0
            return [self._filled(part, size, threads) for part in parts]
        self.model.session(1)  # once, before the threads ask for it
        with ThreadPoolExecutor(min(cores(), len(parts)), thread_name_prefix="senga-tagger") as pool:
            return list(pool.map(lambda part: self._filled(part, size, threads=1), parts))

    def _filled(self, part: Tensor, size: int, threads: int = 0) -> Tensor:
        """A pass of exactly `size` pictures, of which the first are asked for."""
        filled = torch.cat((part, part.new_zeros(size - len(part), *part.shape[1:]))) if len(part) < size else part
        return self.model(filled, threads)[: len(part)]


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)

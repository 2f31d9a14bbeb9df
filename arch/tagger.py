"""A tagger: a net, its vocabulary and its preprocessing in one callable."""

import copy
import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from .errors import SengaError
from .header import UNKNOWN, Header, Provenance, as_table
from .memory import BYTES_PER_FLOAT
from .overflow import check_probabilities
from .precision import autocast
from .preprocessing import Preprocessing, preprocess
from .registry import architecture, make_config
from .vocabulary import TagVocabulary

# Pictures in a forward pass. Larger passes gain nothing on a CPU; elsewhere, small passes leave the device idle.
CHUNK = {"cpu": 1}
CHUNK_ELSEWHERE = 16
FLOATS_PER_PIXEL = 48  # at the first expansion: 64 channels at half the size, in and out, and the libraries' workspace


class TaggerModel:
    """A net and its header, callable; the type of the SENGA_TAGGER socket.

    Args:
        header: the architecture, its hyperparameters, the vocabulary and the preprocessing.
        net: built from that header. It is set to eval mode, without gradients.

    Raises:
        SengaError: the header is not a tagger's, or the net's head does not have one output for each tag.
    """

    def __init__(self, header: Header, net: nn.Module) -> None:
        if header.row().task != "tag":
            raise SengaError(f"architecture {header.architecture!r} does not tag; load a model that does")
        header.check()
        assert header.vocabulary is not None
        assert header.preprocessing is not None
        self.header = header
        self.vocabulary: TagVocabulary = header.vocabulary
        self.preprocessing: Preprocessing = header.preprocessing
        outputs = [m.out_features for m in net.modules() if isinstance(m, nn.Linear)][-1:]
        if outputs and outputs[0] != len(self.vocabulary):
            raise SengaError(
                f"the head has {outputs[0]} outputs, the vocabulary {len(self.vocabulary)} tags; expected equal numbers"
            )
        self.model = net.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.file_sha256 = ""  # of the weights file, if loaded from one
        self.patcher: Any = None  # set by the load node for ComfyUI's memory management

    @classmethod
    def create(
        cls,
        architecture_id: str,
        vocabulary: TagVocabulary,
        preprocessing: Preprocessing,
        provenance: Provenance = UNKNOWN,
        **hyperparameters: Any,
    ) -> "TaggerModel":
        """A newly initialised model. Hyperparameters are the config's fields; `tags` follows from the vocabulary."""
        row = architecture(architecture_id, "tag")
        config = make_config(row, {"tags": len(vocabulary), **hyperparameters})
        header = Header(row.id, as_table(config), None, provenance, vocabulary=vocabulary, preprocessing=preprocessing)
        return cls(header, row.build(config))

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "TaggerModel":
        self.model.to(device=device, dtype=dtype)
        return self

    def __call__(self, image: Tensor) -> Tensor:
        """(B, 1, 3 or 4, H, W) in [0, 1], any size, -> probabilities (B, tags), float32, on the image's device.

        Each tag has its own sigmoid, ratings too. A picture's probabilities do not depend on the rest of the batch: the
        arithmetic is float32, and every pass has the same number of pictures, filled up with zeros (libraries sum in
        another order for another number).
        """
        # Prepare on the pictures' device: less to move, and not every device has the antialiased filters.
        rows = [self.predict(self.prepare(part)) for part in image.split(self.pictures_at_once())]
        return torch.cat(rows).to(image.device)

    def pictures_at_once(self) -> int:
        """How many pictures are worth preparing before each call of `predict`."""
        return pictures_at_once(self.device)

    def with_channel_order(self, order: str) -> "TaggerModel":
        """The same network, given its colours in another order ("rgb" or "bgr"): for files that say it wrongly."""
        model = copy.copy(self)
        model.preprocessing = dataclasses.replace(self.preprocessing, order=order)
        model.header = dataclasses.replace(self.header, preprocessing=model.preprocessing)
        return model

    def prepare(self, image: Tensor) -> Tensor:
        """The first half of a call: (B, C, H, W) -> the net's input (B, 3, size, size), on the image's device."""
        return preprocess(image, self.preprocessing)

    @torch.no_grad()
    def predict(self, prepared: Tensor) -> Tensor:
        """The second half: (B, 3, size, size) -> probabilities (B, tags), float32, on the model's device.

        Raises SengaError where they are NaN.
        """
        size = pictures_at_once(self.device)
        rows = []
        for part in prepared.to(self.device, self.dtype).split(size):
            filled = torch.cat((part, part.new_zeros(size - len(part), *part.shape[1:])))
            rows.append(self.one_pass(filled)[: len(part)])
        return check_probabilities(torch.cat(rows), prepared, self)

    def one_pass(self, prepared: Tensor, precision: str = "fp32") -> Tensor:
        """`predict` in one pass of all pictures, in any precision. A picture's last bits may depend on the others."""
        x = prepared.to(self.device, self.dtype).contiguous(memory_format=torch.channels_last)
        with autocast(x.device, precision):
            logits = self.model(x)
        return logits.float().sigmoid()


def pictures_at_once(device: torch.device) -> int:
    """How many pictures a forward pass takes on the device."""
    return CHUNK.get(device.type, CHUNK_ELSEWHERE)


def passes(image: Tensor, device: torch.device) -> tuple[Tensor, ...]:
    """A batch, split into parts of one forward pass each."""
    return image.split(pictures_at_once(device))


def memory_needed(model: TaggerModel, device: torch.device) -> int:
    """Bytes of activations alive at the peak of one pass, for a memory manager."""
    return pictures_at_once(device) * model.preprocessing.size**2 * FLOATS_PER_PIXEL * BYTES_PER_FLOAT

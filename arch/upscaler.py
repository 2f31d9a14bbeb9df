"""What an upscaler's weights file is: its header, and the net that the header describes. Taggers: see tagger.py."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .drrn import DRRN
from .errors import SengaError
from .image import pad_to_multiple
from .preprocessing import Preprocessing
from .registry import Architecture, architecture, make_config
from .vocabulary import TagVocabulary

FORMAT = 1
TAGGERS_OWN = ("vocabulary", "preprocessing")  # fields of a header that upscalers do not have


@dataclass(frozen=True)
class Provenance:
    """Where weights come from. Every field may be unknown (foreign files), none is ever made up."""

    source: str = ""  # other people's files: the key layout that was recognised; ours: "senga"
    commit: str = ""  # of the repository that trained them
    command: str = ""
    data_sha256: str = ""  # of the training set's manifest.csv
    licences: tuple[str, ...] = ()  # of the pictures trained on
    seed: int | None = None
    steps: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)  # name -> value on the validation set
    notes: str = ""


@dataclass(frozen=True)
class Header:
    """The one metadata key `senga` of a weights file, as sorted JSON."""

    architecture: str
    hyperparameters: dict[str, Any]
    scale: int | None  # output pixels per input pixel and side; None for taggers
    provenance: Provenance = Provenance()
    format: int = FORMAT
    vocabulary: TagVocabulary | None = None  # taggers
    preprocessing: Preprocessing | None = None  # taggers

    def to_json(self) -> str:
        raw = dataclasses.asdict(self)
        for name in TAGGERS_OWN:  # an upscaler's header has the same bytes as before there were taggers
            if raw[name] is None:
                del raw[name]
        return json.dumps(raw, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Header":
        """Raises SengaError for text that is no header, comes from a newer format or has unknown fields."""
        try:
            raw = json.loads(text)
        except json.JSONDecodeError as error:
            raise SengaError(
                f"the header is not JSON ({error}); the file was damaged or made by another tool"
            ) from error
        found = raw.get("format") if isinstance(raw, dict) else None
        if found != FORMAT:
            raise SengaError(f"the header has format {found!r}; this version reads format {FORMAT}: update Senga")
        for name, kind in (("architecture", str), ("hyperparameters", dict), ("provenance", dict)):
            if not isinstance(raw.get(name), kind):
                raise SengaError(f"the header's {name} is {raw.get(name)!r}; wanted {kind.__name__}: it was edited")
        try:
            provenance = dict(raw.pop("provenance"))
            if not isinstance(provenance.get("metrics", {}), dict):
                raise TypeError("metrics is no table")
            provenance["licences"] = tuple(provenance.get("licences", ()))
            for name, kind in zip(TAGGERS_OWN, (TagVocabulary, Preprocessing), strict=True):
                if raw.get(name) is not None:
                    raw[name] = kind(**raw[name])
            header = cls(provenance=Provenance(**provenance), **raw)
        except SengaError:
            raise
        except (TypeError, ValueError) as error:
            raise SengaError(f"the header has missing or unknown fields ({error}); update Senga") from error
        header.check()
        return header

    def check(self) -> None:
        """Raises SengaError where hyperparameters are not allowed or contradict the rest of the header."""
        config = self.config()
        if self.row().task == "upscale":
            if self.scale != config.scale:
                raise SengaError(
                    f"the header says scale {self.scale}, its hyperparameters {config.scale}; it was edited"
                )
            return
        if self.vocabulary is None or self.preprocessing is None:
            missing = "vocabulary" if self.vocabulary is None else "preprocessing"
            raise SengaError(f"the header of a tagger ({self.architecture}) has no {missing}; save it with both")
        if config.tags != len(self.vocabulary):
            raise SengaError(
                f"the head has {config.tags} outputs, the vocabulary {len(self.vocabulary)} tags;"
                " wanted as many: take the list of tags that the network was trained with"
            )

    def row(self) -> Architecture:
        return architecture(self.architecture)

    def config(self) -> Any:
        """The architecture's config dataclass. Raises SengaError for what it does not allow."""
        return make_config(self.row(), self.hyperparameters)


def as_table(config: Any) -> dict[str, Any]:
    """A config dataclass as a header's hyperparameters."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(config).items()}


class UpscaleModel:
    """A net and its header, callable, and fit for ComfyUI's UPSCALE_MODEL socket.

    Args:
        header: says which net and how wide.
        net: built from that header; it is put into eval mode, without gradients, in channels_last layout (1.35 times
            faster in float32 and 2-3 times in bfloat16 on a CPU; the values do not change).
    """

    def __init__(self, header: Header, net: nn.Module) -> None:
        if header.scale is None:
            raise SengaError(f"architecture {header.architecture!r} does not upscale; load a model that does")
        self.header = header
        self.model = net.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.scale: int = header.scale
        row, config = header.row(), header.config()
        self.input_channels: int = config.channels
        self.output_channels: int = config.channels
        self.supports_half = row.half
        self.supports_bfloat16 = row.bf16
        self.receptive_radius: int = row.radius(config)
        self.default_halo: int = row.halo(config)
        self.alignment: int = row.alignment(config)
        ours = header.provenance.source in ("", "senga")
        self.border: int = row.border(config) if ours or row.foreign_border else 0
        self.floats_per_pixel: int = row.floats(config)
        self.patcher: Any = None  # set by the load node inside ComfyUI, whose memory management asks for it

    @classmethod
    def create(
        cls, architecture_id: str, provenance: Provenance = Provenance(), **hyperparameters: Any
    ) -> "UpscaleModel":
        """A freshly initialised model. Hyperparameters are those of the architecture's config dataclass."""
        row = architecture(architecture_id, "upscale")
        config = make_config(row, hyperparameters)
        return cls(Header(row.id, as_table(config), getattr(config, "scale", None), provenance), row.build(config))

    def with_units(self, units: int) -> "UpscaleModel":
        """A model of these very tensors that recurs so many times: faster and less exact. DRRN alone has units.

        Raises:
            SengaError: the network does not recur, or was not trained to stop there.
        """
        if not isinstance(self.model, DRRN):
            raise SengaError(
                f"architecture {self.header.architecture!r} has no units; leave units out or choose a drrn"
            )
        try:
            net = self.model.shortened(units)
        except ValueError as error:
            raise SengaError(f"{self.header.architecture}: {error}") from error
        return UpscaleModel(dataclasses.replace(self.header, hyperparameters=as_table(net.config)), net)

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "UpscaleModel":
        self.model.to(device=device, dtype=dtype)
        return self

    def __call__(self, image: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1], any size from 1x1, -> (B, C, scale * H, scale * W) in [0, 1], same dtype and device.

        The edge is repeated around the image, by the border and to the alignment, and the result is cropped.
        """
        height, width = (side * self.scale for side in image.shape[-2:])
        x = pad_to_multiple(image, self.alignment, self.border)
        y = self.model(x.to(self.dtype).contiguous(memory_format=torch.channels_last))
        begin = self.border * self.scale
        return y[..., begin : begin + height, begin : begin + width].to(image.dtype).clamp(0, 1)

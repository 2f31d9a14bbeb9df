"""Settings of the tagger's training, one dataclass a section of the TOML file."""

import io
from dataclasses import dataclass, field

from PIL import Image

from ..run.optimisers import SCHEDULE_FREE
from ..run.settings import ModelSettings, OptimSettings, RunSettings, TrainingSettings, check, one_of
from .losses import LOSSES

KERNELS = {name: Image.Resampling[name.upper()] for name in ("box", "bilinear", "hamming", "bicubic", "lanczos")}
SOURCES = ("danbooru", "captions", "table")
LAYOUTS = ("original", "512px")
RATING_COUNTS = (0, 3, 4)


@dataclass(frozen=True)
class TaggerModelSettings(ModelSettings):
    architecture: str = "mobilenetv3_large"  # or mobilenetv3_small


@dataclass(frozen=True)
class DataSettings:
    source: str  # danbooru: metadata as JSON lines; captions: a .txt for each picture; table: a CSV file
    folder: str  # pictures; paths in a table are relative to it
    metadata: list[str] = field(default_factory=lambda: ["metadata/posts*.json*"])  # danbooru: patterns below folder
    layout: str = "512px"  # danbooru: 512px/0BBB/ID.jpg or original/0BBB/ID.EXT, BBB = ID mod 1000
    table: str = "manifest.csv"  # table: file below folder
    more: list[str] = field(default_factory=list)  # further folders of the kind "table", such as negatives
    encoding: str = ""  # captions: such as shift_jis; "" is UTF-8, or UTF-16 or UTF-32 with a byte order mark
    categories: str = ""  # CSV or JSON lines of name, category (0 general, 4 character); for tags that come without
    aliases: str = ""  # CSV or JSON lines of antecedent_name, consequent_name
    implications: str = ""  # the same columns: the first tag implies the second
    per_host: bool = False  # under torchrun each machine has its own part of the pictures, not the same ones
    fraction: float = 1.0  # share of the pictures, by a hash of the id: the same ones every time
    val: float = 0.01  # shares of the picture groups, by hash, where no split is given
    test: float = 0.01
    general: int = 2000  # tags that are learnt, the most frequent ones of each category
    characters: int = 2000
    ratings: int = 3  # 3: safe, questionable, explicit; 4: general, sensitive, questionable, explicit; or 0
    min_count: int = 1  # tags on fewer training pictures are left out
    exclusive: list[str] = field(default_factory=list)  # groups of tags of which one is true, names between spaces
    memory_gib: float = 2.0  # that the counting may take; beyond it, it goes on in a file
    batch: int = 64  # over all processes
    rare: float = 0.0  # tags on a smaller share of the pictures are drawn more often (repeat-factor sampling); 0 is off
    store: int = 256  # pictures are reduced to this longer side once they are decoded
    cache_gib: float = 0.0  # decoded pictures kept in memory
    workers: int = 2  # threads that decode

    def __post_init__(self) -> None:
        check(self.source in SOURCES, "data.source", self.source, ", ".join(SOURCES))
        check(self.layout in LAYOUTS, "data.layout", self.layout, " or ".join(LAYOUTS))
        check(_is_encoding(self.encoding), "data.encoding", self.encoding, "an encoding that Python knows: shift_jis")
        check(0 < self.fraction <= 1, "data.fraction", self.fraction, "more than 0, up to 1")
        shares = self.val, self.test
        check(min(shares) > 0 and sum(shares) < 1, "data.val and data.test", shares, "shares above 0, below 1 together")
        check(self.ratings in RATING_COUNTS, "data.ratings", self.ratings, "0, 3 or 4")
        sizes = self.general, self.characters
        check(min(sizes) >= 0 and sum(sizes) > 0, "data.general and data.characters", sizes, "0 or more, not both 0")
        for name in ("min_count", "batch", "store", "workers"):
            check(getattr(self, name) >= 1, f"data.{name}", getattr(self, name), "1 or more")
        check(0 <= self.rare < 1, "data.rare", self.rare, "0 or more, below 1")
        check(self.memory_gib >= 0.1, "data.memory_gib", self.memory_gib, "0.1 or more")


def _is_encoding(name: str) -> bool:
    """Whether Python reads text in it; its codecs base64, zlib and their like make bytes of bytes."""
    try:
        io.TextIOWrapper(io.BytesIO(), name or None)
    except (LookupError, ValueError):  # ValueError: a name with NUL
        return False
    return True


@dataclass(frozen=True)
class PreprocessingSettings:
    size: int = 224  # pixels a side of the square that the net sees
    mean: list[float] = field(default_factory=lambda: [0.5, 0.5, 0.5])
    std: list[float] = field(default_factory=lambda: [0.5, 0.5, 0.5])
    pad_colour: list[float] = field(default_factory=lambda: [1.0, 1.0, 1.0])
    resize: str = "bicubic"

    def __post_init__(self) -> None:
        check(self.size >= 32, "preprocessing.size", self.size, "32 or more")
        for name in ("mean", "std", "pad_colour"):
            check(len(getattr(self, name)) == 3, f"preprocessing.{name}", getattr(self, name), "three numbers")


@dataclass(frozen=True)
class AugmentSettings:
    size: int = 0  # pixels a side while training; 0 is preprocessing.size (a smaller one trains faster)
    crop: list[float] = field(default_factory=lambda: [0.6, 1.0])  # side of the window, as a share of the picture's
    stretch: float = 0.1  # largest share by which one side of the window is shortened
    filters: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KERNELS, 1.0))  # resize kernels
    flip: float = 0.5  # probability; tags with left or right in them change places, or keep the picture as it is
    rotate: float = 0.0  # largest angle, degrees
    colour: float = 0.1  # largest relative change of brightness, contrast and saturation each
    jpeg: float = 0.0  # probability of a JPEG of quality 40 to 95
    cutout: float = 0.0  # probability of a rectangle of up to a quarter of the picture in one colour
    mixup: float = 0.0  # alpha of the beta distribution; 0 is off

    def __post_init__(self) -> None:
        low, high = [*self.crop, 0.0, 0.0][:2]
        check(len(self.crop) == 2 and 0 < low <= high <= 2, "augment.crop", self.crop, "two shares, 0 < a <= b <= 2")
        known = set(self.filters) <= set(KERNELS) and sum(self.filters.values()) > 0
        check(known, "augment.filters", self.filters, f"weights for {', '.join(KERNELS)}, not all 0")
        for name in ("flip", "jpeg", "cutout", "stretch", "colour"):
            check(0 <= getattr(self, name) <= 1, f"augment.{name}", getattr(self, name), "0 to 1")
        check(self.size == 0 or self.size >= 32, "augment.size", self.size, "0, or 32 or more")
        check(self.mixup >= 0, "augment.mixup", self.mixup, "0 or more")


@dataclass(frozen=True)
class TaggerOptimSettings(OptimSettings):
    """With the loss, and defaults that fit a classifier."""

    loss: str = "bce"  # bce: summed over the tags, averaged over the batch; asl: asymmetric loss, the same sum
    warmup: int = 200
    decay: float = 1.0
    weight_decay: float = 0.05
    clip: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("optim.loss", self.loss, LOSSES)
        plain = self.optimiser != SCHEDULE_FREE
        check(plain, "optim.optimiser", self.optimiser, "adamw or muon: its average does not fit batch normalisation")
        check(self.exact_bf16 == 0, "optim.exact_bf16", self.exact_bf16, "0: taggers run in float32")


@dataclass(frozen=True)
class TaggerRunSettings(RunSettings):
    validation_pictures: int = 512  # of each split, spread evenly; the report takes all
    min_positives: int = 5  # tags on fewer pictures of a split are left out of its means and get the global threshold

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("validation_pictures", "min_positives"):
            check(getattr(self, name) > 0, f"run.{name}", getattr(self, name), "1 or more")


@dataclass(frozen=True, kw_only=True)
class TaggerSettings(TrainingSettings):
    optim: TaggerOptimSettings
    data: DataSettings
    model: TaggerModelSettings = TaggerModelSettings()
    preprocessing: PreprocessingSettings = PreprocessingSettings()
    augment: AugmentSettings = AugmentSettings()
    run: TaggerRunSettings = TaggerRunSettings()

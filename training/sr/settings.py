"""Settings of the upscalers' training, one dataclass a section of the TOML file."""

import math
from dataclasses import dataclass, field
from typing import Any

from ..datasets.procedural import KINDS, kind_names
from ..run.settings import ModelSettings, OptimSettings, RunSettings, TrainingSettings, check, one_of
from .losses.gan_losses import GAN_LOSSES

SMALLEST_PATCH = 8  # LR pixels


@dataclass(frozen=True)
class PairSettings:
    """Pictures that exist in both sizes, by the same names; folders or shards, as `data.folder`."""

    lr: str
    hr: str
    weight: float = 1.0  # in the draw among several
    align: bool = False  # HR is moved to where LR shows it, by the shift that is measured on each pair

    def __post_init__(self) -> None:
        check(self.weight >= 0, "the weight of pairs", self.weight, "0 or more")


@dataclass(frozen=True)
class DataSettings:
    folder: str = "data/art"  # with or without a manifest.csv, or shards: shards-{000..012}.tar
    shares: dict[str, float] = field(default_factory=dict)  # source -> weight in the draw; a source not named has 1
    val_share: float = 0.02  # of the pictures that no manifest assigns to train or val
    pairs: list[PairSettings] = field(default_factory=list)  # LR pictures that are there, instead of made ones
    pairs_share: float = 1.0  # of the patches that are from pairs, if there are any; at 1 folder is not needed
    per_host: bool = False  # under torchrun each machine has its own part of the pictures, not the same ones
    patch: int = 48  # side of an LR patch, pixels
    batch: int = 16  # over all processes
    shrink: list[float] = field(default_factory=lambda: [0.5, 1.0])  # HR pictures are first reduced by a factor in here
    degradation: str | dict[str, float] = "senga_clean"  # preset or recipe.json that makes LR; or weights of several
    hard_crops: float = 0.0  # share of the patches that are the hardest of hard_crops_among crops of their picture
    hard_crops_among: int = 4
    procedural: float = 0.0  # share of the patches that are procedural drawings: screentone, text, hair, patterns
    kinds: dict[str, float] = field(default_factory=dict)  # procedural kind -> weight; a kind not named has its own
    hard_pictures: float = 1.0  # how much more often than the easiest the hardest pictures of a source are drawn
    recolour: float = 0.0  # share of the patches that get other colours: most line art is black, which nets then expect
    grain: float = 0.0  # share of the patches with film grain on both sides, which nets otherwise learn to clean away
    cache_gib: float = 4.0  # decoded pictures kept in memory
    workers: int = 0  # processes that cut patches; 0 is one thread. Changes nothing in what is cut

    def __post_init__(self) -> None:
        check(self.patch >= SMALLEST_PATCH, "data.patch", self.patch, f"{SMALLEST_PATCH} or more: less shows no lines")
        held = 0 < self.pairs_share <= 1 and (not self.pairs or any(pair.weight for pair in self.pairs))
        check(held, "data.pairs_share", self.pairs_share, "more than 0, up to 1, and pairs with a weight above 0")
        check(self.batch > 0, "data.batch", self.batch, "1 or more")
        check(all(w >= 0 for w in self.shares.values()), "data.shares", self.shares, "weights of 0 or more")
        low, high = [*self.shrink, 0.0, 0.0][:2]
        check(
            len(self.shrink) == 2 and 0 < low <= high <= 1, "data.shrink", self.shrink, "two factors, 0 < a <= b <= 1"
        )
        check(_names_recipes(self.degradation), "data.degradation", self.degradation, RECIPES_EXPECTED)
        check(0 <= self.val_share < 1, "data.val_share", self.val_share, "0 or more, below 1")
        check(0 <= self.hard_crops <= 1, "data.hard_crops", self.hard_crops, "0 to 1")
        check(self.hard_crops_among > 1, "data.hard_crops_among", self.hard_crops_among, "2 or more")
        check(0 <= self.recolour <= 1, "data.recolour", self.recolour, "0 to 1")
        check(0 <= self.grain <= 1, "data.grain", self.grain, "0 to 1")
        check(0 <= self.procedural <= 1, "data.procedural", self.procedural, "0 to 1")
        check(self.hard_pictures >= 1, "data.hard_pictures", self.hard_pictures, "1 (all alike) or more")
        for kind in self.kinds:
            one_of("data.kinds", kind, kind_names())
        weights = [self.kinds.get(kind.name, kind.share) for kind in KINDS]
        held = min(weights) >= 0 and (sum(weights) > 0 or not self.procedural)
        check(held, "data.kinds", self.kinds, "weights of 0 or more, not all kinds 0")
        check(self.cache_gib >= 0, "data.cache_gib", self.cache_gib, "0 or more")
        check(self.workers >= 0, "data.workers", self.workers, "0 or more")


RECIPES_EXPECTED = "a preset, a recipe's .json, or a table of such names with weights of 0 or more, not all 0"


def _names_recipes(value: Any) -> bool:
    if not isinstance(value, dict):
        return isinstance(value, str)
    weights = list(value.values())
    numbers = all(type(w) in (int, float) and 0 <= w < math.inf for w in weights)
    return numbers and sum(weights) > 0


@dataclass(frozen=True)
class SROptimSettings(OptimSettings):
    accumulate: int = 1  # parts that a batch goes through the net in; the gradient is that of the whole batch

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.accumulate > 0, "optim.accumulate", self.accumulate, "1 (the batch at once) or more")


@dataclass(frozen=True)
class SRRunSettings(RunSettings):
    compile: bool = False  # torch.compile the network, where a compiler is there
    conditions: list[str] = field(default_factory=lambda: ["clean"])  # damage to validate under, the main one first
    validation_crops: int = 48  # as many from each domain as possible
    final_crops: int = 0  # the same for the scores of the finished weights; 0: all crops
    sheet_every: int = 2000  # steps between two contact sheets; 0: one at the end alone
    sheet_crops: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.sheet_crops > 0, "run.sheet_crops", self.sheet_crops, "1 or more")
        check(bool(self.conditions), "run.conditions", self.conditions, 'one damage or more, such as ["clean"]')
        for name in ("validation_crops", "final_crops", "sheet_every"):
            check(getattr(self, name) >= 0, f"run.{name}", getattr(self, name), "0 or more")


@dataclass(frozen=True)
class ValSettings:
    """What is validated on beside the pictures of data.folder. Changes nothing in what is learnt."""

    sets: dict[str, str] = field(default_factory=dict)  # domain -> folder of pictures that are measured on only
    folder: str = ""  # HR pictures of your own: crops of them are the domain "own", and each is upscaled whole
    pairs: list[PairSettings] = field(default_factory=list)  # LR and HR: the domain "pairs", and each is upscaled whole
    procedural: bool = False  # the drawn domains, "patterns" and "lines", too; needs the font DejaVu Sans


@dataclass(frozen=True)
class LossSettings:
    weights: dict[str, float] = field(default_factory=lambda: {"l1": 1.0})  # loss -> weight; see losses/table.py
    feature_network: str = ""  # weights file of the network whose features the loss `feature` compares
    dists_network: str = ""  # weights file of VGG16, for the loss `dists`
    dists_weights: str = ""  # file with alpha and beta for it; "": they are in dists_network

    def __post_init__(self) -> None:
        held = bool(self.weights) and all(w >= 0 for w in self.weights.values())
        check(held, "loss.weights", self.weights, "weights of 0 or more, one at least")


@dataclass(frozen=True)
class GanSettings:
    weight: float = 0.0  # of the adversarial loss; 0: no discriminator
    kind: str = "vanilla"  # vanilla or relativistic
    learning_rate: float = 1e-4  # of the discriminator
    features: int = 64  # width of the discriminator
    wavelet: bool = False  # the discriminator sees the high wavelet bands of the luma alone, as in WGSR
    sharpen: bool = False  # the other losses see the HR picture sharpened, as in Real-ESRGAN

    def __post_init__(self) -> None:
        check(self.weight >= 0, "gan.weight", self.weight, "0 (no discriminator) or more")
        one_of("gan.kind", self.kind, GAN_LOSSES)
        check(self.learning_rate > 0, "gan.learning_rate", self.learning_rate, "more than 0")
        check(self.features > 0, "gan.features", self.features, "1 or more")


@dataclass(frozen=True, kw_only=True)
class Settings(TrainingSettings):
    optim: SROptimSettings
    model: ModelSettings
    data: DataSettings = DataSettings()
    loss: LossSettings = LossSettings()
    gan: GanSettings = GanSettings()
    val: ValSettings = ValSettings()
    run: SRRunSettings = SRRunSettings()

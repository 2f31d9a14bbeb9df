"""The header of a weights file: which network it holds, how wide, and where it comes from."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from .errors import SengaError, brief, quoted
from .files.reading import parse_json
from .preprocessing import Preprocessing
from .registry import BY_ID, Architecture, architecture, make_config
from .vocabulary import TagVocabulary

FORMAT = 1
TAGGERS_OWN = ("vocabulary", "preprocessing")  # fields of a header that upscalers do not have


@dataclass(frozen=True)
class Provenance:
    """Where weights come from. In other programs' files most fields are unknown; none is ever guessed."""

    source: str = ""  # other programs' files: the recognised key layout; ours: "senga"
    commit: str = ""  # of the repository that trained them
    command: str = ""
    data_sha256: str = ""  # of the training set's manifest.csv
    licences: tuple[str, ...] = ()  # of the training pictures
    seed: int | None = None
    steps: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)  # name -> value on the validation set
    notes: str = ""


UNKNOWN = Provenance()


@dataclass(frozen=True)
class Header:
    """What a weights file says about itself: its one metadata key `senga`, as sorted JSON."""

    architecture: str
    hyperparameters: dict[str, Any]
    scale: int | None  # output pixels per input pixel and side; None for taggers
    provenance: Provenance = UNKNOWN
    format: int = FORMAT
    vocabulary: TagVocabulary | None = None  # taggers
    preprocessing: Preprocessing | None = None  # taggers

    def to_json(self) -> str:
        raw = dataclasses.asdict(self)
        if self.preprocessing is not None:
            raw["preprocessing"] = self.preprocessing.as_table()
        if self.vocabulary is not None and not self.vocabulary.exclusive:
            del raw["vocabulary"]["exclusive"]  # a tagger's header keeps the bytes from before there were groups
        for name in TAGGERS_OWN:  # an upscaler's header keeps the bytes from before there were taggers
            if raw[name] is None:
                del raw[name]
        return json.dumps(raw, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Header":
        """Raises SengaError for text that is not a header, has a newer format or unknown fields."""
        try:
            raw = parse_json(text)
        except SengaError as error:
            raise SengaError(f"the header {error}; the file was damaged or made by another tool") from error
        found = raw.get("format") if isinstance(raw, dict) else None
        if found != FORMAT:
            raise SengaError(f"the header has format {quoted(found)}; this version reads format {FORMAT}: update Senga")
        for name, kind in (("architecture", str), ("hyperparameters", dict), ("provenance", dict)):
            if not isinstance(raw.get(name), kind):
                shown = quoted(raw.get(name))
                raise SengaError(f"the header's {name} is {shown}; expected {kind.__name__}: it was edited")
        try:
            provenance = _provenance(raw.pop("provenance"))
            for name, kind in zip(TAGGERS_OWN, (TagVocabulary, Preprocessing), strict=True):
                if raw.get(name) is not None:
                    raw[name] = kind(**raw[name])
            header = cls(provenance=provenance, **raw)
        except SengaError:
            raise
        except (TypeError, ValueError, OverflowError) as error:
            raise SengaError(f"the header has missing or unknown fields ({brief(error, 120)}); update Senga") from error
        header.check()
        return header

    def check(self) -> None:
        """Raises SengaError if hyperparameters are invalid or contradict the rest of the header."""
        config = self.config()
        if self.row().task == "upscale":
            if self.scale != config.scale:
                raise SengaError(
                    f"the header says scale {quoted(self.scale)}, its hyperparameters {config.scale}; it was edited"
                )
            return
        if self.vocabulary is None or self.preprocessing is None:
            missing = "vocabulary" if self.vocabulary is None else "preprocessing"
            raise SengaError(f"the header of a tagger ({self.architecture}) has no {missing}; save it with both")
        if config.tags != len(self.vocabulary):
            raise SengaError(
                f"the head has {config.tags} outputs, the vocabulary {len(self.vocabulary)} tags;"
                " expected equal numbers: take the list of tags that the network was trained with"
            )

    @property
    def units(self) -> tuple[int, ...]:
        """The numbers of recursions that a DRRN was trained to stop after, the fewest first; () for other networks."""
        return getattr(self.config(), "supervised_units", ()) if self.architecture in BY_ID else ()

    def check_units(self, units: int) -> None:
        """Raises SengaError where the network cannot stop after that many recursions."""
        if not self.units:
            raise SengaError(
                f"units is {units}, and {self.architecture} networks have no units; leave it at 0 or choose a DRRN"
            )
        if units not in self.units:
            *others, last = map(str, self.units)
            known = f"{', '.join(others)} or {last}" if others else last
            raise SengaError(
                f"units is {units}; expected {known}, after which this network was trained to stop, or 0 for the most"
            )

    def row(self) -> Architecture:
        return architecture(self.architecture)

    def config(self) -> Any:
        """The architecture's config dataclass. Raises SengaError for invalid hyperparameters."""
        return make_config(self.row(), self.hyperparameters)


def _provenance(raw: dict[str, Any]) -> Provenance:
    if not isinstance(raw.get("metrics", {}), dict):
        raise TypeError("metrics is not a table")
    licences = raw.get("licences", [])
    if not isinstance(licences, list) or not all(isinstance(licence, str) for licence in licences):
        raise TypeError("licences is not a list of names")
    for name in ("source", "commit", "command", "data_sha256", "notes"):
        if not isinstance(raw.get(name, ""), str):
            raise TypeError(f"{name} is not text")
    return Provenance(**{**raw, "licences": tuple(licences)})


def as_table(config: Any) -> dict[str, Any]:
    """A config dataclass as hyperparameters of a header."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(config).items()}

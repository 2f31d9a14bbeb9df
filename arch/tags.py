"""From one picture's probabilities to its tags: what is chosen, and how it is written. Nothing here runs a network."""

import itertools
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .errors import SengaError
from .vocabulary import TagVocabulary

MODES = ("fixed", "mcut", "per_tag")
SORTS = ("score", "people first", "alphabetical")
NOT_TRAINED = "not trained"  # instead of an answer that the network was never taught to give
MCUT_FLOOR = {"general": 0.0, "character": 0.15}  # where nobody is known, the largest gap lies between two noises
LISTED = ("general", "character")  # categories that a threshold chooses from; of ratings there is one, the likeliest
# How many people there are: what prompts and captions begin with.
PEOPLE = (r"(\d\+?|multiple_)girls?", r"(\d\+?|multiple_)boys?", r"(\d\+?|multiple_)others?", "no_humans", "solo")
# Faces such as ^_^, o_o, >_o, (o)_(o), |_|: at most one letter or digit on each side of the underscore.
KAOMOJI = re.compile(r"(?=[^_]+_[^_]+$)[^\w]*\w?[^\w]*_[^\w]*\w?[^\w]*")


@dataclass(frozen=True)
class Options:
    """What is chosen and how it is written; the inputs of the node and the flags of the command."""

    general_threshold: float = 0.35  # 0 to 1
    character_threshold: float = 0.85  # 0 to 1
    threshold_mode: str = "fixed"  # "fixed": those two; "mcut": the largest gap; "per_tag": the model's own
    max_tags: int = 0  # so many of the likeliest; 0 is all
    include_rating: bool = False  # at the end of the tags
    exclude_tags: str = ""  # names between commas, * for anything
    only_tags: str = ""  # the same; empty is all
    replace_underscore: bool = True  # by spaces, but in faces such as ^_^
    escape_parentheses: bool = True  # \( \), since a prompt's parentheses are weights
    with_scores: bool = False  # (tag:0.85)
    sort: str = "score"
    separator: str = ", "
    prefix: str = ""
    suffix: str = ""

    def __post_init__(self) -> None:
        for name in ("general_threshold", "character_threshold"):
            if not 0 <= getattr(self, name) <= 1:  # False for NaN, too
                raise SengaError(f"{name} is {getattr(self, name)}; wanted 0 to 1")
        if self.max_tags < 0:
            raise SengaError(f"max_tags is {self.max_tags}; wanted a number of tags, or 0 for all")
        for name, known in (("threshold_mode", MODES), ("sort", SORTS)):
            if getattr(self, name) not in known:
                raise SengaError(f"{name} is {getattr(self, name)!r}; it is one of {', '.join(known)}")


@dataclass(frozen=True)
class Tagged:
    """One picture's tags."""

    tags: str  # as the options write them
    characters: str  # the characters alone, likeliest first; "not trained" where the network knows none
    rating: str  # the likeliest; "not trained" where the network was taught none
    chosen: tuple[tuple[str, float], ...]  # (name as the vocabulary has it, probability), in the order of `tags`
    scores: str  # JSON: model, thresholds, and every tag's probability by category


def choose(
    probabilities: Sequence[float], vocabulary: TagVocabulary, options: Options, *, model_sha256: str = ""
) -> Tagged:
    """Choose and write one picture's tags.

    Args:
        probabilities: one for each tag of the vocabulary, in [0, 1].
        model_sha256: of the weights file, for the scores.

    Raises:
        SengaError: there are more or fewer probabilities than tags, or the tagger has no thresholds of its own.
    """
    if len(probabilities) != len(vocabulary):
        raise SengaError(f"{len(probabilities)} probabilities for {len(vocabulary)} tags; wanted one for each")
    score = dict(zip(vocabulary.names, map(float, probabilities), strict=True))
    trained = {c: [vocabulary.names[i] for i in vocabulary.indices(c)] for c in (*LISTED, "rating")}
    trained = {c: names for c, names in trained.items() if names and c not in vocabulary.untrained}
    thresholds = {c: threshold(trained[c], score, vocabulary, options, c) for c in LISTED if c in trained}
    wanted = wish(options)
    passed = {c: [n for n in trained[c] if score[n] >= limit(n) and wanted(n)] for c, limit in thresholds.items()}
    best = sorted((n for names in passed.values() for n in names), key=lambda n: -score[n])
    kept = best[: options.max_tags or None]
    ordered = arrange(kept, options.sort, set(trained.get("character", ())))
    rating = max(trained["rating"], key=lambda n: score[n]) if "rating" in trained else NOT_TRAINED
    if options.include_rating and "rating" in trained and wanted(rating):
        ordered.append(rating)
    characters = sorted(passed.get("character", ()), key=lambda n: -score[n])
    return Tagged(
        tags=options.prefix + options.separator.join(written(n, score[n], options) for n in ordered) + options.suffix,
        characters=options.separator.join(written(n, score[n], options) for n in characters)
        if "character" in trained
        else NOT_TRAINED,
        rating=rating,
        chosen=tuple((n, score[n]) for n in ordered),
        scores=_as_json(score, trained, thresholds, options, model_sha256),
    )


def threshold(
    names: list[str], score: dict[str, float], vocabulary: TagVocabulary, options: Options, category: str
) -> Callable[[str], float]:
    """The least probability at which each of a category's tags is chosen."""
    if options.threshold_mode == "per_tag":
        if not vocabulary.thresholds:
            raise SengaError(
                "threshold_mode is per_tag, but this tagger has no thresholds of its own; use fixed or mcut"
            )
        return dict(zip(vocabulary.names, vocabulary.thresholds, strict=True)).__getitem__
    if options.threshold_mode == "mcut":
        value = max(mcut([score[n] for n in names]), MCUT_FLOOR[category])
    else:
        value = options.general_threshold if category == "general" else options.character_threshold
    return lambda name: value


def mcut(scores: Iterable[float]) -> float:
    """The middle of the largest gap between neighbours in the sorted scores: Maximum Cut Thresholding.

    Largeron, Moulin and Gery 2012, "MCut: A Thresholding Strategy for Multi-label Classification". Of fewer than two
    scores, or of equal ones, it is the highest.
    """
    ranked = sorted(scores, reverse=True)
    gaps = [high - low for high, low in itertools.pairwise(ranked)]
    if not gaps or max(gaps) <= 0:
        return ranked[0] if ranked else 0.0
    widest = gaps.index(max(gaps))
    return (ranked[widest] + ranked[widest + 1]) / 2


def normalised(name: str) -> str:
    """A tag however it is written: spaces for underscores, escaped parentheses, capitals."""
    return re.sub(r"\s+", "_", name.strip().lower().replace("\\(", "(").replace("\\)", ")"))


def listed(text: str) -> list[str]:
    """The entries of a list of tags, as they were typed."""
    return [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]


def matcher(text: str) -> Callable[[str], bool]:
    """Whether a tag is in a list such as `1girl, *_hair, cat \\(animal\\)`; * is any run of characters."""
    patterns = [normalised(part) for part in listed(text)]
    exact = {p for p in patterns if "*" not in p}
    wild = [re.compile(".*".join(map(re.escape, p.split("*")))) for p in patterns if "*" in p]
    return lambda name: (n := normalised(name)) in exact or any(pattern.fullmatch(n) for pattern in wild)


def wish(options: Options) -> Callable[[str], bool]:
    """Whether the lists of the options leave a tag in."""
    only, excluded = matcher(options.only_tags), matcher(options.exclude_tags)
    everything = not options.only_tags.strip(" ,\n")
    return lambda name: (everything or only(name)) and not excluded(name)


def warnings(options: Options, vocabulary: TagVocabulary) -> list[str]:
    """What the options want of a tagger that it does not know, a sentence each: no errors, but no answers either."""
    unknown = [part for part in listed(options.only_tags) if not any(map(matcher(part), vocabulary.names))]
    found = [f"only_tags: this tagger knows no tag that matches {', '.join(unknown)}"] if unknown else []
    if options.include_rating and (not vocabulary.indices("rating") or "rating" in vocabulary.untrained):
        found.append("include_rating: this tagger was not taught ratings; none is added")
    return found


def arrange(names: list[str], order: str, characters: set[str]) -> list[str]:
    """Names, which come likeliest first, in another order."""
    if order == "alphabetical":
        return sorted(names, key=str.lower)
    if order == "people first":
        return sorted(names, key=lambda n: _place(n, characters))  # stable: likeliest first within each place
    return list(names)


def _place(name: str, characters: set[str]) -> int:
    people = next((i for i, pattern in enumerate(PEOPLE) if re.fullmatch(pattern, name)), None)
    return people if people is not None else len(PEOPLE) + (name not in characters)


def written(name: str, score: float, options: Options) -> str:
    """One tag as a prompt or a caption has it."""
    if options.replace_underscore and not KAOMOJI.fullmatch(name):
        name = name.replace("_", " ")
    if options.escape_parentheses:
        name = name.replace("(", "\\(").replace(")", "\\)")
    return f"({name}:{score:.2f})" if options.with_scores else name


def _as_json(
    score: dict[str, float],
    trained: dict[str, list[str]],
    thresholds: dict[str, Callable[[str], float]],
    options: Options,
    model_sha256: str,
) -> str:
    def ranked(category: str) -> object:
        if category not in trained:
            return NOT_TRAINED
        return {n: round(score[n], 4) for n in sorted(trained[category], key=lambda n: -score[n])}

    own = options.threshold_mode == "per_tag"
    used = {c: "per tag" if own else round(limit(trained[c][0]), 4) for c, limit in thresholds.items()}
    report = {
        "model_sha256": model_sha256,
        "threshold_mode": options.threshold_mode,
        "thresholds": used,
        **{category: ranked(category) for category in ("rating", *LISTED)},
    }
    return json.dumps(report, ensure_ascii=False)

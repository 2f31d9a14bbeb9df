"""From a picture's probabilities to its tags: which are chosen, and how they are written. Runs no network."""

import itertools
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from .errors import SengaError
from .exclusive import without_losers
from .vocabulary import TagVocabulary

MODES = ("fixed", "mcut", "per_tag")
SORTS = ("score", "people first", "alphabetical")
NOT_TRAINED = "not trained"  # in place of an answer that the network was never trained to give
MCUT_FLOOR = {"general": 0.0, "character": 0.15}  # without a known character the largest gap is noise
LISTED = ("general", "character")  # categories with a threshold; the rating is the likeliest one
# Numbers of people: prompts and captions begin with them.
PEOPLE = (r"(\d\+?|multiple_)girls?", r"(\d\+?|multiple_)boys?", r"(\d\+?|multiple_)others?", "no_humans", "solo")
# Faces such as ^_^, o_o, >_o, (o)_(o), |_|: at most one letter or digit on each side of the underscore.
KAOMOJI = re.compile(r"(?=[^_]+_[^_]+$)[^\w]*\w?[^\w]*_[^\w]*\w?[^\w]*")


@dataclass(frozen=True)
class Options:
    """Which tags are chosen and how they are written: the inputs of the node and the flags of the command."""

    general_threshold: float = 0.35  # 0 to 1
    character_threshold: float = 0.85  # 0 to 1
    threshold_mode: str = "fixed"  # "fixed": the two above; "mcut": the largest gap; "per_tag": the model's own
    max_tags: int = 0  # only the likeliest; 0 is all
    include_rating: bool = False  # appended to the tags
    exclude_tags: str = ""  # names separated by commas; * matches any text
    only_tags: str = ""  # likewise; empty is all
    replace_underscore: bool = True  # by spaces, except in faces such as ^_^
    escape_parentheses: bool = True  # as \( \): in a prompt, bare parentheses are weights
    with_scores: bool = False  # (tag:0.85)
    sort: str = "score"
    separator: str = ", "
    prefix: str = ""
    suffix: str = ""

    def __post_init__(self) -> None:
        for name in ("general_threshold", "character_threshold"):
            if not 0 <= getattr(self, name) <= 1:  # also False for NaN
                raise SengaError(f"{name} is {getattr(self, name)}; expected 0 to 1")
        if self.max_tags < 0:
            raise SengaError(f"max_tags is {self.max_tags}; expected a number of tags, or 0 for all")
        for name, known in (("threshold_mode", MODES), ("sort", SORTS)):
            if getattr(self, name) not in known:
                raise SengaError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(known)}")


@dataclass(frozen=True)
class Tagged:
    """One picture's tags."""

    tags: str  # written as the options say
    characters: str  # only the characters, likeliest first; "not trained" if the network knows none
    rating: str  # the likeliest; "not trained" if the network was trained on none
    chosen: tuple[tuple[str, float], ...]  # (name in the vocabulary, probability), in the order of `tags`
    report: Callable[[], str] = field(compare=False, repr=False)

    @property
    def scores(self) -> str:
        """JSON: model, thresholds, and every tag's probability by category. Made when asked for: captions need none."""
        return self.report()


def choose(
    probabilities: Sequence[float], vocabulary: TagVocabulary, options: Options, *, model_sha256: str = ""
) -> Tagged:
    """Choose and write the tags of one picture.

    Args:
        probabilities: one for each tag of the vocabulary, in [0, 1].
        model_sha256: of the weights file, for the scores.

    Raises:
        SengaError: the numbers of probabilities and tags differ, or `per_tag` is chosen without such thresholds.
    """
    if len(probabilities) != len(vocabulary):
        raise SengaError(f"{len(probabilities)} probabilities for {len(vocabulary)} tags; expected one for each")
    score = dict(zip(vocabulary.names, map(float, probabilities), strict=True))
    trained = vocabulary.trained
    thresholds = {c: threshold(trained[c], score, vocabulary, options, c) for c in LISTED if c in trained}
    allowed = tag_filter(options)
    passed = [n for c, limit in thresholds.items() for n in trained[c] if score[n] >= limit(n)]
    likeliest = without_losers(sorted(passed, key=lambda n: -score[n]), vocabulary.groups)
    best = [n for n in likeliest if allowed(n)]
    known = set(trained.get("character", ()))
    ordered = arrange(best[: options.max_tags or None], options.sort, known)
    rating = max(trained["rating"], key=lambda n: score[n]) if "rating" in trained else NOT_TRAINED
    if options.include_rating and "rating" in trained and allowed(rating):
        ordered.append(rating)
    characters = [n for n in best if n in known]
    return Tagged(
        tags=options.prefix + options.separator.join(written(n, score[n], options) for n in ordered) + options.suffix,
        characters=options.separator.join(written(n, score[n], options) for n in characters)
        if "character" in trained
        else NOT_TRAINED,
        rating=rating,
        chosen=tuple((n, score[n]) for n in ordered),
        report=partial(_as_json, score, trained, thresholds, options, model_sha256),
    )


def threshold(
    names: list[str], score: dict[str, float], vocabulary: TagVocabulary, options: Options, category: str
) -> Callable[[str], float]:
    """A function: tag -> the least probability at which it is chosen."""
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
    """The middle of the largest gap between neighbouring sorted scores: Maximum Cut Thresholding.

    Largeron, Moulin and Gery 2012, "MCut: A Thresholding Strategy for Multi-label Classification". For fewer than
    two scores, or equal ones, it is the highest.
    """
    ranked = sorted(scores, reverse=True)
    gaps = [high - low for high, low in itertools.pairwise(ranked)]
    if not gaps or max(gaps) <= 0:
        return ranked[0] if ranked else 0.0
    widest = gaps.index(max(gaps))
    return (ranked[widest] + ranked[widest + 1]) / 2


def normalised(name: str) -> str:
    """A tag's name with spaces, escaped parentheses and capitals undone."""
    return re.sub(r"\s+", "_", name.strip().lower().replace("\\(", "(").replace("\\)", ")"))


def listed(text: str) -> list[str]:
    """The entries of a list of tags, as typed."""
    return [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]


def matcher(text: str) -> Callable[[str], bool]:
    """A function: is a tag in a list such as `1girl, *_hair, cat \\(animal\\)`? * matches any run of characters."""
    patterns = [normalised(part) for part in listed(text)]
    exact = {p for p in patterns if "*" not in p}
    wild = [re.compile(".*".join(map(re.escape, p.split("*")))) for p in patterns if "*" in p]
    return lambda name: (n := normalised(name)) in exact or any(pattern.fullmatch(n) for pattern in wild)


def tag_filter(options: Options) -> Callable[[str], bool]:
    """A function: do `only_tags` and `exclude_tags` let a tag through?"""
    only, excluded = matcher(options.only_tags), matcher(options.exclude_tags)
    everything = not options.only_tags.strip(" ,\n")
    return lambda name: (everything or only(name)) and not excluded(name)


def warnings(options: Options, vocabulary: TagVocabulary) -> list[str]:
    """What the options ask for that this tagger does not know, a sentence each: not an error, but without effect."""
    unknown = [part for part in listed(options.only_tags) if not any(map(matcher(part), vocabulary.names))]
    found = [f"only_tags: this tagger knows no tag that matches {', '.join(unknown)}"] if unknown else []
    if options.include_rating and "rating" not in vocabulary.trained:
        found.append("include_rating: this tagger was not trained on ratings; none is added")
    return found


def arrange(names: list[str], order: str, characters: set[str]) -> list[str]:
    """Sort names that come likeliest first."""
    if order == "alphabetical":
        return sorted(names, key=str.lower)
    if order == "people first":
        return sorted(names, key=lambda n: _place(n, characters))  # stable: likeliest first within each place
    return list(names)


def _place(name: str, characters: set[str]) -> int:
    people = next((i for i, pattern in enumerate(PEOPLE) if re.fullmatch(pattern, name)), None)
    return people if people is not None else len(PEOPLE) + (name not in characters)


def written(name: str, score: float, options: Options) -> str:
    """A tag as written in a prompt or a caption."""
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

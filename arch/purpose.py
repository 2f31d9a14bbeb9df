"""What a weights file is for, in one line, from its header alone: the load nodes, `senga models` and SengaModelInfo.

No file name is known here: a file that somebody trains with our trainer, or renames, is described as well.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import printable
from .header import Header

UNKNOWN = "what it is for is not recorded in the file"
# dB of PSNR_Y that JPEG of quality 75 may cost a network that is called one for JPEG pictures; one that never saw JPEG
# loses six.
JPEG_LOSS = 3.0
# dB of PSNR_Y on enlarged dither and screentone patterns; networks that blur them have less than 30.
KEEPS_PATTERNS = 40.0
CRISP = re.compile(r"(?:^|[_\W])gan(?:[_\W]|$)")  # of the settings' name in the command: trained against a critic
# One of these tags is there in every vocabulary that was taught people.
SEXES = ("1girl", "1boy")


@dataclass(frozen=True)
class Purpose:
    """Two short texts about a weights file."""

    what: str  # "clean drawings; keeps dither and screentone"
    limits: str = ""  # what it has never seen: "no ratings", ...; empty where nothing is known


def purpose(header: Header) -> Purpose:
    """What the file of this header is for. Never raises: a header of another program's file gives UNKNOWN."""
    if header.scale is None:
        return _of_tagger(header)
    metrics, gan = _numbers(header.provenance.metrics), bool(CRISP.search(str(header.provenance.command)))
    damaged = "q75" in str(header.provenance.notes)  # the leading metric is then that of JPEG pictures
    clean = metrics.get("psnr_y_clean" if damaged else "psnr_y")
    jpeg = metrics.get("psnr_y" if damaged else "psnr_y_q75")
    if header.provenance.source != "senga" or clean is None:
        return Purpose(UNKNOWN if not gan else "crisp lines")
    parts: list[str] = []
    if header.scale == 1:
        parts.append("same size, cleans JPEG damage" if damaged else "same size")
    elif gan:
        parts.append("crisp lines, less true to the original")
    elif jpeg is not None and clean - jpeg <= JPEG_LOSS:
        parts.append("JPEG pictures and clean drawings")
    elif "psnr_y_q50" in metrics:
        parts.append("clean drawings and light JPEG damage")
    else:
        parts.append("clean drawings")
    if metrics.get("psnr_y_patterns", 0.0) >= KEEPS_PATTERNS:
        parts.append("keeps dither and screentone")
    if len(header.units) > 1:
        *faster, best = map(str, header.units)
        parts.append(f"units {', '.join(faster)} (faster) or {best}")
    return Purpose("; ".join(parts))


def _numbers(table: Mapping[str, Any]) -> dict[str, float]:
    """A stranger's header may hold anything there."""
    numbers = {key: value for key, value in table.items() if type(value) in (int, float)}
    return {key: float(value) for key, value in numbers.items() if abs(value) < 1e300}  # NaN is not


def _of_tagger(header: Header) -> Purpose:
    vocabulary = header.vocabulary
    if vocabulary is None:
        return Purpose("tags pictures")
    what = f"{len(vocabulary.indices('general')):,} general tags, {len(vocabulary.indices('character')):,} characters"
    never = unseen(header)
    return Purpose(what, f"has never seen {_listed(never)}" if never else "")


def unseen(header: Header) -> list[str]:
    """What a tagger has never seen, as its header tells: "Danbooru's pictures", "ratings", ...; [] for no tagger."""
    vocabulary = header.vocabulary
    if vocabulary is None:
        return []
    never: list[str] = []
    if header.provenance.source == "senga" and header.provenance.licences:
        never.append("Danbooru's pictures")  # every training picture has a recorded licence, which those have not
    trained = {name for name, kind in zip(vocabulary.names, vocabulary.categories, strict=True) if kind == "general"}
    if not trained.intersection(SEXES):
        never.append("girls and boys as such (it says 1other)" if "1other" in trained else "girls and boys as such")
    return never + [f"{'ratings' if kind == 'rating' else f'{kind} tags'}" for kind in vocabulary.untrained]


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _one_line(text: object) -> str:
    return printable(" ".join(str(text).split()))


def short_licence(header: Header) -> str:
    """`CC0-1.0, MIT`: the licences of the training pictures, each once, or "unknown"."""
    names = dict.fromkeys(part for text in header.provenance.licences for part in re.split(r" AND | OR ", str(text)))
    return _one_line(", ".join(sorted(names))) or "unknown"


def one_line(header: Header, size: int | None = None) -> str:
    """`x2, 1.2 MB: clean drawings. Pictures: CC0-1.0`: what the load nodes show. `size` is the file's, in bytes."""
    about = purpose(header)
    facts = [*([f"x{header.scale}"] if header.scale else []), *([f"{size / 1e6:.1f} MB"] if size else [])]
    limits = f"; {about.limits}" if about.limits else ""
    lead = f"{', '.join(facts)}: " if facts else ""
    return f"{lead}{about.what}{limits}. Training pictures: {short_licence(header)}"


def page(name: str, header: Header, size: int | None = None) -> str:
    """All that a header says, a line for each: what SengaModelInfo puts out. Empty fields are left out."""
    about, provenance = purpose(header), header.provenance
    lines = {
        "file": name,
        "for": about.what,
        "limits": about.limits,
        "network": header.architecture,
        "scale": f"x{header.scale}" if header.scale else "",
        "size": f"{size / 1e6:.1f} MB" if size else "",
        "hyperparameters": ", ".join(f"{key} {value}" for key, value in sorted(header.hyperparameters.items())),
        "source": provenance.source,
        "licences of the training pictures": short_licence(header),
        "training set": f"sha256 {provenance.data_sha256}" if provenance.data_sha256 else "",
        "command": provenance.command,
        "code": f"commit {provenance.commit}" if provenance.commit else "",
        "seed": "" if provenance.seed is None else str(provenance.seed),
        "steps": "" if provenance.steps is None else str(provenance.steps),
        "scores": ", ".join(f"{key} {value:g}" for key, value in sorted(_numbers(provenance.metrics).items())),
        "notes": provenance.notes,
    }
    if header.vocabulary is not None:
        counts = {kind: len(header.vocabulary.indices(kind)) for kind in dict.fromkeys(header.vocabulary.categories)}
        lines["tags"] = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    return "\n".join(f"{key}: {_one_line(value)}" for key, value in lines.items() if value)

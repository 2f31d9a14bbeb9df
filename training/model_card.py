"""weights/README.md, and the table in the README, made from the headers of the weights files.

python -m senga.training.model_card
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from ..arch import Header, read_header
from ..arch.purpose import purpose

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
README = WEIGHTS.parent / "README.md"
BEGIN, END = "<!-- made by python -m senga.training.model_card -->", "<!-- end -->"

# Upscaler -> what to choose it for. Of a tagger its header says it, as in `senga models`.
PURPOSES = {
    "senga_compact_x2": "**the default**: clean pictures and JPEG damage; keeps dither, screentone and text",
    "senga_compact_x1": "the same size: removes JPEG damage; keeps dither, screentone and text",
    "senga_drrn_x2": "quicker than the default and a sixth of its size; a little less exact, weaker on fine patterns",
    "senga_dcscn_12_x2": "clean pictures; the most exact of ours on them",
    "senga_espcn_7_x2": "clean pictures",
    "senga_rrdb_6b_x2": "JPEG damage of ordinary drawings, better than the default; slower; spoils stripes and dither",
    "senga_rrdb_6b_x4": "clean pictures and JPEG damage, four times as large; darkens fine patterns",
    "senga_rrdb_6b_x4_gan": "the same with crisper lines, less true to the original",
}

INTRO = """\
# Weights that come with Senga

Made by `python -m senga.training.model_card` from the headers of the files; a test fails when it is stale.
Each file was trained by `senga train` on pictures whose licence is recorded one by one in the manifest that
`senga data build-art` writes, and for taggers `build-avatars`, `build-negatives` and `build-people`. None has seen
Danbooru or any picture without a known licence.

## Upscalers

PSNR_Y in dB on validation crops whose pictures (and the characters and most of the artists in them) were never trained
on: of clean LR pictures, and of LR pictures saved as JPEG of quality 75 and 50 first. "Mean of" says what counts alike:
each crop (four fifths of them vector art), or each domain (anime, painted, lines, patterns, vector, avatars), which is
harder: compare files of one kind only. Files whose metrics lack a condition were not trained for it. docs/quality.md
measures all files, and other programs, on the same pictures.
"""

TAGGER_INTRO = """
## Taggers

Trained on avatars drawn from attributes chosen beforehand: every label is true, and nothing is known of what avatars do
not have. Of people in other styles, and of pictures without people, only the number of people and the colour was
taught; no sex and no rating was, and the characters are original ones.
mAP and F1 (macro, each tag's own threshold fitted on the validation pictures) on held-out pictures of what was trained
on, and on styles of avatars never trained on.
"""


def number(metrics: Mapping[str, float], *names: str, digits: int = 2) -> str:
    """The first of the names that the metrics have."""
    return next((f"{metrics[name]:.{digits}f}" for name in names if name in metrics), "")


def upscaler_row(path: Path, header: Header) -> list[str]:
    metrics = header.provenance.metrics
    # The leading condition has plain names; the notes say which it is.
    damaged = "q75" in header.provenance.notes
    return [
        f"`{path.name}`",
        header.architecture,
        f"x{header.scale}",
        f"{path.stat().st_size / 1e6:.1f} MB",
        number(metrics, *(("psnr_y_clean",) if damaged else ("psnr_y",))),
        number(metrics, *(("psnr_y",) if damaged else ("psnr_y_q75",))),
        number(metrics, "psnr_y_q50"),
        number(metrics, "psnr_y_lanczos") + (" (the JPEG itself)" if header.scale == 1 and damaged else ""),
        number(metrics, "psnr_bf16", digits=1),
        "domains" if "domains" in header.provenance.notes else "crops",
    ]


def tagger_row(path: Path, header: Header) -> list[str]:
    metrics, vocabulary = header.provenance.metrics, header.vocabulary
    assert vocabulary is not None
    counts = {name: vocabulary.categories.count(name) for name in dict.fromkeys(vocabulary.categories)}
    return [
        f"`{path.name}`",
        header.architecture,
        f"{path.stat().st_size / 1e6:.1f} MB",
        ", ".join(f"{count:,} {name}" for name, count in counts.items()),
        ", ".join(vocabulary.untrained) or "nothing",
        number(metrics, "map_test", digits=3),
        number(metrics, "macro_f1_test", digits=3),
        number(metrics, "map_unseen", digits=3),
        number(metrics, "macro_f1_unseen", digits=3),
    ]


UPSCALERS = ["file", "network", "scale", "size", "clean", "q75", "q50", "Lanczos", "bf16 against fp32", "mean of"]
TAGGERS = ["file", "network", "size", "tags", "never taught", "mAP", "F1", "mAP, new styles", "F1, new styles"]


def details(path: Path, header: Header) -> str:
    provenance = header.provenance
    lines = [
        f"## {path.name}",
        "",
        f"- command: `{provenance.command}` (seed {provenance.seed}, {provenance.steps:,} steps)",
        f"- code: commit `{provenance.commit[:12]}`",
        f"- training set: manifest sha256 `{provenance.data_sha256}`",
        f"- licences of the pictures: {', '.join(provenance.licences)}",
        f"- hyperparameters: {', '.join(f'{k} {v}' for k, v in sorted(header.hyperparameters.items()))}",
        f"- {provenance.notes}",
        f"- scores: {', '.join(f'{k} {v:g}' for k, v in sorted(provenance.metrics.items()))}",
        f"- curve: {path.stem}.curve.csv",
    ]
    return "\n".join(lines)


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows])


def tables(found: Mapping[Path, Header], between: str) -> str:
    """The upscalers' table, and the taggers' below `between` if there are any."""
    upscalers = {path: header for path, header in found.items() if header.vocabulary is None}
    taggers = {path: header for path, header in found.items() if header.vocabulary is not None}
    text = table(UPSCALERS, [upscaler_row(*item) for item in upscalers.items()])
    if taggers:
        text += f"\n{between}\n" + table(TAGGERS, [tagger_row(*item) for item in taggers.items()])
    return text


def headers(folder: Path) -> dict[Path, Header]:
    return {path: read_header(path) for path in sorted(folder.glob("*.safetensors"))}


def render(folder: Path) -> str:
    """The page for the weights files of a folder."""
    found = headers(folder)
    parts = [INTRO, tables(found, TAGGER_INTRO), ""]
    parts += [details(path, header) + "\n" for path, header in found.items()]
    return "\n".join(parts)


def short_row(path: Path, header: Header) -> list[str]:
    """What a file is for, and how large it is."""
    scale = f"x{header.scale}" if header.scale else ""
    about = purpose(header)
    use = PURPOSES[path.stem] if header.vocabulary is None else f"{about.what}; {about.limits}"
    return [f"`{path.stem}`", use, header.architecture, scale, f"{path.stat().st_size / 1e6:.1f} MB"]


def with_table(readme: str, folder: Path) -> str:
    """A README with a short table of a folder's weights files between its two markers."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = [short_row(path, header) for path, header in headers(folder).items()]
    return f"{before}{BEGIN}\n\n{table(['file', 'for', 'network', 'scale', 'size'], rows)}\n\n{END}{after}"


if __name__ == "__main__":
    page = render(WEIGHTS)
    sys.stdout.write(page)
    if README.is_file():  # in the repository; an installed package has the weights alone
        (WEIGHTS / "README.md").write_text(page, encoding="utf-8")
        README.write_text(with_table(README.read_text(encoding="utf-8"), WEIGHTS), encoding="utf-8")

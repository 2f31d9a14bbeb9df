"""weights/README.md, and the table in the README, made from the headers of the weights files.

python -m senga.training.model_card
"""

import sys
from pathlib import Path

from ..arch import Header, read_header

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
README = WEIGHTS.parent / "README.md"
BEGIN, END = "<!-- made by python -m senga.training.model_card -->", "<!-- end -->"

INTRO = """\
# Weights that come with Senga

Made by `python -m senga.training.model_card` from the headers of the files; a test fails when it is stale.
Each file was trained by `senga train sr` on pictures whose licence is recorded one by one in the manifest that
`python -m senga.training.build_dataset` writes. None has seen Danbooru or any picture without a known licence.
PSNR_Y is the mean over the validation crops, whose pictures (and the characters and most of the artists in them) were
never trained on.
"""


def row(path: Path, header: Header) -> list[str]:
    metrics = header.provenance.metrics
    return [
        f"`{path.name}`",
        header.architecture,
        f"x{header.scale}",
        f"{path.stat().st_size / 1e6:.1f} MB",
        f"{metrics['psnr_y']:.2f} dB",
        f"{metrics['psnr_y_lanczos']:.2f} dB",
        f"{metrics['psnr_y_bicubic']:.2f} dB",
    ]


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
        f"- curve: {path.stem}.curve.csv",
    ]
    return "\n".join(lines)


def table(rows: list[list[str]]) -> str:
    head = ["file", "network", "scale", "size", "PSNR_Y", "Lanczos", "bicubic"]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows])


def headers(folder: Path) -> dict[Path, Header]:
    return {path: read_header(path) for path in sorted(folder.glob("*.safetensors"))}


def render(folder: Path) -> str:
    """The page for the weights files of a folder."""
    found = headers(folder)
    parts = [INTRO, table([row(path, header) for path, header in found.items()]), ""]
    parts += [details(path, header) + "\n" for path, header in found.items()]
    return "\n".join(parts)


def with_table(readme: str, folder: Path) -> str:
    """A README with the table of a folder's weights files between its two markers."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = [row(path, header) for path, header in headers(folder).items()]
    return f"{before}{BEGIN}\n\n{table(rows)}\n\n{END}{after}"


if __name__ == "__main__":
    page = render(WEIGHTS)
    sys.stdout.write(page)
    if README.is_file():  # in the repository; an installed package has the weights alone
        (WEIGHTS / "README.md").write_text(page, encoding="utf-8")
        README.write_text(with_table(README.read_text(encoding="utf-8"), WEIGHTS), encoding="utf-8")

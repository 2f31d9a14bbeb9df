"""docs/performance.md and its chart, from the rows of one run of speed.py."""

import platform
import textwrap
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from senga.arch.files.atomic import replacing

from .speed_pictures import BY_NAME

if TYPE_CHECKING:
    from .speed import Row

HEAD = (
    "| | s / output MP | against Senga | of the peak | first picture, s | memory, MB | dB | worst level | saved |",
    "|---|---|---|---|---|---|---|---|---|",
)
LIBRARIES = ("torch", "openvino", "onnxruntime", "ncnn", "spandrel")
INTRODUCTION = """# Speed, measured

```sh
pip install -c constraints.txt -e ".[fast,export,models,bench]"
python -m benchmarks.speed --write-docs
```

All peers run in one run, in processes of their own, one after another in each round, with the same weights, picture
and threads; the median of the rounds counts. All pictures are drawn by the benchmark: a dense painting without a flat
place, a page of line art, a sprite on transparency (the peers run its colours alone, Senga alpha too), and frames with
a still ground (the peers run each by itself). *Senga* is what a user gets: ncnn, OpenVINO, prepared torch, or for small
pictures plain torch. *Senga, ncnn*, *Senga, OpenVINO* and *Senga, torch* always use that one, *no engine* is the
network as it is (`SENGA_ENGINE=plain`). *ComfyUI's node* is the code of `ImageUpscaleWithModel` with spandrel.
*onnxruntime* and *OpenVINO* run the file that `senga export` writes, over the whole picture. *ncnn* runs a network of
the same form with other weights, so its picture is not compared.

Below 1 in `against Senga` is faster than Senga. `of the peak` is the share of what the processor reaches in a matrix
product. The first picture includes imports and preparation. Memory is the most that the process took beyond what it had
with the network loaded. dB and the worst level (of 255) are of the visible colours, against Senga's float32. `saved` is
the share of the pixels that Senga did not have to compute.

## What runs a network

On a CPU Senga's own upscalers run by ncnn in float32 (Winograd's convolutions) and by OpenVINO in bfloat16, where they
are installed (`pip install ncnn openvino`, the extra `fast`), else by torch with packed weights and fused activations;
on other devices, and for networks of other programs, by torch as it is. RRDB runs by OpenVINO in float32 too: the
memory that its dense blocks take in ncnn leaves small tiles, whose context takes what ncnn gains. A prepared network is
compared with the plain one before it is used (1e-4 in float32), and the next engine takes over, with a line in the log,
where anything goes wrong. Small pictures run by torch: preparing would take longer than it saves. `senga models` and
the log name the engine and the precision. The environment variable `SENGA_ENGINE` chooses: `auto`, `ncnn`, `openvino`,
`torch` (prepared) or `plain`. Nothing is sent over the network: OpenVINO is loaded without its telemetry.

Tiles that were computed before are copied: flat parts of pages, repeated parts, still parts of a batch of frames; tiles
that are transparent throughout are enlarged without the network. No visible bit of the result changes, and the log has
the share that was saved.

## This run
"""


BF16 = {
    True: "This processor multiplies bf16 numbers, so `auto` computes in bf16.",
    False: (
        "This processor does not multiply bf16 numbers; emulated, they are some twenty times as slow. So Senga's `auto`"
        " is float32 here, every row is of float32, and those of bf16 are left out."
    ),
}


def tables(rows: list["Row"]) -> str:
    lines: list[str] = []
    for case in dict.fromkeys((row.model, row.picture, row.side) for row in rows):
        chosen = [row for row in rows if (row.model, row.picture, row.side) == case]
        model, picture, side = case
        ours = next((row.result.median for row in chosen if row.peer == "Senga"), chosen[0].result.median)
        lines += [f"### {model}, {BY_NAME[picture].title}, {side} x {side}", "", *HEAD]
        lines += [_line(row, ours) for row in sorted(chosen, key=lambda row: row.cost)]
        lines.append("")
    return "\n".join(lines)


def _line(row: "Row", ours: float) -> str:
    result = row.result
    cells = (
        f"{row.cost:.3f}",
        f"{result.median / ours:.2f}",
        f"{row.share:.0%}",
        f"{result.first:.2f}",
        f"{result.memory:.0f}",
        "" if result.psnr is None else f"{min(result.psnr, 150):.0f}",
        "" if result.worst is None else f"{result.worst:.2g}",
        f"{result.saved:.0%}" if result.saved else "",
    )
    return f"| {row.peer} | {' | '.join(cells)} |"


def write(folder: Path, rows: list["Row"], threads: int, *, bf16: bool) -> None:
    """performance.md and performance.png in a folder. bf16: whether the processor multiplies such numbers."""
    counts = sorted({len(row.result.seconds) for row in rows})
    rounds = f"{counts[0]} to {counts[-1]} rounds" if len(counts) > 1 else f"{counts[0]} round{'s' * (counts[0] > 1)}"
    machine = f"{processor()}, {threads} threads; {', '.join(filter(None, map(_version, LIBRARIES)))}"
    run = textwrap.fill(f"{machine}; {rounds}, fewer where one takes long. {BF16[bf16]}", 120)
    text = f"{INTRODUCTION}\n{run}\n\n![Seconds for an output megapixel](performance.png)\n"
    with replacing(folder / "performance.md") as temporary:
        temporary.write_text(f"{text}\n{tables(rows)}", encoding="utf-8")
    if any(row.picture == "dense" for row in rows):
        chart(folder / "performance.png", rows)


def processor() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.is_file() else []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def _version(library: str) -> str:
    try:
        return f"{library} {metadata.version(library)}"
    except metadata.PackageNotFoundError:
        return ""


def chart(path: Path, rows: list["Row"]) -> None:
    """Seconds for an output megapixel over the side of the dense picture, a panel a network, a line a peer."""
    rows = [row for row in rows if row.picture == "dense"]
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    models = list(dict.fromkeys(row.model for row in rows))
    figure, panels = pyplot.subplots(1, len(models), figsize=(5 * len(models), 4), squeeze=False, layout="constrained")
    peers = list(dict.fromkeys(row.peer for row in rows))
    lines = {}  # of each peer one: no panel has all of them
    for panel, model in zip(panels[0], models, strict=True):
        for i, peer in enumerate(peers):
            points = [(row.side, row.cost) for row in rows if (row.model, row.peer) == (model, peer)]
            if points:
                (lines[peer],) = panel.plot(*zip(*points, strict=True), marker="o", color=f"C{i}")
        panel.set(title=model, xlabel="side of the picture, pixels", ylim=(0, None))
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("seconds for an output megapixel")
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=len(lines), fontsize="small")
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)

"""What a run leaves to be read: its curves as a picture, and report.md. (Contact sheets are drawn by sheet.py.)

Both are made from the run's folder, so they can be made again at any time. Curves need matplotlib (the
extra [train]).
"""

import csv
import fnmatch
import json
import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...arch.errors import SengaError, brief, install, quoted
from ...arch.files.reading import open_text
from .run_folder import BEST

logger = logging.getLogger("senga")

STEP, SECONDS = "step", "seconds"  # the columns of a curve that are not curves themselves
# Inches; pixels an inch. A plot's width and height include the margins.
PLOT_WIDTH, PLOT_HEIGHT, DPI = 4.5, 2.7, 100
LEFT, RIGHT, BELOW, ABOVE = 0.65, 0.15, 0.5, 0.3


@dataclass(frozen=True)
class Plot:
    """One picture of a curve: which columns it shows."""

    title: str
    columns: tuple[str, ...]  # names, or patterns such as "psnr_y_*"
    dashed: tuple[str, ...] = ()  # names of columns shown as well, as references
    log: bool = False


Curve = dict[str, list[tuple[float, float]]]  # column -> (step, value), rising; empty cells are left out


def read_curve(path: Path) -> Curve:
    """A curve.csv: a head line with `step` in it, then numbers or nothing. Of a repeated step the last counts.

    Raises:
        SengaError: there is no such file or no column `step`, or a cell does not hold a number.
    """
    if not path.is_file():
        raise SengaError(f"{path}: there is no such file; a run writes it at its first validation")
    with open_text(path) as file:
        reader = csv.DictReader(file)
        columns = [name for name in reader.fieldnames or [] if name]
        if STEP not in columns:
            raise SengaError(f"{path}: has no column {STEP!r}; its first line is {quoted(','.join(columns))}")
        rows: dict[float, dict[str, float]] = {}
        for row in reader:
            values = {}
            for name in columns:
                try:
                    if row[name]:
                        values[name] = float(row[name])
                except ValueError as error:
                    where = f"{path}, line {reader.line_num}, column {brief(name)}"
                    raise SengaError(
                        f"{where}: {quoted(row[name])} is not a number; expected one, or nothing"
                    ) from error
            if STEP in values:
                rows[values[STEP]] = values
    return {
        name: [(step, rows[step][name]) for step in sorted(rows) if name in rows[step]]
        for name in columns
        if name != STEP
    }


def arrange(curve: Curve, plots: Sequence[Plot]) -> list[Plot]:
    """The plots that the curve has something for, with the columns' own names in them.

    A column that is in none of them gets a plot of its own.
    """
    drawn = [name for name, points in curve.items() if points and name != SECONDS]
    shown, known = [], set()
    for plot in plots:
        dashed = tuple(name for name in plot.dashed if name in drawn)
        fitting = [name for pattern in plot.columns for name in fnmatch.filter(drawn, pattern)]
        columns = tuple(name for name in dict.fromkeys(fitting) if name not in plot.dashed)
        known.update(columns, dashed)
        if columns:
            shown.append(replace(plot, columns=columns, dashed=dashed))
    return shown + [Plot(name, (name,)) for name in drawn if name not in known]


def draw_curves(curve_csv: Path, png: Path, plots: Sequence[Plot] = ()) -> None:
    """Draw a run's curves, two in a row, over its steps.

    Args:
        plots: which columns belong together; columns that are not in the file are left out.

    Raises:
        SengaError: as `read_curve`; the curve is empty; or matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SengaError(f"curves are drawn by matplotlib, which is not installed: {install('train')}") from error
    curve = read_curve(curve_csv)
    shown = arrange(curve, plots)
    if not shown:
        raise SengaError(f"{curve_csv}: has nothing to draw yet; wait for the first validation")
    rows = -(-len(shown) // 2)
    # A figure of its own with its own canvas: pyplot would pick a screen and keep every figure in a global list.
    width, height = 2 * PLOT_WIDTH, rows * PLOT_HEIGHT
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    for i, plot in enumerate(shown):
        left, below = i % 2 * PLOT_WIDTH + LEFT, height - (i // 2 + 1) * PLOT_HEIGHT + BELOW
        sides = ((PLOT_WIDTH - LEFT - RIGHT) / width, (PLOT_HEIGHT - BELOW - ABOVE) / height)
        axes = figure.add_axes((left / width, below / height, *sides))
        for name in (*plot.columns, *plot.dashed):
            steps, values = zip(*curve[name], strict=True)
            style: dict[str, Any] = {"linestyle": "--", "color": "0.4"} if name in plot.dashed else {}
            marker = "." if len(steps) < 20 else ""  # one point alone would not be seen as a line
            axes.plot(steps, values, label=f"{_plain(name)} {values[-1]:.4g}", marker=marker, **style)
        if plot.log and all(value > 0 for name in plot.columns for _, value in curve[name]):
            axes.set_yscale("log")
        axes.set_title(_plain(plot.title), fontsize=10)
        axes.tick_params(which="both", labelsize=8)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
        axes.set_xlabel("step", fontsize=8)
    figure.savefig(png, format="png", metadata={"Software": None})


def _plain(name: str) -> str:
    """A name as matplotlib shows it: between two dollar signs it would read a formula. Domains have users' names."""
    return name.replace("$", r"\$")


def write_report(
    folder: Path,
    metrics: Mapping[str, Any] | None = None,
    *,
    facts: Mapping[str, Any] | None = None,
    command: str = "",
    exports: bool = True,
    use: str = "",
    plots: Sequence[Plot] = (),
    more: Sequence[str] = (),
) -> Path:
    """Write FOLDER/report.md, and FOLDER/curves.png, from a run's folder; returns the page's path.

    It reads settings.json, environment.json, metrics.json, curve.csv, the *.png (the last by name of those with the
    same beginning is shown: sheet-000500.png, sheet-001000.png) and the *.safetensors. Any of them may be missing.

    Args:
        metrics: the final table, instead of metrics.json: name -> value, or row -> (name -> value).
        facts: name -> value, shown first, such as what it was trained on.
        command: what started the run; the same goes on with it.
        exports: whether the command writes a checkpoint's weights with --export.
        use: the command that uses its weights, up to their path, which comes last. "" for none.
        plots: as `draw_curves`.
        more: paragraphs of Markdown after the pictures.
    """
    settings, environment = (_read_json(folder / name) for name in ("settings.json", "environment.json"))
    metrics = _read_json(folder / "metrics.json") if metrics is None else metrics
    curve = read_curve(folder / "curve.csv") if (folder / "curve.csv").is_file() else {}
    name = str(settings.get("name") or folder.name)
    parts = [f"# {name}", _list({**(facts or {}), **_length(curve)})]
    if metrics:
        parts += ["## Result", _metrics_table(metrics)]
    if any(curve.values()):
        try:
            draw_curves(folder / "curve.csv", folder / "curves.png", plots)
        except SengaError as error:  # a page without the picture is better than none
            logger.warning("%s: no curves: %s", name, error)
        parts += ["## Curves", "Every validation is in [curve.csv](curve.csv)."]
        if (folder / "curves.png").is_file():
            parts.append("![curves](curves.png)")
    pictures = {path.stem.rstrip("0123456789").rstrip("-_"): path.name for path in sorted(folder.glob("*.png"))}
    pictures.pop("curves", None)
    if pictures:
        parts += ["## Pictures", *(f"![{kind}]({_url(file)})" for kind, file in pictures.items())]
    parts += more
    weights = sorted(folder.glob("*.safetensors"))
    found = sorted(int(path.stem.rpartition("-")[2]) for path in folder.glob("checkpoint-*[0-9].pt"))
    lines = [f"{command}  # goes on from the last checkpoint, if given more steps"] if command else []
    if command and found and exports:
        lines.append(f"{command} --export {found[-1]}  # the weights of a checkpoint")
    if command and exports and (folder / BEST).is_file():
        lines.append(f"{command} --export best  # the weights that were best in a validation")
    lines += [f"{use} {shlex.quote(path.as_posix())}" for path in weights if use]
    if lines:
        parts += ["## Go on, or use it", "\n".join(["```sh", *lines, "```"])]
    for title, data in (("Settings", settings), ("Environment", environment)):
        if data:
            parts += [f"## {title}", table(["", ""], [[f"`{key}`", value] for key, value in _flat(data)])]
    path = folder / "report.md"
    path.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    return path


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SengaError(f"{path}: is not JSON ({error}); remove it, or write it again") from error
    if not isinstance(data, dict):
        raise SengaError(f"{path}: holds a {type(data).__name__}; expected an object of names and values")
    return data


def _length(curve: Curve) -> dict[str, str]:
    """Steps and hours. `seconds` begins again where a run went on, so falls are new beginnings."""
    found = {}
    if steps := [points[-1][0] for points in curve.values() if points]:
        found["steps"] = f"{max(steps):,.0f}"
    seconds = [value for _, value in curve.get(SECONDS, [])]
    if seconds:
        total = sum(b - a if b >= a else b for a, b in zip([0.0, *seconds], seconds, strict=False))
        found["time"] = f"{total / 3600:.1f} hours" if total >= 3600 else f"{total / 60:.1f} minutes"
    return found


def _flat(data: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Nested tables as `section.key`."""
    found = []
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            found += _flat(value, f"{before}{key}.")
        else:
            found.append((before + key, value))
    return found


def _metrics_table(metrics: Mapping[str, Any]) -> str:
    if not any(isinstance(value, Mapping) for value in metrics.values()):
        return table(["metric", "value"], [[name, value] for name, value in metrics.items()])
    plain = {name: value for name, value in metrics.items() if not isinstance(value, Mapping)}
    nested = {name: value for name, value in metrics.items() if isinstance(value, Mapping)}
    names = list(dict.fromkeys(name for row in nested.values() for name in row))
    rows = [[title, *(row.get(name, "") for name in names)] for title, row in nested.items()]
    nested_table = table(["", *names], rows)
    return f"{_metrics_table(plain)}\n\n{nested_table}" if plain else nested_table


def _cell(value: Any) -> str:
    if isinstance(value, float):
        text = f"{value:.5g}"
    elif isinstance(value, list | tuple):
        text = ", ".join(map(_cell, value))
    else:
        text = str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """In Markdown; bars and line ends in cells are escaped."""
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _list(items: Mapping[str, Any]) -> str:
    return "\n".join(f"- {name}: {_cell(value)}" for name, value in items.items())


def _url(name: str) -> str:
    return name.replace(" ", "%20")

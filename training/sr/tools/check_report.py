"""A report on pictures, with thumbnails: an HTML page that holds them, or Markdown with a folder of them."""

import base64
import html
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ....arch.errors import printable
from ....arch.files.atomic import replacing

SHOWN = 60  # thumbnails of a section; further pictures are listed without
STYLE = """body { font: 15px sans-serif; margin: 2em; color: #222; background: #fff }
figure { display: inline-block; width: 150px; margin: 0 12px 12px 0; vertical-align: top; font-size: 12px }
figure img { max-width: 128px; max-height: 128px; display: block; border: 1px solid #ccc }
figcaption { overflow-wrap: anywhere }
td { padding: 2px 16px 2px 0 }"""


@dataclass(frozen=True)
class Entry:
    file: str
    text: str
    thumbnail: bytes  # JPEG; empty for none


@dataclass(frozen=True)
class Section:
    title: str
    about: str
    entries: list[Entry]


@dataclass(frozen=True)
class Report:
    where: str
    facts: list[tuple[str, str]]
    sections: list[Section]


def write_report(report: Report, out: Path) -> None:
    """HTML or Markdown by the ending of `out`; each file whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix.lower() == ".md":
        folder = out.with_name(f"{out.stem}_thumbnails")
        names: dict[bytes, str] = {}

        def link(thumbnail: bytes) -> str:
            if thumbnail not in names:
                names[thumbnail] = f"{len(names) + 1:05d}.jpg"
                folder.mkdir(exist_ok=True)
                _write(folder / names[thumbnail], thumbnail)
            return f"{folder.name}/{names[thumbnail]}"

        text = markdown(report, link)
    else:
        text = page(report, lambda thumbnail: f"data:image/jpeg;base64,{base64.b64encode(thumbnail).decode()}")
    _write(out, text.encode(errors="backslashreplace"))  # the folder may have a name that is not UTF-8


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def escaped(text: str) -> str:
    """For HTML, and for Markdown between tags: names of files may hold anything."""
    return html.escape(printable(text)).replace("|", "&#124;").replace("\n", " ")


def page(report: Report, link: Callable[[bytes], str]) -> str:
    parts = [
        f'<!doctype html>\n<meta charset="utf-8">\n<title>{escaped(report.where)}</title>\n<style>\n{STYLE}\n</style>',
        f"<h1>{escaped(report.where)}</h1>\n<table>",
        *(f"<tr><td>{escaped(name)}</td><td>{escaped(value)}</td></tr>" for name, value in report.facts),
        "</table>",
    ]
    for section in report.sections:
        parts.append(f"<h2>{section.title}: {len(section.entries)}</h2>")
        if section.entries:
            parts.append(f"<p>{escaped(section.about)}</p>")
        for entry in section.entries[:SHOWN]:
            picture = f'<img src="{link(entry.thumbnail)}" alt="">' if entry.thumbnail else ""
            caption = f"<code>{escaped(entry.file)}</code><br>{escaped(entry.text)}"
            parts.append(f"<figure>{picture}<figcaption>{caption}</figcaption></figure>")
        if rest := section.entries[SHOWN:]:
            lines = "".join(f"<li><code>{escaped(one.file)}</code> {escaped(one.text)}</li>" for one in rest)
            parts.append(f"<details><summary>{len(rest)} more</summary><ul>{lines}</ul></details>")
    return "\n".join(parts) + "\n"


def markdown(report: Report, link: Callable[[bytes], str]) -> str:
    parts = [f"# {escaped(report.where)}", "", "| | |", "|---|---|"]
    parts += [f"| {escaped(name)} | {escaped(value)} |" for name, value in report.facts]
    for section in report.sections:
        parts += ["", f"## {section.title}: {len(section.entries)}"]
        if not section.entries:
            continue
        parts += ["", section.about, "", "| | picture | |", "|---|---|---|"]
        for number, entry in enumerate(section.entries):
            picture = f"![]({link(entry.thumbnail).replace(' ', '%20')})" if entry.thumbnail and number < SHOWN else ""
            parts.append(f"| {picture} | <code>{escaped(entry.file)}</code> | {escaped(entry.text)} |")
    return "\n".join(parts) + "\n"

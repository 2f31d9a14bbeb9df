"""Build the tagger's pictures: figures whose attributes we choose, so that every tag is known to be true.

    senga data build-avatars --out data/tags [--cache DIR] [--limit N] [--no-clips]

Writes OUT/<split>/<name>.webp (lossless, 256 px on the longer side), OUT/manifest.csv and OUT/sheet.png, a page of
samples with their tags. The splits are train, val and test (near-duplicates on one side) and unseen: two drawing styles
that are never trained on. The manifest's columns are those of the upscalers' set and
    style       the drawing style, or "mixed"
    tags        what is seen, as Danbooru would say it; space-separated like the next two
    characters  the characters of our own that appear
    unknown     tags of which nothing is known here: the loss has to leave them out. A tag in neither column is absent.
Equal versions of DiceBear, resvg-py and Pillow give equal files.
"""

import argparse
import hashlib
import json
import logging
import random
import shutil
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ..dicebear import dicebear_licence, dicebear_packages, run_dicebear
from ..drawing import (
    PictureError,
    at_least_one,
    check_folders,
    drawn_part,
    evenly,
    remove_others,
    render_page,
    require_resvg,
    save_webp,
)
from ..fetch import Picture, SourceError, ToolError
from ..manifest import Row, write_manifest
from ..openclipart import list_openclipart, openclipart_folder
from .composites import Clip, compose
from .figures import CHARACTERS, Avatar, appearances, crowd, split_of
from .sheet import write_sheet
from .tables import STYLES, UNSEEN

logger = logging.getLogger("senga")

# Pictures of one figure, by style: more of the styles that say more.
SINGLES = {
    "adventurer": 1500,
    "lorelei": 1300,
    "toonHead": 1500,
    "bigSmile": 900,
    "openPeeps": 1000,
    "bigEars": 900,
    "notionists": 700,
    "croodles": 500,
    "dylan": 500,
    "pixelArt": 500,
    "miniavs": 300,
    "micah": 600,
    "personas": 600,
}
APPEARANCES = 50  # pictures of each character
GROUPS = 2200  # pictures of several figures
UNSEEN_GROUPS = 200
GROUP_SIZES = {2: 45, 3: 28, 4: 15, 5: 12}  # figures: share of the groups
BATCH = 100  # pictures drawn at a time
ALONE_SIDE = 256  # px, of a figure before it is placed
GROUP_SIDE = 160
CLIP_SIDE = 400
CLIP_FOLDERS = ("plants-", "food-", "buildings-", "transportation-")  # no figures in them
CLIPS = 200
SPLITS = ("train", "val", "test", "unseen")


@dataclass(frozen=True)
class TagRow(Row):
    """One line of manifest.csv, with what is known of the picture; tags are separated by spaces."""

    style: str
    tags: str
    characters: str
    unknown: str


@dataclass(frozen=True)
class Plan:
    """A picture that is to be made: its name settles everything that is left to chance."""

    name: str
    split: str
    style: str
    figures: tuple[Avatar, ...]


# --- what is made -----------------------------------------------------------------------------------------------------


class Supply:
    """Figures of an endless row by the split they belong to, each given out once."""

    def __init__(self, figures: Iterator[Avatar]) -> None:
        self.figures = figures
        self.waiting: dict[str, deque[Avatar]] = defaultdict(deque)

    def any(self) -> Avatar:
        return next(self.figures)

    def of(self, split: str) -> Avatar | None:
        """None where a long search finds none: a plain style's character has few faces, maybe none in this split."""
        for _ in range(200):
            if self.waiting[split]:
                return self.waiting[split].popleft()
            figure = next(self.figures)
            self.waiting[figure.split].append(figure)
        return None


def plan(limit: int | None = None) -> list[Plan]:
    """Every picture of the set; with a limit at most so many of each style, of each character and of groups."""

    def count(planned: int) -> int:
        return planned if limit is None else min(planned, limit)

    plans: list[Plan] = []
    crowds = {style: Supply(crowd(style)) for style in STYLES}
    casts = {name: Supply(appearances(name)) for names in CHARACTERS.values() for name in names}
    for style, planned in SINGLES.items():
        for number in range(count(planned)):
            figure = crowds[style].any()
            plans.append(Plan(f"{style}_{number:04d}", figure.split, style, (figure,)))
    for style, names in CHARACTERS.items():
        for name in names:
            for number in range(count(APPEARANCES)):
                figure = casts[name].any()
                plans.append(Plan(f"{name}_{number:03d}", figure.split, style, (figure,)))
    seen = [style for style in STYLES if style not in UNSEEN]
    for number in range(count(GROUPS)):
        plans.append(plan_group(f"group_{number:04d}", seen, crowds, casts))
    for number in range(count(UNSEEN_GROUPS)):
        plans.append(plan_group(f"unseen_group_{number:04d}", UNSEEN, crowds, {}))
    return sorted(plans, key=lambda plan: plan.name)


def plan_group(name: str, styles: Sequence[str], crowds: dict[str, Supply], casts: dict[str, Supply]) -> Plan:
    """Several figures, of one style more often than not, and now and then with a character among them."""
    draw = random.Random(name)
    split = "unseen" if set(styles) == set(UNSEEN) else split_of(name)
    size = draw.choices(list(GROUP_SIZES), list(GROUP_SIZES.values()))[0]
    style = draw.choice(styles) if draw.random() < 0.65 else "mixed"
    chosen = [draw.choice(styles) if style == "mixed" else style for _ in range(size)]
    figures = [figure for figure in (crowds[each].of(split) for each in chosen) if figure]
    cast = CHARACTERS.get(chosen[0], ()) if casts and draw.random() < 0.4 else ()
    for place, character in enumerate(draw.sample(cast, min(len(cast), size, draw.choice((1, 2))))):
        figures[place] = casts[character].of(split) or figures[place]
    return Plan(name, split, style if len(set(chosen)) > 1 else chosen[0], tuple(figures))


# --- how it is made ---------------------------------------------------------------------------------------------------


def load_clips(cache: Path, limit: int | None) -> dict[str, list[Clip]]:
    """Drawings of Open Clip Art for behind the figures: other ones for training than for the other splits."""
    try:
        root = openclipart_folder(cache)
    except ToolError as error:
        raise SourceError(f"{error}; to build with plain backgrounds alone, add --no-clips") from error
    listed = [picture for picture in list_openclipart(root) if picture.name.startswith(CLIP_FOLDERS)]
    clips: dict[str, list[Clip]] = {"train": [], "other": []}
    for picture in evenly(listed, CLIPS if limit is None else min(CLIPS, 4 * limit)):
        if (clip := drawn_clip(picture)) is not None:
            clips["train" if split_of(picture.name) == "train" else "other"].append(clip)
    return clips


def drawn_clip(picture: Picture) -> Clip | None:
    """A drawing on transparency; None where it cannot be drawn or is too narrow to be seen."""
    try:
        image = drawn_part(render_page(picture.path, CLIP_SIDE))
    except PictureError as error:
        logger.info("skipped %s: %s", picture.path.name, error)
        return None
    return Clip(image, picture.author, picture.licence) if min(image.size) >= CLIP_SIDE // 4 else None


def draw_avatars(
    figures: Sequence[Avatar], sides: Sequence[int], packages: Path
) -> tuple[list[Image.Image], dict[str, tuple[str, str]]]:
    """Each figure as a square RGBA picture of its side, and each style's (author, licence). Raises SourceError."""
    folder = packages / "tag_avatars"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    request = folder / "request.json"
    asked = [{"style": figure.style, "options": json.loads(figure.options)} for figure in figures]
    request.write_text(json.dumps(asked), encoding="utf-8")
    run_dicebear(packages, "draw_figures.mjs", [f"{folder.name}/{request.name}", folder.name])
    declared = json.loads((folder / "styles.json").read_text("utf-8"))
    credits = {name: (row["creator"], dicebear_licence(name, row["licence"])) for name, row in declared.items()}
    drawings = [render_page(folder / f"{number}.svg", side) for number, side in enumerate(sides)]
    return drawings, credits


def make_picture(
    plan: Plan,
    drawings: Sequence[Image.Image],
    credits: dict[str, tuple[str, str]],
    clips: dict[str, list[Clip]],
    out: Path,
) -> TagRow:
    """Compose and write one picture; returns its line of the manifest."""
    behind = clips.get("train" if plan.split == "train" else "other", [])
    composed = compose(plan.figures, drawings, behind, random.Random(plan.name))
    owed = [credits[figure.style] for figure in plan.figures]
    if composed.clip:
        owed.append((composed.clip.author, composed.clip.licence))
    target = out / plan.split / f"{plan.name}.webp"
    target.parent.mkdir(parents=True, exist_ok=True)
    save_webp(composed.image, target)
    return TagRow(
        file=target.relative_to(out).as_posix(),
        split=plan.split,
        source="dicebear+openclipart" if composed.clip else "dicebear",
        author="; ".join(dict.fromkeys(author for author, _ in owed)),
        licence=" AND ".join(dict.fromkeys(licence for _, licence in owed)),
        sha256=hashlib.sha256(target.read_bytes()).hexdigest(),
        width=composed.image.width,
        height=composed.image.height,
        style=plan.style,
        tags=" ".join(sorted(composed.tags)),
        characters=" ".join(sorted({figure.character for figure in plan.figures} - {""})),
        unknown=" ".join(sorted(composed.unknown)),
    )


Drawer = Callable[[Sequence[Avatar], Sequence[int]], tuple[list[Image.Image], dict[str, tuple[str, str]]]]


def build(plans: Sequence[Plan], drawer: Drawer, clips: dict[str, list[Clip]], out: Path) -> list[TagRow]:
    """Write the planned pictures, the manifest and the sheet below `out`."""
    rows: list[TagRow] = []
    with tqdm(total=len(plans), unit="picture", disable=None) as progress:
        for start in range(0, len(plans), BATCH):
            batch = plans[start : start + BATCH]
            figures = [figure for plan in batch for figure in plan.figures]
            sides = [ALONE_SIDE if len(plan.figures) == 1 else GROUP_SIDE for plan in batch for _ in plan.figures]
            drawings, credits = drawer(figures, sides)
            waiting = iter(drawings)
            for plan in batch:
                rows.append(make_picture(plan, [next(waiting) for _ in plan.figures], credits, clips, out))
            progress.update(len(batch))
    ours = {*SINGLES, *(name for names in CHARACTERS.values() for name in names), "group", "unseen_group"}
    remove_others([out / split for split in SPLITS], {out / row.file for row in rows}, ours)
    digest = write_manifest(rows, out / "manifest.csv", TagRow)
    logger.info("%s: %d pictures, sha256 %s", out / "manifest.csv", len(rows), digest)
    write_sheet([(out / row.file, row.tags, row.characters) for row in evenly(rows, 70)], out / "sheet.png")
    return rows


def summarise(rows: Sequence[TagRow]) -> str:
    """Pictures by style and split, and how often each tag is seen, is absent by knowledge, and is unknown."""
    by_style = Counter((row.style, row.split) for row in rows)
    lines = [f"{'style':16}" + "".join(f"{split:>8}" for split in SPLITS)]
    for style in sorted({row.style for row in rows}):
        lines.append(f"{style:16}" + "".join(f"{by_style[style, split]:8d}" for split in SPLITS))
    lines.append(f"{'all':16}" + "".join(f"{sum(row.split == split for row in rows):8d}" for split in SPLITS))
    tags = Counter((tag, row.split) for row in rows for tag in row.tags.split())
    unknown = Counter(tag for row in rows if row.split == "train" for tag in row.unknown.split())
    lines.append(f"\n{'tag':24}" + "".join(f"{split:>8}" for split in SPLITS) + "  unknown in train")
    for tag in sorted({tag for tag, _ in tags}, key=lambda tag: (-tags[tag, "train"], tag)):
        lines.append(f"{tag:24}" + "".join(f"{tags[tag, split]:8d}" for split in SPLITS) + f"  {unknown[tag]:8d}")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="folder that receives the pictures and manifest.csv")
    parser.add_argument("--cache", type=Path, default=Path("data/cache"), help="folder for what is fetched")
    parser.add_argument(
        "--limit", type=at_least_one, help="at most this many pictures of each style and character, for a trial"
    )
    parser.add_argument("--no-clips", action="store_true", help="plain backgrounds alone; needs no Debian package")


def run(args: argparse.Namespace) -> int:
    with logging_redirect_tqdm([logger]):
        check_folders(out=args.out, cache=args.cache)
        require_resvg()
        packages = dicebear_packages(args.cache.resolve())
        clips = {} if args.no_clips else load_clips(args.cache.resolve(), args.limit)
        plans = plan(args.limit)
        rows = build(plans, lambda figures, sides: draw_avatars(figures, sides, packages), clips, args.out)
    for line in summarise(rows).splitlines():
        logger.info(line)
    return 0

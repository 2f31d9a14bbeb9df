"""Small tagged pictures in each of the forms that the tagger's trainer reads: shapes in colours."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from senga.training.tagger.index import TagIndex
from senga.training.tagger.settings import DataSettings

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 70, 220)}
SHAPES = ("circle", "square", "bar")
CHARACTERS = {("red", "circle"): "scarlet_(sun)", ("blue", "bar"): "azure_(river)"}


def drawing(number: int, side: int = 48) -> tuple[Image.Image, list[str], list[str]]:
    """(picture, general tags, characters): one shape in one colour somewhere; some stand left or right."""
    rng = np.random.default_rng(number)
    colour, shape = list(COLOURS)[int(rng.integers(3))], SHAPES[int(rng.integers(3))]
    image = Image.new("RGB", (side, side + 8), (245, 245, 245))
    draw = ImageDraw.Draw(image)
    radius, (x, y) = side // 5, (int(v) for v in rng.integers(side // 4, 3 * side // 4, 2))
    box = (x - radius, y - radius, x + radius, y + radius)
    if shape == "circle":
        draw.ellipse(box, COLOURS[colour])
    else:
        draw.rectangle(box if shape == "square" else (x - radius, y - 3, x + radius, y + 3), COLOURS[colour])
    place = ["on_left"] if x < side / 2 - 4 else ["on_right"] if x > side / 2 + 4 else []
    tags = [f"{colour}_(colour)", shape, *place]
    character = CHARACTERS.get((colour, shape))
    return image, tags, [character] if character else []


def danbooru_lines(count: int, form: str) -> list[dict[str, object]]:
    """Posts 1000, 1001, ... in a dump's form: "2020", "2021" or "2022"; every tenth is a child of the one before."""
    posts = []
    for number in range(1000, 1000 + count):
        _, general, characters = drawing(number)
        letter = "sqe"[number % 3] if form != "2022" else "gsqe"[number % 4]
        parent = number - 1 if number % 10 == 9 else None
        post: dict[str, object] = {"id": number, "md5": f"{number:032x}", "parent_id": parent, "rating": letter}
        post |= {"file_ext": "png", "score": 3, "created_at": "2020-01-01", "pixiv_id": None}
        everything = [*general, *characters, "somebody"]
        if form == "2020":
            named = [*((tag, 0) for tag in general), *((tag, 4) for tag in characters), ("somebody", 1)]
            post["tags"] = [{"id": str(i), "name": tag, "category": str(kind)} for i, (tag, kind) in enumerate(named)]
            post |= {"id": str(number), "parent_id": str(parent or 0)}
        else:
            post |= {"tag_string": " ".join(everything), "tag_string_general": " ".join(general)}
            post |= {"tag_string_character": " ".join(characters), "tag_string_artist": "somebody"}
        posts.append(post)
    return posts


def danbooru(folder: Path, count: int, form: str = "2021", layout: str = "512px") -> Path:
    """A dataset in Danbooru2021's layout."""
    (folder / "metadata").mkdir(parents=True)
    lines = danbooru_lines(count, form)
    (folder / "metadata" / "posts.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for line in lines:
        number = int(str(line["id"]))
        extension = "jpg" if layout == "512px" else "png"
        path = folder / layout / f"{number % 1000:04d}" / f"{number}.{extension}"
        path.parent.mkdir(parents=True, exist_ok=True)
        drawing(number)[0].save(path, quality=95)
    return folder


def captions(folder: Path, count: int) -> Path:
    """Pictures with a .txt beside each, as kohya's scripts have them."""
    (folder / "10_shapes").mkdir(parents=True)
    for number in range(count):
        image, general, characters = drawing(number)
        image.save(folder / "10_shapes" / f"{number}.png")
        words = [tag.replace("_", " ").replace("(", "\\(").replace(")", "\\)") for tag in general]
        text = ", ".join([*words, *(f"character:{name}" for name in characters)])
        (folder / "10_shapes" / f"{number}.txt").write_text(text)
    return folder


def table(folder: Path, count: int) -> Path:
    """Pictures with a manifest.csv; the last third are of a style of their own that is never trained on."""
    folder.mkdir(parents=True)
    columns = ["file", "split", "source", "author", "licence", "sha256", "width", "height", "style", "tags"]
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*columns, "characters", "unknown"], restval="")
        writer.writeheader()
        for number in range(count):
            image, general, characters = drawing(number)
            image.save(folder / f"{number}.png")
            unseen = number >= count * 2 // 3
            split = "unseen" if unseen else ("train", "train", "train", "val", "test")[number % 5]
            style = "far" if unseen else "near"
            shown = [tag for tag in general if not (unseen and tag in ("circle", "square", "bar"))]
            row = {"file": f"{number}.png", "split": split, "source": "made", "licence": "CC0-1.0", "style": style}
            row |= {"width": image.width, "height": image.height, "tags": " ".join(shown)}
            row |= {"characters": " ".join(characters), "unknown": "circle square bar" if unseen else ""}
            writer.writerow(row)
    return folder


def settings(source: str, folder: Path, **others: object) -> DataSettings:
    return replace(DataSettings(source, folder.as_posix(), val=0.2, test=0.2), **others)  # type: ignore[arg-type]


def tags_of(index: TagIndex, i: int) -> set[str]:
    labels, known = index.truth(i)
    assert not (labels & ~known).any()
    return {name for name, borne in zip(index.names, labels, strict=True) if borne}

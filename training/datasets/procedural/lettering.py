"""Text: paragraphs, bubbles, titles, signs, windows with labels, and what old screens showed in whole pixels."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .canvas import Canvas, Field, Picture, blob, choose, enlarged, fill, log_uniform, mix, ramp, to_levels
from .colours import BLACK, WHITE, Colour, draw_colour, draw_pair, palette
from .fonts import FontFile, list_fonts, load_font
from .scenes import INK, cover, draw_areas, draw_scene, painted
from .screens import draw_screen, screen
from .words import NARROW, line_of, word

__all__ = ["text"]

WEIGHTS = {"latin": 3.5, "accented": 0.8, "greek": 0.5, "cyrillic": 0.8, "japanese": 4.0, "korean": 1.0, "chinese": 1.2}
DOTS = 16  # the size at which DotGothic16's dots are pixels


def text(canvas: Canvas) -> Picture:
    """Text in one of FORMS. Raises SengaError where none of the fonts is found."""
    return FORMS[choose(canvas.rng, {"page": 3, "bubbles": 3, "title": 2, "signs": 2, "window": 2, "pixels": 1.5})](
        canvas
    )


def _script(canvas: Canvas) -> tuple[str, FontFile]:
    """A script that the fonts hold, then a font of it."""
    rng = canvas.rng
    fonts = list_fonts(canvas.fonts)
    held = {script for font in fonts for script in font.scripts}
    script = choose(rng, {script: weight for script, weight in WEIGHTS.items() if script in held})
    suited = [font for font in fonts if script in font.scripts]
    return script, suited[rng.integers(len(suited))]


def _size(canvas: Canvas, low: float, high: float) -> int:
    """A size in HR pixels, given in LR pixels; one of about twelve an octave, so that loaded fonts are met again."""
    step = 2 ** (1 / 12)
    target = log_uniform(canvas.rng, low, high) * canvas.scale
    return max(4, round(step ** round(np.log(target) / np.log(step))))


def _sheet(canvas: Canvas) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    sheet = Image.new("L", (canvas.size, canvas.size))
    return sheet, ImageDraw.Draw(sheet)


def _field(sheet: Image.Image) -> Field:
    return np.asarray(sheet, dtype=np.float32) / np.float32(255)


def _rows(
    canvas: Canvas, drawing: ImageDraw.ImageDraw, box: tuple[float, float, float, float], low: float, high: float
) -> None:
    """Lines of text that fill a box (left, top, right, bottom)."""
    rng = canvas.rng
    script, chosen = _script(canvas)
    size = _size(canvas, low, high)
    font = load_font(chosen.path, size)
    left, top, right, bottom = box
    pitch = size * rng.uniform(1.15, 1.7)
    wide = 0.5 if script in NARROW else 1
    y = top
    while y < bottom - size * 0.8:
        length = int((right - left) / (size * wide) * (1 if rng.random() < 0.85 else rng.uniform(0.2, 0.9)))
        drawing.text((left, y), line_of(rng, script, max(length, 2)), fill=255, font=font)
        y += pitch


def _columns(
    canvas: Canvas, drawing: ImageDraw.ImageDraw, box: tuple[float, float, float, float], chosen: FontFile, size: int
) -> None:
    """Japanese in columns from the right to the left, some with small kana next to them."""
    rng = canvas.rng
    font, small = load_font(chosen.path, size), load_font(chosen.path, max(4, size // 2))
    left, top, right, bottom = box
    x = right - size
    while x > left:
        count = int((bottom - top) / size)
        column = line_of(rng, "japanese", max(2, count - int(rng.integers(0, 3))))
        for k, character in enumerate(column[:count]):
            shift = 0.6 if character in "、。" else 0
            drawing.text((x + shift * size, top + (k - shift) * size), character, fill=255, font=font)
            if rng.random() < 0.12:
                for j, kana in enumerate(word(rng, "japanese")[-2:]):
                    drawing.text((x + size, top + k * size + j * size / 2), kana, fill=255, font=small)
        x -= size * rng.uniform(1.45, 1.8)


def _page(canvas: Canvas) -> Picture:
    """A page or a part of one: text over paper, in two colours, now and then over a gradient."""
    rng, size = canvas.rng, canvas.size
    sheet, drawing = _sheet(canvas)
    top = rng.uniform(-0.05, 0.1) * size
    while top < size:
        high = rng.uniform(0.15, 0.7) * size
        _rows(canvas, drawing, (rng.uniform(-0.1, 0.1) * size, top, size * 1.1, top + high), 5.5, 22)
        top += high + rng.uniform(0, 0.1) * size
    paper, ink = (WHITE, BLACK) if rng.random() < 0.4 else draw_pair(rng, plain=0.3, contrast=0.4)
    if rng.random() < 0.2:
        ground = mix(paper, np.clip(paper + rng.normal(0, 0.15, 3), 0, 1).astype(np.float32), ramp(rng, size))
        return to_levels(mix(ground, ink, _field(sheet)), rng)
    return to_levels(mix(paper, ink, _field(sheet)))


def _bubbles(canvas: Canvas) -> Picture:
    """Speech over a drawing in black and white or colours, toned or not."""
    rng, size = canvas.rng, canvas.size
    areas = draw_areas(size, draw_scene(canvas))
    if rng.random() < 0.5:
        toned = {role for role in areas.roles if role not in (INK, "eye", "glint", "skin") and rng.random() < 0.4}
        tone = screen(size, draw_screen(canvas, {"round": 1, "cosine": 1}), float(rng.uniform(0.1, 0.5)))
        ink = np.maximum(cover(areas, {INK, "pupil"}), tone * cover(areas, toned))
        picture = mix(WHITE, BLACK, ink)
    else:
        picture = painted(areas, palette(rng, areas.roles)).astype(np.float32) / np.float32(255)
    for _ in range(int(rng.integers(1, 4))):
        centre = rng.uniform(0.15, 0.85, 2) * size
        half = np.array((rng.uniform(0.14, 0.3), rng.uniform(0.14, 0.36))) * size
        outline = _balloon(rng, centre, half)
        line = log_uniform(rng, 0.5, 1.5) * canvas.scale
        picture = mix(picture, BLACK, fill(size, [outline]))
        picture = mix(picture, WHITE, fill(size, [centre + (outline - centre) * (1 - line / half.min())]))
        sheet, drawing = _sheet(canvas)
        box = (*(centre - half * 0.62), *(centre + half * 0.62))
        _speak(canvas, drawing, box)
        inside = fill(size, [centre + (outline - centre) * 0.92])
        picture = mix(picture, BLACK, _field(sheet) * inside)
    return to_levels(picture)


def _balloon(rng: np.random.Generator, centre: np.ndarray, half: np.ndarray) -> np.ndarray:
    form = choose(rng, {"oval": 4, "burst": 1, "cloud": 1})
    if form == "oval":
        return centre + (blob(rng, np.zeros(2), 1, 0.04) * 1.0) * half
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    if form == "cloud":
        out = 0.95 + 0.09 * np.abs(np.sin(angle * int(rng.integers(4, 8))))
    else:
        out = 1 + rng.uniform(0.1, 0.35) * (np.arange(96) % 8 == 0) * rng.uniform(0.5, 1, 96)
    return centre + np.stack((np.cos(angle), np.sin(angle)), axis=1) * out[:, None] * half


def _speak(canvas: Canvas, drawing: ImageDraw.ImageDraw, box: tuple[float, ...]) -> None:
    """Columns of Japanese, or centred lines of the other scripts."""
    rng = canvas.rng
    left, top, right, bottom = box
    script, chosen = _script(canvas)
    size = _size(canvas, 6, 17)
    if script == "japanese" and rng.random() < 0.85:
        _columns(canvas, drawing, (left, top, right, bottom), chosen, size)
        return
    font = load_font(chosen.path, size)
    length = max(3, int((right - left) / size * (1.7 if script in NARROW else 1)))
    count = max(1, int((bottom - top) / (size * 1.2)))
    for k in range(count):
        said = line_of(rng, script, length).upper()
        y = (top + bottom) / 2 + (k - count / 2) * size * 1.2
        drawing.text(((left + right) / 2, y), said, fill=255, font=font, anchor="ma")


def _title(canvas: Canvas) -> Picture:
    """Large letters, turned, with outlines, a shadow or a gradient inside, over a drawing or a gradient."""
    rng, size = canvas.rng, canvas.size
    if rng.random() < 0.5:
        areas = draw_areas(size, draw_scene(canvas))
        picture = painted(areas, palette(rng, areas.roles)).astype(np.float32) / np.float32(255)
    else:
        picture = mix(draw_colour(rng), draw_colour(rng), ramp(rng, size))
    for _ in range(int(rng.integers(1, 4))):
        script, chosen = _script(canvas)
        font = load_font(chosen.path, _size(canvas, 14, 64))
        said = "\n".join(line_of(rng, script, int(rng.integers(2, 9))) for _ in range(int(rng.integers(1, 3))))
        place = (rng.uniform(0.2, 0.8) * size, rng.uniform(0.2, 0.8) * size)
        turn = rng.normal(0, 14)
        border = round(font.size * rng.uniform(0.03, 0.12)) if rng.random() < 0.7 else 0
        inner, outer = draw_pair(rng, plain=0.3, contrast=0.4)
        if border:
            picture = mix(picture, outer, _turned(canvas, said, font, place, turn, border))
        face = _turned(canvas, said, font, place, turn, 0)
        filling = mix(inner, draw_colour(rng), ramp(rng, size)) if rng.random() < 0.4 else inner
        picture = mix(picture, filling, face)
    return to_levels(picture, rng)


def _turned(
    canvas: Canvas, said: str, font: ImageFont.FreeTypeFont, place: tuple[float, float], turn: float, border: int
) -> Field:
    sheet, drawing = _sheet(canvas)
    drawing.text(place, said, fill=255, font=font, anchor="mm", stroke_width=border, align="center")
    return _field(sheet.rotate(turn, Image.Resampling.BICUBIC, center=place)) if abs(turn) > 4 else _field(sheet)


def _signs(canvas: Canvas) -> Picture:
    """Words of all sizes and colours, level or upright, on boxes and strips of other colours."""
    rng, size = canvas.rng, canvas.size
    sheet = Image.new("RGB", (size, size), _ink(draw_colour(rng)))
    drawing = ImageDraw.Draw(sheet)
    faces = [(*_script(canvas), _size(canvas, 5, 40)) for _ in range(int(rng.integers(2, 6)))]
    for _ in range(int(rng.integers(8, 22))):
        script, chosen, letter = faces[rng.integers(len(faces))]
        font = load_font(chosen.path, letter)
        said = line_of(rng, script, int(rng.integers(2, 14)))
        x, y = rng.uniform(-0.2, 0.9), rng.uniform(-0.05, 0.95)
        back, ink = draw_pair(rng, plain=0.2, contrast=0.4)
        wide = drawing.textlength(said, font=font)
        left, top = x * size, y * size
        pad = font.size * rng.uniform(0.1, 0.5)
        if rng.random() < 0.8:
            box = (left - pad, top - pad * 0.5, left + wide + pad, top + font.size * 1.2 + pad * 0.5)
            edge = int(rng.integers(0, 4)) if rng.random() < 0.5 else 0
            drawing.rounded_rectangle(box, pad if rng.random() < 0.4 else 0, _ink(back), _ink(ink), edge)
        drawing.text((left, top), said, fill=_ink(ink), font=font)
    picture = np.asarray(sheet)
    return np.ascontiguousarray(np.rot90(picture)) if rng.random() < 0.15 else picture


def _ink(colour: Colour) -> tuple[int, ...]:
    return tuple(np.rint(np.clip(colour, 0, 1) * 255).astype(int).tolist())


def _window(canvas: Canvas) -> Picture:
    """Part of a program's window: bars, buttons, fields and a table, with thin lines and small labels."""
    rng, size, scale = canvas.rng, canvas.size, canvas.scale
    dark = rng.random() < 0.4
    level = rng.uniform(0.05, 0.2) if dark else rng.uniform(0.85, 1)
    ground = np.clip(np.full(3, level) + rng.normal(0, 0.02, 3), 0, 1)
    ink, faint = (WHITE, ground + 0.12) if dark else (BLACK, ground - 0.15)
    accent = draw_colour(rng)
    sheet = Image.new("RGB", (size, size), _ink(ground))
    drawing = ImageDraw.Draw(sheet)
    script, chosen = _script(canvas)
    text_size = _size(canvas, 7, 14)
    font = load_font(chosen.path, text_size)
    high = round(text_size * rng.uniform(1.4, 2.2))
    top = -int(rng.integers(0, high))
    while top < size:
        form = choose(rng, {"bar": 1, "buttons": 2, "table": 3, "lines": 2})
        if form == "bar":
            drawing.rectangle((0, top, size, top + high), fill=_ink(accent))
        x = -float(rng.integers(0, 4 * text_size))
        while x < size:
            wide = text_size * rng.uniform(2.5, 9)
            box = (x, top, x + wide - scale * 2, top + high - scale)
            if form == "buttons":
                drawing.rounded_rectangle(
                    box, rng.choice((0, 2, 4)) * scale / 2, _ink(faint), _ink(ink), max(1, scale // 2)
                )
            elif form == "table":
                drawing.rectangle(box, outline=_ink(faint), width=scale)
            label = line_of(rng, script, int(wide / text_size * (1.6 if script in NARROW else 0.8)))
            drawing.text((x + scale * 3, top + (high - text_size) / 2 - scale), label, fill=_ink(ink), font=font)
            x += wide if form != "lines" else wide * 2.5
        top += high
    return np.asarray(sheet)


def _pixels(canvas: Canvas) -> Picture:
    """Text without smoothing, each of its pixels one LR pixel or two: menus of old games and programs."""
    rng = canvas.rng
    each = 2 if rng.random() < 0.3 else 1
    side = -(-canvas.cells // each)
    dots = [font for font in list_fonts(canvas.fonts) if font.package == "fonts-dotgothic16"]
    script, chosen = _script(canvas)
    size = int(rng.integers(9, 17))
    if dots and rng.random() < 0.7:
        script, chosen, size = choose(rng, {"japanese": 3, "latin": 1}), dots[0], DOTS
    font = load_font(chosen.path, size)
    back, ink = draw_pair(rng, plain=0.4, contrast=0.4)
    sheet = Image.new("RGB", (side, side), _ink(back))
    drawing = ImageDraw.Draw(sheet)
    drawing.fontmode = "1"
    inset = int(rng.integers(2, 7))
    if rng.random() < 0.5 and side > 4 * inset:
        frame = (inset, inset, side - inset, side - inset)
        back = _ink(draw_colour(rng)) if rng.random() < 0.3 else None
        drawing.rectangle(frame, back, _ink(ink), int(rng.integers(1, 3)))
    left = int(rng.integers(-4, 12))
    for y in range(int(rng.integers(-4, 10)), side, size + int(rng.integers(0, 5))):
        colour = ink if rng.random() < 0.8 else draw_colour(rng)
        drawing.text((left, y), line_of(rng, script, max(2, 2 * side // size)), fill=_ink(colour), font=font)
    return enlarged(np.asarray(sheet), canvas, each)


FORMS: dict[str, Callable[[Canvas], Picture]] = {
    "page": _page,
    "bubbles": _bubbles,
    "title": _title,
    "signs": _signs,
    "window": _window,
    "pixels": _pixels,
}

"""docs/icon.png and docs/banner.png, for ComfyUI's registry: an eye, half in pixels and half drawn.

python -m benchmarks.icon
"""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
ICON, BANNER = ROOT / "docs" / "icon.png", ROOT / "docs" / "banner.png"
SIDE = 400  # the registry's largest icon is 800 x 400
WIDE = (1260, 540)  # 21:9
FINER = 4  # drawn so much larger, then reduced
PAPER, INK, ACCENT = (250, 247, 240), (36, 36, 44), (214, 64, 69)
CELLS = 16  # of the coarse half, across the whole icon


def eye(side: int) -> Image.Image:
    """A drawn eye, all in parts of the side: lash, iris with two lights, lower lid."""
    sheet = Image.new("RGB", (side, side), PAPER)
    draw = ImageDraw.Draw(sheet)

    def box(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        return left * side, top * side, right * side, bottom * side

    draw.ellipse(box(0.29, 0.27, 0.71, 0.83), fill=INK)
    draw.ellipse(box(0.33, 0.33, 0.67, 0.79), fill=ACCENT)
    draw.ellipse(box(0.42, 0.42, 0.58, 0.66), fill=INK)
    draw.ellipse(box(0.51, 0.34, 0.65, 0.50), fill=PAPER)
    draw.ellipse(box(0.37, 0.64, 0.45, 0.73), fill=PAPER)
    # The lash: what lies in one ellipse and not in a lower one.
    lash = Image.new("L", (side, side), 0)
    edge = ImageDraw.Draw(lash)
    edge.ellipse(box(0.06, 0.14, 0.94, 0.90), fill=255)
    edge.ellipse(box(0.10, 0.29, 0.90, 1.00), fill=0)
    edge.rectangle(box(0.0, 0.56, 1.0, 1.0), fill=0)
    sheet.paste(INK, mask=lash)
    draw.arc(box(0.22, 0.40, 0.78, 0.90), 50, 130, fill=INK, width=round(0.022 * side))
    return sheet


def icon(side: int = SIDE) -> Image.Image:
    """The left half as coarse pixels, the right half as it was drawn."""
    large = eye(side * FINER)
    coarse = large.resize((CELLS, CELLS), Image.Resampling.BOX).resize((side, side), Image.Resampling.NEAREST)
    sheet = large.resize((side, side), Image.Resampling.LANCZOS)
    sheet.paste(coarse.crop((0, 0, side // 2, side)), (0, 0))
    return sheet


def banner() -> Image.Image:
    sheet = Image.new("RGB", WIDE, PAPER)
    sheet.paste(icon(), (60, (WIDE[1] - SIDE) // 2))
    draw = ImageDraw.Draw(sheet)
    draw.text((540, 150), "Senga", fill=INK, font=ImageFont.load_default(150))
    draw.text((548, 330), "upscale, tag and degrade drawings", fill=INK, font=ImageFont.load_default(38))
    return sheet


def main() -> None:
    icon().save(ICON, optimize=True)
    banner().save(BANNER, optimize=True)


if __name__ == "__main__":
    main()

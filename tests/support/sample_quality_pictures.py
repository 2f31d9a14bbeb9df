"""Pictures, a data set and a weights file for the quality benchmark's tests."""

import numpy as np
from PIL import Image
from sample_upscalers import small_model
from senga.arch import save_model
from senga.benchmarks.quality_pictures import Source  # pyright: ignore[reportMissingImports]


def waves(side=48, right=0.0, down=0.0):
    """A picture of smooth waves, moved by a fraction of a pixel."""
    y, x = np.meshgrid(np.arange(side) - down, np.arange(side) - right, indexing="ij")
    planes = [np.sin(x / 3 + y / 7), np.cos(x / 5 - y / 4), np.sin((x + y) / 6)]
    return np.rint(128 + 90 * np.stack(planes, axis=2)).astype(np.uint8)


def source(name="a.png", side=48, group="made"):
    return Source(name, group, waves(side))


def data_set(folder, count=2, side=192):
    """A folder as build_dataset leaves it, with `count` validation pictures from two sources."""
    lines = ["file,split,source,licence,width,height"]
    for i in range(count + 1):
        split = "val" if i < count else "train"
        Image.fromarray(np.roll(waves(side), 7 * i, axis=1)).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{split},source_{i % 2},CC0-1.0,{side},{side}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def made_file(folder, name="mine.safetensors", **extra):
    save_model(folder / name, small_model("espcn_7", widths=[4, 4], **extra))
    return folder / name

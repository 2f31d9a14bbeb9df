"""What a node shows while it upscales: progress after each tile, and twice a second the picture so far."""

import time
from collections.abc import Callable

from PIL import Image
from torch import Tensor

from ..arch.pictures.preview import Preview, tiles_text
from ..arch.tiling import Tile

EVERY = 0.5  # seconds between two pictures


class Watcher:
    """The two functions that `upscale` calls for each tile.

    Args:
        show: called with (done, total) and, when one is due, with ComfyUI's kind of preview: (format, PIL image,
            longest side).
        say: called with a line of text for each such preview; None shows neither.
        clock: seconds.
    """

    def __init__(
        self,
        show: Callable[..., None],
        say: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.show, self.say, self.clock = show, say, clock
        self.preview = Preview()
        self.tiles = 0
        self.started = self.shown = clock()

    def watch(self, core: Tile, result: Tensor, height: int, width: int, alpha: Tensor | None) -> None:
        """A finished tile, see Preview.add."""
        if self.say is not None:
            self.preview.add(core, result, height, width, alpha)

    def progress(self, done: int, total: int) -> None:
        """The same tile in numbers: input pixels."""
        self.tiles += 1
        now, picture = self.clock(), self.preview.pixels() if self.due(done >= total) else None
        if picture is None or self.say is None:
            self.show(done, total)
            return
        self.shown = now
        self.show(done, total, ("JPEG", Image.fromarray(picture.numpy()), max(picture.shape)))
        self.say(tiles_text(self.tiles, done, total, now - self.started))

    def due(self, ended: bool) -> bool:
        """Whether to show a picture: the last one only after others, since a short run is over before anybody looks."""
        if self.say is None:
            return False
        return self.shown > self.started if ended else self.clock() - self.shown >= EVERY

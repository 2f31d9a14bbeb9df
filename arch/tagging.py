"""Tag pictures of any size with a tagger: the function behind node and command."""

from collections.abc import Callable

from torch import Tensor

from .errors import Stopped
from .image import check_pictures, to_bchw
from .tagger import TaggerModel
from .tags import Options, Tagged, choose


def tag(
    model: TaggerModel,
    image: Tensor,
    options: Options | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[Tagged]:
    """Tag a batch of pictures.

    Args:
        model: runs on its own device, in float32.
        image: (B, H, W, C) float32 in [0, 1], C = 1, 3, or 4 (the fourth is alpha), any size from 1x1.
            Transparent parts count as background.
        options: which tags are chosen, and how they are written; None is `Options()`.
        progress: called with (done, total) pictures after each pass of the network.
        should_stop: called before each pass; True stops.

    Returns:
        A Tagged for each picture, in order. It does not depend on the other pictures of the batch.

    Raises:
        SengaError: the image has another shape or type, or `options` ask for thresholds that the tagger lacks.
        Stopped: `should_stop` returned True.
    """
    check_pictures(image)
    options = Options() if options is None else options
    found: list[Tagged] = []
    # Prepare one group at a time: memory does not grow with the batch.
    for group in to_bchw(image).split(model.pictures_at_once()):
        if should_stop is not None and should_stop():
            raise Stopped(f"stopped after {len(found)} of {len(image)} pictures")
        rows: list[list[float]] = model.predict(model.prepare(group)).tolist()
        found += [choose(row, model.vocabulary, options, model_sha256=model.file_sha256) for row in rows]
        if progress is not None:
            progress(len(found), len(image))
    return found

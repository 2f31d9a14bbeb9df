"""What a training opens before its first step, on every machine that takes part: recipes, weights, pictures."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ...arch import SengaError, load_upscaler
from ...arch.errors import brief
from ...arch.files.reading import why_unlisted
from ..run.agreement import agree_on_pictures, check_alike
from ..run.processes import Processes
from ..run.run_folder import check_scratch
from ..run.settings import to_dict
from ..run.start_from import take_over
from .pairs.pair_set import open_pictures, uses_folder
from .patches import check_shares
from .pictures.crops import MARGIN
from .pictures.picture_files import find_shards
from .pictures.picture_set import PictureSet, check_set
from .recipes import check_recipes, described
from .settings import Settings
from .validation.metrics import check_ssimulacra2
from .validation.validation_crops import Crop, Own, open_own, validation_crops


def prepare(processes: Processes, settings: Settings, scale: int, net: nn.Module) -> None:
    """What can go wrong before every picture is looked at. Gives `net` the weights of `model.start_from`.

    Raises:
        SengaError: a recipe, a condition or the weights do not fit, something is missing, or machines differ.
    """
    data, start_from = settings.data, settings.model.start_from

    def check() -> dict[str, Any]:
        check_recipes(data.degradation, settings.run.conditions, scale)
        check_scratch()
        check_ssimulacra2()
        if start_from:
            take_over(net, starting_weights(start_from), start_from)
        check_names(settings)
        return {"the recipe": described(data.degradation, scale)}

    check_alike(processes, to_dict(settings) | processes.agreed(check))


def check_names(settings: Settings) -> None:
    """Raises SengaError for a folder or a shard of pictures that is not there, other than `data.folder`: that one is
    looked at first, for minutes where it is large, and only then these."""
    val = settings.val
    folders = {"val.folder": val.folder} if val.folder else {}
    folders |= {f"val.sets.{domain}": folder for domain, folder in val.sets.items()}
    pairs = [("data.pairs", pair) for pair in settings.data.pairs] + [("val.pairs", pair) for pair in val.pairs]
    either = [(setting, name) for setting, pair in pairs for name in (pair.lr, pair.hr)]
    for setting, name in [*folders.items(), *(one for one in either if not one[1].endswith(".tar"))]:
        if why := why_unlisted(Path(name)):
            raise SengaError(f"{setting}: {brief(name)}: {why}; name a folder of pictures")
    for setting, name in either:
        if name.endswith(".tar"):
            try:
                find_shards(name)
            except SengaError as error:
                raise SengaError(f"{setting}: {error}") from error


def open_all(
    processes: Processes, settings: Settings, scale: int, folder: Path
) -> tuple[PictureSet, Own, list[Crop], int]:
    """The set with the hash and licences of what all machines have; a user's own pictures; the crops to validate on;
    and the place of this process among all, which says what part of a batch it makes.

    Args:
        folder: of the run, for the list of pictures that are not used.

    Raises:
        SengaError: nothing usable is there, or machines have other pictures.
    """
    data = settings.data

    def look() -> tuple[PictureSet, Own, list[Crop]]:
        pictures, own = open_pictures(data, scale), open_own(settings.val, scale)
        if uses_folder(data):
            check_set(pictures, (data.patch + 2 * MARGIN) * scale, folder if processes.rank == 0 else None)
            check_shares(pictures, data, scale)
        return pictures, own, validation_crops(pictures, settings.val, scale, own)

    pictures, own, crops = processes.in_turns(look, apart=data.per_host)
    count = len(pictures.train) + sum(len(pair.train) for pair in pictures.pairs)
    every = agree_on_pictures(processes, pictures.sha256, pictures.licences, count, per_host=data.per_host)
    pictures.sha256, pictures.licences = every.sha256, every.licences
    return pictures, own, crops, every.place


def starting_weights(path: str) -> dict[str, Tensor]:
    """The tensors of `model.start_from`. Raises SengaError for what is not an upscaler's file."""
    try:
        return load_upscaler(path).model.state_dict()
    except SengaError as error:
        raise SengaError(f"model.start_from: {error}") from error

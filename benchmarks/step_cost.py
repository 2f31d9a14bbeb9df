"""What a training step costs in time of the processor, measured before a run, so that runs of equal time can be made.

Time of the processor and not of the clock: other work on the machine does not count. Set torch's threads to 1 first.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median

from senga.arch import UpscaleModel
from senga.training.run.devices import make_fabric
from senga.training.run.ema import make_average
from senga.training.run.optimisers import make_optimisers, set_learning_rate, step_optimisers
from senga.training.run.schedule import learning_rate
from senga.training.run.settings import to_dict
from senga.training.sr.losses.table import make_loss
from senga.training.sr.pairs.pair_set import open_pictures
from senga.training.sr.patches import batch
from senga.training.sr.pictures.picture_set import PictureSet
from senga.training.sr.settings import Settings
from senga.training.sr.step import Step

TIMED = 4  # steps whose cost is measured, after WARM others
WARM = 2

Pictures = dict[str, PictureSet]  # sets that are open, by what is asked of them


def seconds_each(many: Sequence[Settings]) -> list[float]:
    """Seconds of the processor that a step of each training takes, its batch included: medians of TIMED steps.

    The trainings take turns, so that whatever slows the processor for a while slows all of them alike.
    """
    pictures: Pictures = {}
    steps = [_training(settings, pictures) for settings in many]
    rounds = [[step(number) for step in steps] for number in range(WARM + TIMED)]
    return [median(seconds) for seconds in zip(*rounds[WARM:], strict=True)]


def _training(settings: Settings, pictures: Pictures) -> Callable[[int], float]:
    """The number of a step -> the seconds it took. The step is a real one, without a discriminator."""
    model = UpscaleModel.create(settings.model.architecture, **settings.model.hyperparameters)
    net = model.model.requires_grad_(True).train()
    fabric, _ = make_fabric(settings.run.precision, bf16=model.supports_bfloat16, half=model.supports_half)
    loss_of = make_loss(**to_dict(settings.loss))
    learn = Step(fabric, fabric.setup_module(net), net, loss_of, settings.gan, None, None, settings.optim.accumulate)
    optimisers = make_optimisers(net, settings.optim)
    average = make_average(net, settings.optim, optimisers)
    asked = repr(settings.data)
    if asked not in pictures:
        pictures[asked] = open_pictures(settings.data, model.scale)
    own = pictures[asked]

    def step(number: int) -> float:
        cut = (own, settings.data, model.scale, settings.seed, number)
        batch(*cut)  # a long run has most pictures decoded already
        began = time.process_time()
        lr, hr = batch(*cut)
        set_learning_rate(optimisers, learning_rate(number, settings.optim))
        learn.gradients(lr, hr)
        step_optimisers(net, optimisers, settings.optim.clip)
        average.update(net, number)
        return time.process_time() - began

    return step

"""The choice among several starts: each is trained a little, and the best goes on."""

import math
from dataclasses import dataclass
from typing import Any

# Each start is trained for so many batches, but at most for half of the training.
RACE_BATCHES = 1000


@dataclass(frozen=True)
class Start:
    """Initial weights of a network.

    Parameters
    ----------
    name : str
        Where they come from.
    values : list of ndarray
        One for each variable of the autoencoder.
    """

    name: str
    values: Any


def choose_start(engine, data, starts, n_epochs, rng):
    """Train a little from each start, and return the best.

    Each start gets the same number of batches, of some samples if there are many, so
    that the choice costs as much for large data as for small data. The engine is left
    as it is before training, with the weights of the best.

    Parameters
    ----------
    engine : CompiledEngine or KerasEngine
        Not yet used.
    data : FitData
        Validation samples choose; where there are none, training samples.
    starts : sequence of Start
        The starts.
    n_epochs : int
        Maximum number of epochs of the training that follows.
    rng : numpy.random.RandomState
        Draws and shuffles samples.

    Returns
    -------
    Start
        The one with the lowest loss, the first one if all became NaN.
    """
    samples = data.train
    n_rows = min(RACE_BATCHES * engine.batch_size, n_epochs * len(samples) // 2)
    n_rows = max(n_rows, 1)
    if len(samples) > n_rows:
        samples = samples.subset(rng.choice(samples.indices, n_rows, replace=False))
    judges = samples if data.val is None else data.val
    losses = []
    for start in starts:
        engine.restart(start.values)
        losses.append(math.inf)
        for _ in range(math.ceil(n_rows / len(samples))):
            engine.run_epoch(samples, samples.shuffled(rng), silent=True)
            loss = engine.evaluate(judges, silent=True)["loss"]
            losses[-1] = min(losses[-1], loss if math.isfinite(loss) else math.inf)
    best = starts[losses.index(min(losses))]
    engine.restart(best.values)
    return best

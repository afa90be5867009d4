"""The choice among several starts: each is trained a little, and the best goes on."""

import math
from dataclasses import dataclass

# Each start is trained for so many batches, but at most for a share of the training.
TRIAL_BATCHES = 1000
TRIAL_SHARE = 0.25
# Another start than the first has to have a loss lower by this share: networks trained
# from PCA extrapolate better, which few validation samples do not show.
MARGIN = 0.05


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
    values: list


def choose_start(engine, data, starts, options, rng):
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
    options : TrainingOptions
        How the chosen start will be trained.
    rng : numpy.random.RandomState
        Draws and shuffles samples.

    Returns
    -------
    Start
        The one with the lowest loss; the first one, if no other is clearly better.
    """
    samples = data.train
    n_training = options.epochs * (options.epoch_samples or len(samples))
    n_rows = min(TRIAL_BATCHES * engine.batch_size, int(TRIAL_SHARE * n_training))
    n_rows = max(n_rows, 1)
    if len(samples) > n_rows:
        samples = samples.subset(rng.choice(samples.indices, n_rows, replace=False))
    judges = samples if data.val is None else data.val
    losses = []
    for start in starts:
        engine.restart(start.values)
        if options.peak_learning_rate is not None:
            engine.optimizer.learning_rate = options.peak_learning_rate
        losses.append(math.inf)
        for _ in range(math.ceil(n_rows / len(samples))):
            engine.run_epoch(samples, samples.shuffled(rng), silent=True)
            loss = engine.evaluate(judges, silent=True)["loss"]
            losses[-1] = min(losses[-1], loss if math.isfinite(loss) else math.inf)
    clearly_better = min(losses) < (1 - MARGIN) * losses[0]
    best = starts[losses.index(min(losses)) if clearly_better else 0]
    engine.restart(best.values)
    return best

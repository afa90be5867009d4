"""A training that is planned for a number of seconds."""

import math
from dataclasses import replace
from time import perf_counter

import numpy as np

from .._backend import read_values
from .._formats import RowEpoch
from ._starts import TRIAL_BATCHES, TRIAL_SHARE

# Batches that are trained on to measure their duration.
TIMED_BATCHES = 100
# Share of the time that is planned for; batches do not all take the same.
PLANNED_SHARE = 0.9
# A schedule needs some epochs to settle: where fewer fit, each has fewer samples.
LEAST_EPOCHS = 10


def plan_for_time(engine, data, options, n_starts, began):
    """Choose epochs, and their samples, such that training ends in time.

    Some batches are trained on to measure their duration, after which the engine is
    left as it was.

    Parameters
    ----------
    engine : CompiledEngine or KerasEngine
        Not yet used.
    data : FitData
        Training and validation samples.
    options : TrainingOptions
        How to train; `max_time` is a number of seconds.
    n_starts : int
        Number of starts to choose from.
    began : float
        When the time began, by `time.perf_counter`.

    Returns
    -------
    TrainingOptions
        The same, unless `epochs` is too many.
    """
    n_samples, batch_size = len(data.trained_on), engine.batch_size
    per_sample, per_validation = _durations(engine, data)
    left = PLANNED_SHARE * (began + options.max_time - perf_counter())
    # A trial is of so many batches, but at most a share of the training; the last start
    # may have two.
    tried = n_starts + 1 if n_starts > 1 else 0
    trial_rows = TRIAL_BATCHES * batch_size
    n_passes = math.ceil(trial_rows / n_samples)
    trials = tried * (trial_rows * per_sample + n_passes * per_validation)
    left = max(left - trials, left / (1 + tried * TRIAL_SHARE))
    per_epoch = n_samples * per_sample + per_validation
    epochs = min(left / per_epoch, options.epochs)
    if epochs >= min(LEAST_EPOCHS, options.epochs):
        return replace(options, epochs=int(epochs))
    epochs = min(LEAST_EPOCHS, options.epochs)
    rows = (left / epochs - per_validation) / per_sample
    rows = int(np.clip(rows, min(batch_size, n_samples), n_samples))
    return replace(options, epochs=epochs, epoch_samples=rows)


def _durations(engine, data):
    """Measure seconds per training sample, and of a validation."""
    values = read_values(engine.autoencoder.variables)
    order = data.train.indices[: TIMED_BATCHES * engine.batch_size]
    seconds = {"train": 0.0, "validate": 0.0}
    for _ in range(2):  # the first time compiles
        begin = perf_counter()
        engine.run_epoch(RowEpoch(data.train, order), silent=True)
        seconds["train"] = perf_counter() - begin
        if data.val is not None:
            begin = perf_counter()
            engine.evaluate(data.val, silent=True)
            seconds["validate"] = perf_counter() - begin
    engine.restart(values)
    return seconds["train"] / len(order), seconds["validate"]

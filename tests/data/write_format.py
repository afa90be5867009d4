"""Write the files that every later version has to load. Run once for each format."""

from pathlib import Path

import joblib
import numpy as np

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae._state import FORMAT
from skae.architectures import DenseArchitecture


def write(folder):
    X = np.random.RandomState(0).normal(size=(40, 4))
    shared = {"architecture": DenseArchitecture((4,)), "epochs": 2, "random_state": 0}
    transformer = AutoencoderTransformer(2, **shared).fit(X)
    detector = AutoencoderOutlierDetector(2, calibration=0.5, **shared).fit(X)
    for name, estimator in {"transformer": transformer, "detector": detector}.items():
        joblib.dump(estimator, folder / f"format_{FORMAT}_{name}.joblib", compress=3)
    np.savez_compressed(
        folder / f"format_{FORMAT}.npz",
        X=X,
        transformer=transformer.transform(X),
        detector=detector.score_samples(X),
    )


if __name__ == "__main__":  # pytest imports it, too, in search of doctests
    write(Path(__file__).parent)

"""What running the code of the pages needs, in the documentation and in its test."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd

# Packages that pages show, but few need.
_OPTIONAL = ["mlflow", "imblearn"]


def has_packages(code):
    """Check whether the optional packages that a block uses are installed."""
    return not any(
        name in code and importlib.util.find_spec(name) is None for name in _OPTIONAL
    )


def write_measurements(folder):
    """Write measurements.csv, which the pages read as the file of a reader."""
    rng = np.random.RandomState(0)
    age = rng.uniform(1, 10, 300)
    kind = rng.choice(["lake", "river"], 300)
    length = 12 + 2.5 * age - 0.09 * age**2 + 3 * (kind == "river")
    table = pd.DataFrame(
        {
            "length": length + rng.normal(0, 0.8, 300),
            "width": 0.3 * length + rng.normal(0, 0.3, 300),
            "weight": 0.011 * length**3 * rng.lognormal(0, 0.06, 300),
            "age": age,
        }
    )
    table.loc[17, "weight"] *= 3
    table.loc[104, ["length", "width"]] = table.loc[104, ["width", "length"]].to_numpy()
    table.loc[211, "age"] = 19
    table = table.round(1).mask(rng.uniform(size=table.shape) < 0.03)
    table.assign(kind=kind).to_csv(Path(folder, "measurements.csv"), index=False)

"""Fitted models where neither Keras nor TensorFlow is installed."""

import copy
import os
import re
import subprocess
import sys
import venv
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from _scoring import TRAINING, computed
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import (
    ConvolutionalArchitecture,
    DenseArchitecture,
    VariationalArchitecture,
)
from skae.preprocessing import TableScaler

# What runs in that environment is not measured here.
pytestmark = pytest.mark.no_cover

INSTALL_PAGE = Path(__file__).parents[1] / "docs" / "install.rst"
SCRIPT = Path(__file__).with_name("_scoring.py")
SMALL = {"epochs": 2, "random_state": 0}


def documented_requirements():
    """What the installation page says to install for scoring."""
    command = re.search(
        r"python -m pip install (\".*)\n +python -m pip install --no-deps",
        INSTALL_PAGE.read_text(encoding="utf-8"),
    )
    return re.findall(r'"([^"]+)"', command[1])


def test_documented_requirements_are_those_of_the_package():
    """All but those of training and plots, with their lowest versions."""
    others = {*TRAINING, "matplotlib"}
    needed = [Requirement(text) for text in requires("skae")]
    needed = [r for r in needed if r.marker is None and r.name not in others]
    documented = [Requirement(text) for text in documented_requirements()]
    assert sorted(map(str, documented)) == sorted(map(str, needed))


def with_requirements(names):
    """Distributions, and those that they require."""
    found, waiting = {}, list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found[name] = distribution(name)
            needed = map(Requirement, found[name].requires or [])
            waiting += [
                r.name
                for r in needed
                if r.marker is None or r.marker.evaluate({"extra": ""})
            ]
    assert not {*TRAINING} & {*found}
    return found.values()


def link_distributions(names, folder):
    """Make distributions of this environment importable from a folder."""
    for found in with_requirements(names):
        parts = {file.parts[0] for file in found.files or []}
        for part in parts - {"..", "__pycache__"}:
            if not (folder / part).exists():
                (folder / part).symlink_to(found.locate_file(part))


def link_skae(folder):
    """Also where it is installed as editable, or not at all."""
    (folder / "skae").symlink_to(Path(skae.__file__).parent)
    try:
        files = distribution("skae").files
    except PackageNotFoundError:
        return
    for part in {file.parts[0] for file in files}:
        if part.endswith(".dist-info"):
            target = distribution("skae").locate_file(part)
            (folder / part).symlink_to(target)


class Environment:
    """An environment with what the installation page names.

    Parameters
    ----------
    folder : pathlib.Path
        Where to make it.
    """

    def __init__(self, folder):
        self.folder = folder
        venv.EnvBuilder(symlinks=True, with_pip=False).create(folder / "venv")
        self.python = folder / "venv" / "bin" / "python"
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = Path(self.run("-I", "-c", code).strip())
        names = [Requirement(text).name for text in documented_requirements()]
        link_distributions(names, site)
        link_skae(site)

    def add(self, *names):
        """Make a folder of further distributions, to be given to `run`."""
        extras = self.folder / "-".join(names)
        extras.mkdir()
        link_distributions(names, extras)
        return {"PYTHONPATH": str(extras)}

    def run(self, *arguments, **variables):
        """Run Python; return what it prints, or fail with what it writes."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        ran = subprocess.run(
            [self.python, *arguments],
            env=kept | {"PYTHONNOUSERSITE": "1"} | variables,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    if os.name == "nt":
        pytest.skip("links to folders need a right on Windows")
    folder = tmp_path_factory.mktemp("environment")
    return Environment(folder)


@pytest.fixture(scope="module")
def models(X, transformer):
    labels = np.where(np.arange(len(X)) < 10, -1, 1)
    normalized = DenseArchitecture((8,), "gelu", normalization="batch", dropout=0.1)
    tied = DenseArchitecture((8,), tied_weights=True, normalization="layer")
    variational = VariationalArchitecture((8,))
    models = {
        "pipeline": make_pipeline(
            StandardScaler(), AutoencoderOutlierDetector(calibration=0.2, **SMALL)
        ),
        "folds": AutoencoderOutlierDetector(2, calibration=KFold(2), **SMALL),
        "labels": AutoencoderOutlierDetector(2, use_labels=True, **SMALL),
        "ordered": AutoencoderTransformer(3, ordered=True, **SMALL),
        "normalized": AutoencoderTransformer(2, architecture=normalized, **SMALL),
        "tied": AutoencoderTransformer(
            2, architecture=tied, loss=keras.losses.Huber(), **SMALL
        ),
        "variational": AutoencoderTransformer(2, architecture=variational, **SMALL),
    }
    for model in models.values():
        model.fit(X, labels)
    truncated = models["ordered"].truncate(2)
    return models | {"truncated": truncated, "transformer": copy.deepcopy(transformer)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, models, X):
    """Folder with files of the models, and of two that need Keras."""
    folder = tmp_path_factory.mktemp("models")
    np.save(folder / "X.npy", X[:100])
    convolutional = ConvolutionalArchitecture((4,), sample_shape=(8, 8, 1))
    fitted = AutoencoderTransformer(2, architecture=convolutional, **SMALL).fit(X)
    joblib.dump(fitted, folder / "convolutional.joblib")
    joblib.dump(models["tied"], folder / "loss.joblib")
    models["tied"].set_params(loss=None)
    joblib.dump(models, folder / "models.joblib")
    return folder


def test_all_but_training(environment, folder, models, X):
    """Load, compute, copy and write again; what is written is a whole model."""
    # As joblib's workers have it.
    environment.run(SCRIPT, "arrays", folder, OMP_NUM_THREADS="1")
    again = joblib.load(folder / "again.joblib")
    for name, model in models.items():
        expected = computed(model, X[:100])
        with np.load(folder / f"{name}.npz") as found:
            for one, other in zip(found.values(), expected, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    expected = copy.deepcopy(models["transformer"]).partial_fit(X).transform(X)
    found = again["transformer"].partial_fit(X).transform(X)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_tables(environment, tmp_path):
    """What the optional packages read: DataFrames, files of skops and of Parquet."""
    skops_io = pytest.importorskip("skops.io")
    z = np.random.RandomState(0).normal(size=200)
    kind = np.where(z > 0, "a", "b")
    table = pd.DataFrame({"size": z, "count": np.round(3 * z), "kind": kind})
    table.to_parquet(tmp_path / "table.parquet")
    detector = AutoencoderOutlierDetector(1, calibration=0.2, **SMALL)
    model = make_pipeline(TableScaler(), detector).fit(table)
    skops_io.dump(model, tmp_path / "table.skops")
    extras = environment.add("pandas", "pyarrow", "skops")
    environment.run(SCRIPT, "tables", tmp_path, **extras)
    found = np.load(tmp_path / "scores.npy")
    np.testing.assert_allclose(found, model.score_samples(table), rtol=1e-6)


def test_displays(environment, folder):
    environment.run(SCRIPT, "displays", folder, **environment.add("matplotlib"))


def test_workers_of_joblib(environment, folder):
    environment.run(SCRIPT, "workers", folder)


@pytest.mark.skipif(
    sys.platform != "linux", reason="forks are not safe on macOS, nor on Windows"
)
def test_forks_of_a_service(environment, folder):
    environment.run(SCRIPT, "forks", folder)

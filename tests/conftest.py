import gc
import os

# scikit-learn runs its array API check only where SciPy is told so before its import.
os.environ.setdefault("SCIPY_ARRAY_API", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# Doctests print what they say, without TensorFlow's logs. Only before its import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Workers of pytest-xdist share the cores: more threads of BLAS would wait for one.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from sklearn import datasets
from sklearn.utils import Bunch

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import DenseArchitecture


def pytest_collection_finish():
    """Leave what the tests import out of all later searches for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def X():
    """300 digits of 64 pixels in [0, 1]."""
    return datasets.load_digits().data[:300] / 16


@pytest.fixture(scope="session")
def small():
    """Parameters of a quick fit; a test that changes one clones the estimator."""
    return {
        "n_components": 3,
        "architecture": DenseArchitecture((16,), start="random"),
        "epochs": 3,
        "random_state": 0,
    }


@pytest.fixture(scope="session")
def transformer(X, small):
    """Fitted; a test that changes it takes a copy."""
    return AutoencoderTransformer(**small).fit(X)


@pytest.fixture(scope="session")
def detector(X, small):
    return AutoencoderOutlierDetector(**small).fit(X)


@pytest.fixture
def short_runs(monkeypatch):
    """Make short what takes the time: 200 digits; few epochs where none are said."""
    digits = datasets.load_digits()
    few = Bunch(**{key: digits[key][:200] for key in ("data", "images", "target")})
    monkeypatch.setattr(
        datasets,
        "load_digits",
        lambda return_X_y=False: (few.data, few.target) if return_X_y else few,
    )
    for Estimator in (AutoencoderTransformer, AutoencoderOutlierDetector):
        monkeypatch.setitem(Estimator.__init__.__kwdefaults__, "epochs", 4)


@pytest.fixture(params=[AutoencoderTransformer, AutoencoderOutlierDetector])
def Estimator(request):
    return request.param

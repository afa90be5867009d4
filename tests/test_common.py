import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import DenseArchitecture
from skae.impute import AutoencoderImputer

# Batches of one size, so that checks on data of several sizes share compiled programs.
SMALL = {"architecture": DenseArchitecture((8,)), "epochs": 2, "batch_size": 10}


@pytest.mark.no_cover
@parametrize_with_checks(
    [
        AutoencoderTransformer(**SMALL),
        AutoencoderOutlierDetector(**SMALL),
        AutoencoderImputer(architecture=DenseArchitecture((8,)), epochs=2),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)

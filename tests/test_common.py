from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import DenseArchitecture

SMALL = {"architecture": DenseArchitecture((8,)), "epochs": 5}


@parametrize_with_checks(
    [AutoencoderTransformer(**SMALL), AutoencoderOutlierDetector(**SMALL)]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)

from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import AutoencoderOutlierDetector, AutoencoderTransformer


@parametrize_with_checks([AutoencoderTransformer(), AutoencoderOutlierDetector()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)

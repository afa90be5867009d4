"""Networks that take NaN for a missing cell."""

from .._backend import leaf_layers
from .._missing import MAX_FEATURES, NormalDistribution, observed_means


def fit_filling(networks, X):
    """Set what layers put in the place of missing cells, from training samples.

    Parameters
    ----------
    networks : Networks
        Changed in place, if they take missing cells.
    X : ndarray of shape (n_samples, n_features)
        Training samples.
    """
    from ._layers import FillCells

    layers = [x for x in leaf_layers(networks.encoder) if isinstance(x, FillCells)]
    if not layers:
        return
    if X.shape[1] > MAX_FEATURES:
        weights = [observed_means(X)]
    else:
        weights = NormalDistribution.fit(X).weights()
    for layer in layers:
        layer.set_distribution(*weights)

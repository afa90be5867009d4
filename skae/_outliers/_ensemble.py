"""One anomaly from several cuts of a code."""

import numpy as np
from sklearn.utils import gen_batches

from .._inference import CHUNK_ROWS
from ._scores import Contributions, make_score


class CutScores:
    """Scores of the first few codes, for several numbers of them, and their mean.

    Parameters
    ----------
    kind : str or callable
        Which score, as `make_score` takes it.
    cuts : list of int
        Numbers of codes. All others are set to 0 before they are decoded.
    """

    def __init__(self, kind, cuts):
        self.cuts = cuts
        self.scores = [make_score(kind) for _ in cuts]

    @property
    def count_codes(self):
        """Whether codes contribute, and not features alone."""
        return any(score.of_codes for score in self.scores)

    def fit(self, X, encode, decode):
        """Learn from training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Training rows, as many as `draw_rows` chooses.
        encode, decode : callable
            From rows to codes, and back.

        Returns
        -------
        CutScores
            This object.
        """
        for score, triple in self._cut(X, encode(X), decode):
            score.fit(*triple)
        return self

    def anomaly(self, X, encode, decode):
        """Say how anomalous rows are.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows.
        encode, decode : callable
            From rows to codes, and back.

        Returns
        -------
        ndarray of shape (n_samples,), of the dtype of X
            The higher, the more anomalous.
        """
        anomaly = np.empty(len(X), X.dtype)
        for rows in gen_batches(len(X), CHUNK_ROWS):
            chunk = X[rows]
            members = [
                score.anomaly(*triple)
                for score, triple in self._cut(chunk, encode(chunk), decode)
            ]
            anomaly[rows] = sum(members) / len(members)
        return anomaly

    def contributions(self, X, encode, decode):
        """Say what adds up to the anomaly of each row.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows.
        encode, decode : callable
            From rows to codes, and back.

        Returns
        -------
        Contributions
            Of features and of all codes, in the dtype of X.
        """
        Z = encode(X)
        features, codes = np.zeros_like(X), np.zeros_like(Z, X.dtype)
        for score, triple in self._cut(X, Z, decode):
            parts = score.contributions(*triple)
            features += parts.features / len(self.cuts)
            codes[:, : parts.codes.shape[1]] += parts.codes / len(self.cuts)
        return Contributions(features, codes)

    def _cut(self, X, Z, decode):
        """Give each score with rows, reconstructions and codes."""
        for score, cut in zip(self.scores, self.cuts, strict=True):
            kept = Z
            if cut < Z.shape[1]:
                kept = Z.copy()
                kept[:, cut:] = 0
            yield score, (X, decode(kept), Z[:, :cut])

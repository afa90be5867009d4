"""An anomaly score together with the networks that it is computed by."""

import numpy as np

from .._threads import map_chunks, map_in_order, one_thread_each
from ._ensemble import truncate

# Samples that are scored at a time.
CHUNK_SAMPLES = 1024


class NetworkScorer:
    """Scores encoded samples by networks and an anomaly score.

    Parameters
    ----------
    networks : FittedNetworks
        Encode and decode.
    columns : Columns
        Which features are one column.
    score : TruncationScore or LabelledScore
        The anomaly score.
    """

    def __init__(self, networks, columns, score):
        self.networks = networks
        self.columns = columns
        self.score = score

    def triple(self, X, filled=None):
        """Return samples, their reconstructions by each truncation, and their codes.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Encoded samples.
        filled : ndarray of shape (n_samples, n_features), default=None
            The same without missing cells, which the networks are shown in their place.

        Returns
        -------
        X : ndarray of shape (n_samples, n_columns)
            Samples, with one value per column.
        X_hat : list of ndarray of shape (n_samples, n_columns)
            Their reconstructions.
        Z : ndarray of shape (n_samples, n_components)
            Their codes.
        """
        Z = self.networks.encode(X if filled is None else filled)
        pairs = [
            self.columns.compare(X, self.networks.decode(truncate(Z, size)))
            for size in self.score.sizes
        ]
        return pairs[0][0], [expected for _, expected in pairs], Z

    def score_samples(self, X, indices=None):
        """Score samples; the higher, the more normal.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Encoded samples.
        indices : ndarray of int, default=None
            Which of them; None for all.

        Returns
        -------
        ndarray of shape (n_samples,), of the dtype of X
            The scores.
        """
        parts = self.map(
            lambda part: self.score.anomaly(*self.triple(part)), X, indices
        )
        return -np.concatenate(list(parts))

    def map(self, function, X, indices=None):
        """Call a function that computes the score, part by part of the samples.

        Parameters
        ----------
        function : callable
            Takes a part of the samples.
        X, indices : ndarray
            As `score_samples` takes them.

        Returns
        -------
        iterator
            What `function` returns, in the order of the samples.
        """

        def call(rows):
            part = X[rows if indices is None else indices[rows]]
            # Overflow means outliers, of which scores know.
            with (
                one_thread_each(),
                np.errstate(over="ignore", invalid="ignore", under="ignore"),
            ):
                return function(part)

        in_threads = self.score.is_thread_safe and self.networks.run_in_numpy
        map_all = map_chunks if in_threads else map_in_order
        return map_all(call, len(X) if indices is None else len(indices), CHUNK_SAMPLES)

    def write_onnx(self, writer, X, Z, *, may_miss):
        """Add the nodes of `score_samples` to an ONNX graph.

        Parameters
        ----------
        writer : skae.onnx.GraphWriter
            Adds nodes.
        X, Z : str
            Names of the samples and of their codes.
        may_miss : bool
            Whether samples may have missing cells.

        Returns
        -------
        str
            Name of the scores. Samples that `score_samples` would refuse have the
            lowest one.
        """
        add = writer.add
        X_hat = []
        for size in self.score.sizes:
            kept = (np.arange(self.networks.n_components) < size).astype(np.float32)
            X_hat.append(self.networks.write_decoder(writer, add("Mul", Z, kept)))
        missing = add("IsNaN", X) if may_miss else None
        anomaly = self.score.write_onnx(writer, X, X_hat, Z, missing)
        refused = add("IsInf", X) if may_miss else add("IsNaN", add("Sub", X, X))
        refused = add("ReduceMax", add("Cast", refused, to=1), [1], keepdims=0)
        largest = float(np.finfo(np.float32).max)
        anomaly = add("Where", add("Greater", refused, 0.0), largest, anomaly)
        return add("Neg", anomaly)

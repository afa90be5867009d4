"""What the networks of a fitted estimator compute: codes and reconstructions."""

from html import escape

import numpy as np
from sklearn.utils.validation import check_array, check_is_fitted

from ._blocks import check_in_memory
from ._frames import index_of
from ._missing import LARGEST_HIDDEN_SHARE, has_missing, refuse_masked
from .parallel import takes_lazy

# Fitted attributes: Keras models that share their weights.
KERAS_MODELS = ("encoder_", "decoder_", "autoencoder_")
# Rounds in which reconstructions improve what missing cells are filled with, where no
# training sample had any.
N_FILLING_ROUNDS = 10


class ReconstructionMixin:
    """What an estimator computes of validated samples with its networks, `_fitted`."""

    # Means of features; None in files of versions that took no missing cells.
    _centre = None

    # Methods whose results can be exported to ONNX.
    _onnx_outputs = ("encode", "reconstruct")

    @takes_lazy
    def reconstruct(self, X):
        """Reconstruct X: encode it, and decode its latent representation.

        Parameters
        ----------
        X : array-like of the shape that `fit` takes
            Samples to reconstruct.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or of the shape of the images fitted, \
                or DataFrame
            The reconstructions, in the dtype of X; a table, if the estimator was fitted
            on one with categories.
        """
        check_is_fitted(self)
        index = index_of(X)
        return self._present(self._reconstruct(self._validate(X)), index)

    def summary(self, *, print_fn=print):
        """Print layers, shapes, numbers of parameters and the compression factor.

        Parameters
        ----------
        print_fn : callable, default=print
            It is called with the text.
        """
        check_is_fitted(self)
        print_fn(self._fitted.describe())

    # Attributes that are made when they are asked for. They are no properties, since
    # scikit-learn evaluates all of those, and would start TensorFlow.

    def __getattr__(self, name):
        if name not in KERAS_MODELS or "_fitted" not in vars(self):
            return super().__getattribute__(name)  # raises, with its own cause
        return getattr(self._fitted.share(), name.rstrip("_"))

    def __dir__(self):
        fitted = vars(self).get("_fitted")
        are_built = fitted is not None and fitted.are_built
        return [*super().__dir__(), *(KERAS_MODELS if are_built else ())]

    @property
    def _repr_html_(self):
        """Add the network to scikit-learn's HTML representation, once there is one."""
        diagram = super()._repr_html_  # an AttributeError where diagrams are off
        fitted = vars(self).get("_fitted")
        if fitted is None or fitted.description is None:
            return diagram
        network = (
            f"<details><summary>Network: {fitted.n_parameters:,} parameters, "
            f"{fitted.n_components:,} components</summary>"
            f"<pre>{escape(fitted.description)}</pre></details>"
        )
        return lambda: diagram() + network

    def _encode(self, X):
        if not self._network_takes_missing and has_missing(X):
            X = self._fill(X)
        return self._run_encoder(X)

    def _run_encoder(self, X):
        codes = self._fitted.encode(X.reshape(len(X), *self._sample_shape))
        return codes.reshape(len(X), self.n_components_)

    def _decode(self, codes):
        samples = self._fitted.decode(
            codes.reshape(len(codes), *self._fitted.code_shape)
        )
        return samples.reshape(len(codes), -1)

    def _decode_checked(self, codes):
        """Decode what a user passed; images and tables have their form again."""
        index = index_of(codes)
        check_in_memory(codes, "codes")
        refuse_masked(codes, "codes")
        codes = check_array(codes, dtype=[np.float64, np.float32])
        if codes.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {codes.shape[1]} columns, but codes of this "
                f"{type(self).__name__} have {self.n_components_} components."
            )
        return self._present(self._decode(codes), index)

    def _reconstruct(self, X):
        return self._decode(self._encode(X))

    def _fill(self, X):
        """Fill missing cells by reconstructions, beginning with the means.

        That is for networks that are not told which cells are missing. The number of
        rounds is fixed, so that the result for a sample does not depend on others.
        """
        if self._centre is None:
            raise ValueError(
                f"X contains NaN, but this {type(self).__name__} was fitted by a "
                "version of skae that did not take missing cells. Fit it again."
            )
        missing = np.isnan(X)
        X = np.where(missing, self._centre.astype(X.dtype), X)
        rows = np.flatnonzero(missing.any(axis=1))
        for _ in range(N_FILLING_ROUNDS):
            # Not `_encode`: where networks overflow, there may be NaN again.
            X_hat = self._decode(self._run_encoder(X[rows]))
            X[rows] = np.where(missing[rows], X_hat, X[rows])
        return X

    @property
    def _built_missing(self):
        """Return the share of hidden cells that the network was built with."""
        share = self._build_arguments.get("missing", False)
        return LARGEST_HIDDEN_SHARE if share is True else float(share)

    @property
    def _network_takes_missing(self):
        return self._built_missing > 0

    @property
    def _codes_are_ordered(self):
        return self._build_arguments["ordered"]

    def _check_onnx(self):
        """Check that networks of this kind of samples can be exported."""
        if self._table is not None:
            raise ValueError(
                f"This {type(self).__name__} was fitted on columns of categories, "
                "which cannot be exported. Encode them in front, by OneHotEncoder of "
                "sklearn.preprocessing, or save the estimator by joblib."
            )

    def _write_onnx(self, writer, X, outputs):
        """Add nodes of some outputs to an ONNX graph; return their names by method."""
        self._check_onnx()
        if len(self._sample_shape) > 1:
            X = writer.reshape(X, [self.n_features_in_])
        Z = self._write_encoder(writer, self._write_filled(writer, X))
        written = {}
        if "reconstruct" in outputs:
            X_hat = self._write_decoder(writer, Z)
            written["reconstruct"] = writer.reshape(X_hat, self._sample_shape)
        return self._write_outputs(writer, X, Z, outputs) | written

    def _write_outputs(self, writer, X, Z, outputs):
        """Add what a subclass computes of flat samples and codes."""
        return {self._onnx_outputs[0]: Z}

    def _write_filled(self, writer, X):
        """Add what `_encode` does before it runs the encoder."""
        if self._network_takes_missing or not self._takes_missing:
            return X

        def improve(body, X, missing):
            X_hat = self._write_decoder(body, self._write_encoder(body, X))
            is_missing = body.add("Greater", missing, 0.0)
            return body.add("Where", is_missing, X_hat, X), missing

        def expect(X, missing, rounds):
            n_rounds = rounds(N_FILLING_ROUNDS)
            X = writer.add("Where", missing, self._centre, X)
            missing = writer.add("Cast", missing, to=1)
            return writer.loop(n_rounds, improve, X, missing)[0]

        return writer.change_rows(X, writer.add("IsNaN", X), expect)

    @property
    def _takes_missing(self):
        """Whether X may have missing cells."""
        is_taken = getattr(self.architecture_, "takes_missing", False)
        return is_taken and self._centre is not None

    def _write_encoder(self, writer, X):
        X = writer.reshape(X, self._sample_shape)
        Z = self._fitted.write_onnx(writer, "encoder", X)
        return writer.reshape(Z, [self.n_components_])

    def _write_decoder(self, writer, Z):
        codes = writer.reshape(Z, self._fitted.code_shape)
        X_hat = self._fitted.write_onnx(writer, "decoder", codes)
        return writer.reshape(X_hat, [self.n_features_in_])

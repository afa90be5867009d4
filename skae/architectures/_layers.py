"""Keras layers of skae's architectures; imported once a network is built.

Each layer describes itself to `skae._layer_traits`: its class attribute `row_wise` says
whether it treats each sample by itself, and `operation()` describes what it does
outside training.
"""

import keras
from keras import ops

from .._columns import LARGEST_LOGIT, membership, owners_of
from .._layer_traits import dense_operation
from .._missing import LARGEST_DEVIATION, MAX_FEATURES, N_STEPS

# Above this log-variance the variance grows linearly instead of exponentially. No
# useful posterior comes near: the prior's log-variance is 0.
_LARGEST_LOG_VARIANCE = 10.0


@keras.saving.register_keras_serializable("skae")
class TransposedDense(keras.layers.Layer):
    """Dense layer whose kernel is the transpose of another layer's kernel.

    Parameters
    ----------
    tied_to : keras.layers.Dense
        The other layer, built.
    activation : str, default=None
        Name of a Keras activation.
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

    row_wise = True

    def __init__(self, tied_to, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.tied_to = tied_to
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        """Add the bias."""
        units = self.tied_to.kernel.shape[0]
        self.bias = self.add_weight(shape=(units,), initializer="zeros", name="bias")

    def call(self, inputs):
        """Apply the layer."""
        kernel = ops.transpose(self.tied_to.kernel)
        return self.activation(ops.matmul(inputs, kernel) + self.bias)

    def operation(self):
        """Describe what `call` does; None for an activation that is not Keras's."""
        return dense_operation(self, self.tied_to.kernel, self.bias, transposed=True)

    def compute_output_shape(self, input_shape):
        """Return the shape of what `call` returns."""
        return (*input_shape[:-1], self.tied_to.kernel.shape[0])

    def get_config(self):
        """Return the arguments of `__init__`."""
        activation = keras.activations.serialize(self.activation)
        tied_to = {"tied_to": self.tied_to.name, "activation": activation}
        return super().get_config() | tied_to

    @classmethod
    def from_config(cls, config):
        """Raise a ValueError: a configuration cannot tell which layer is meant."""
        raise ValueError(
            "A network with tied weights cannot be made from a Keras file or "
            "configuration. Pickle the estimator instead."
        )


@keras.saving.register_keras_serializable("skae")
class Clip(keras.layers.Layer):
    """Clip each feature to a range of its own, which is unlimited until it is set.

    Parameters
    ----------
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

    row_wise = True

    def build(self, input_shape):
        """Add the range."""
        self.low, self.high = (
            self.add_weight(
                shape=(input_shape[-1],),
                initializer=keras.initializers.Constant(bound),
                trainable=False,
                name=name,
            )
            for name, bound in (("low", -self._largest), ("high", self._largest))
        )

    def open(self):
        """Disable clipping."""
        self.low.assign(ops.full(self.low.shape, -self._largest))
        self.high.assign(ops.full(self.high.shape, self._largest))

    @property
    def _largest(self):
        """A limit that never clips; infinity would be reported as divergence."""
        return 65504.0 if self.variable_dtype == "float16" else 1e30

    def call(self, inputs):
        """Apply the layer."""
        low, high = map(ops.convert_to_tensor, (self.low, self.high))  # for JAX
        return ops.clip(inputs, low, high)

    def operation(self):
        """Describe what `call` does."""
        return {"op": "clip", "low": self.low, "high": self.high}

    def compute_output_shape(self, input_shape):
        """Return the shape of what `call` returns."""
        return input_shape


@keras.saving.register_keras_serializable("skae")
class Gate(keras.layers.Layer):
    """Multiply by a number that is not trained: 0 until it is opened, then 1.

    Parameters
    ----------
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

    row_wise = True

    def build(self, input_shape):
        """Add the factor."""
        self.factor = self.add_weight(
            shape=(), initializer="zeros", trainable=False, name="factor"
        )

    def open(self):
        """Open the gate: the output equals the input."""
        self.factor.assign(1.0)

    def call(self, inputs):
        """Apply the layer."""
        return inputs * ops.convert_to_tensor(self.factor)  # for JAX

    def operation(self):
        """Describe what `call` does."""
        return {"op": "scale", "factor": self.factor}

    def compute_output_shape(self, input_shape):
        """Return the shape of what `call` returns."""
        return input_shape


@keras.saving.register_keras_serializable("skae")
class GaussianNoise(keras.layers.Layer):
    """Add normal noise in training; Keras's own layer takes no deviation above 1.

    Parameters
    ----------
    stddev : float
        Standard deviation of the noise.
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

    row_wise = True

    def __init__(self, stddev, **kwargs):
        super().__init__(**kwargs)
        self.stddev = stddev
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs, training=False):
        """Apply the layer."""
        if not training:
            return inputs
        return inputs + self.stddev * keras.random.normal(
            ops.shape(inputs), dtype=inputs.dtype, seed=self.seed_generator
        )

    def operation(self):
        """Describe what `call` does outside training: nothing."""
        return {"op": "pass"}

    def compute_output_shape(self, input_shape):
        """Return the shape of what `call` returns."""
        return input_shape

    def get_config(self):
        """Return the arguments of `__init__`."""
        return super().get_config() | {"stddev": self.stddev}


@keras.saving.register_keras_serializable("skae")
class MaskingNoise(keras.layers.Layer):
    """Set a random share of the inputs to 0 in training, without rescaling the rest.

    Parameters
    ----------
    rate : float
        The share.
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

    row_wise = True

    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs, training=False):
        """Apply the layer."""
        if not training:
            return inputs
        shape, seed = ops.shape(inputs), self.seed_generator
        kept = keras.random.uniform(shape, dtype=inputs.dtype, seed=seed) >= self.rate
        return inputs * ops.cast(kept, inputs.dtype)

    def operation(self):
        """Describe what `call` does outside training: nothing."""
        return {"op": "pass"}

    def compute_output_shape(self, input_shape):
        """Return the shape of what `call` returns."""
        return input_shape

    def get_config(self):
        """Return the arguments of `__init__`."""
        return super().get_config() | {"rate": self.rate}


@keras.saving.register_keras_serializable("skae")
class FillCells(keras.layers.Layer):
    """Put expectations in the place of NaN, see `skae._missing.fill`.

    Parameters
    ----------
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

    row_wise = True

    def build(self, input_shape):
        """Add mean and precision of a normal distribution, of no correlation yet."""
        n_features = input_shape[-1]
        is_wide = n_features > MAX_FEATURES
        shapes = {
            "mean": ((n_features,), "zeros"),
            "deviation": None if is_wide else ((n_features,), "ones"),
            "precision": None if is_wide else ((n_features, n_features), "zeros"),
            "low": None if is_wide else ((n_features,), "zeros"),
            "high": None if is_wide else ((n_features,), "zeros"),
        }
        for name, shape in shapes.items():
            weight = None
            if shape is not None:
                weight = self.add_weight(
                    shape=shape[0], initializer=shape[1], trainable=False, name=name
                )
            setattr(self, name, weight)

    def set_distribution(self, mean, *others):
        """Set what `NormalDistribution.weights` returns, or only the mean."""
        self.mean.assign(mean)
        weights = (self.deviation, self.precision, self.low, self.high)
        for weight, value in zip(weights, others, strict=False):
            weight.assign(value)

    def call(self, inputs):
        """Apply the layer."""
        missing, mean = ops.isnan(inputs), ops.convert_to_tensor(self.mean)
        if self.precision is None:
            return ops.where(missing, mean, inputs)
        tiny = 1e-30
        scale, matrix = map(ops.convert_to_tensor, (self.deviation, self.precision))
        active = ops.cast(missing, inputs.dtype)
        centred = (ops.where(missing, mean, inputs) - mean) * scale
        centred = ops.clip(centred, -LARGEST_DEVIATION, LARGEST_DEVIATION)
        residual = direction = -ops.matmul(centred, matrix) * active
        solution = ops.zeros_like(residual)
        size = ops.sum(ops.square(residual), axis=-1, keepdims=True)
        for _ in range(N_STEPS):
            image = ops.matmul(direction, matrix) * active
            curvature = ops.sum(direction * image, axis=-1, keepdims=True)
            step = size / ops.maximum(curvature, tiny)
            solution += step * direction
            residual -= step * image
            previous = ops.maximum(size, tiny)
            size = ops.sum(ops.square(residual), axis=-1, keepdims=True)
            direction = residual + size / previous * direction
        low, high = map(ops.convert_to_tensor, (self.low, self.high))
        expected = ops.clip(solution / scale + mean, low, high)
        return ops.where(missing, expected, inputs)

    def operation(self):
        """Describe what `call` does."""
        return {
            "op": "fill",
            "mean": self.mean,
            "deviation": self.deviation,
            "precision": self.precision,
            "low": self.low,
            "high": self.high,
        }

    def compute_output_shape(self, input_shape):
        """Return the shape of what `call` returns."""
        return input_shape


@keras.saving.register_keras_serializable("skae")
class MissingIndicator(keras.layers.Layer):
    """Return 1 for NaN and 0 for numbers.

    Parameters
    ----------
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

    row_wise = True

    def call(self, inputs):
        """Apply the layer."""
        return ops.cast(ops.isnan(inputs), inputs.dtype)

    def operation(self):
        """Describe what `call` does."""
        return {"op": "is_missing"}

    def compute_output_shape(self, input_shape):
        """Return the shape of what `call` returns."""
        return input_shape


@keras.saving.register_keras_serializable("skae")
class HiddenCells(keras.layers.Layer):
    """Set a random share of the cells of each sample to NaN in training.

    The share differs between samples, and is uniform between 0 and `largest_share`.

    Parameters
    ----------
    largest_share : float
        The largest share.
    groups : list of int, default=None
        For each feature, the number of the column of categories that it belongs to, or
        -1. The features of a column are hidden together.
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

    row_wise = True

    def __init__(self, largest_share, groups=None, **kwargs):
        super().__init__(**kwargs)
        self.largest_share = largest_share
        self.groups = None if groups is None else tuple(groups)  # Keras wraps lists
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs, training=False):
        """Apply the layer."""
        if not training:
            return inputs
        shape, dtype, seed = ops.shape(inputs), inputs.dtype, self.seed_generator
        share_shape = (shape[0], *[1] * (len(shape) - 1))
        shares = keras.random.uniform(
            share_shape, 0, self.largest_share, dtype=dtype, seed=seed
        )
        if self.groups is None:
            drawn = keras.random.uniform(shape, dtype=dtype, seed=seed)
        else:
            owners = owners_of(self.groups)
            shape = (shape[0], max(owners) + 1)
            drawn = keras.random.uniform(shape, dtype=dtype, seed=seed)
            drawn = ops.take(drawn, owners, axis=-1)
        return ops.where(drawn < shares, ops.cast(float("nan"), dtype), inputs)

    def operation(self):
        """Describe what `call` does outside training: nothing."""
        return {"op": "pass"}

    def compute_output_shape(self, input_shape):
        """Return the shape of what `call` returns."""
        return input_shape

    def get_config(self):
        """Return the arguments of `__init__`."""
        arguments = {"largest_share": self.largest_share, "groups": self.groups}
        return super().get_config() | arguments


@keras.saving.register_keras_serializable("skae")
class CategoryProbabilities(keras.layers.Layer):
    """Make the features of each column of categories probabilities (softmax).

    They are multiplied by the value that stands for a category. Other features pass.

    Parameters
    ----------
    groups : list of int
        For each feature, the number of the column of categories that it belongs to, or
        -1 for a number.
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

    row_wise = True

    def __init__(self, groups, **kwargs):
        super().__init__(**kwargs)
        self.groups = tuple(groups)  # Keras wraps lists

    def build(self, input_shape):
        """Add the value that stands for a category."""
        self.value = self.add_weight(
            shape=(), initializer="ones", trainable=False, name="value"
        )

    def call(self, inputs):
        """Apply the layer."""
        members = ops.convert_to_tensor(membership(self.groups), inputs.dtype)
        logits = LARGEST_LOGIT * ops.tanh(inputs / LARGEST_LOGIT)
        exponentials = ops.exp(logits)
        totals = ops.matmul(exponentials, members)
        totals = ops.matmul(totals, ops.transpose(members))
        is_category = ops.convert_to_tensor([group >= 0 for group in self.groups])
        # A number has no total; where() has a gradient of both.
        totals = ops.where(is_category, totals, ops.ones_like(totals))
        value = ops.convert_to_tensor(self.value)
        return ops.where(is_category, value * exponentials / totals, inputs)

    def operation(self):
        """Describe what `call` does."""
        return {
            "op": "category_probabilities",
            "factor": self.value,
            "groups": list(self.groups),
        }

    def compute_output_shape(self, input_shape):
        """Return the shape of what `call` returns."""
        return input_shape

    def get_config(self):
        """Return the arguments of `__init__`."""
        return super().get_config() | {"groups": self.groups}


@keras.saving.register_keras_serializable("skae")
class NestedDropout(keras.layers.Layer):
    """Keep the first few codes of each sample in training, and set the rest to 0 [1]_.

    Half of the samples keep all codes. For a quarter, the logarithm of the number of
    codes that are kept is uniform, which favours the first codes; for the last quarter
    the number itself is uniform, which favours those in the middle.

    Parameters
    ----------
    **kwargs : dict
        Passed on to `keras.layers.Layer`.

    References
    ----------
    .. [1] O. Rippel, M. A. Gelbart, R. P. Adams, "Learning ordered representations
       with nested dropout", International Conference on Machine Learning, 2014.
    """

    row_wise = True

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, code, training=False):
        """Apply the layer."""
        if not training:
            return code
        n_samples, n_codes = ops.shape(code)[0], code.shape[-1]
        # In float32 whatever the policy: numbers of codes are to be exact.
        drawn = keras.random.uniform(
            (n_samples, 1), 0, 4, dtype="float32", seed=self.seed_generator
        )
        # From 2 on, these are all codes.
        uniform = n_codes * (drawn - 1) + 1
        n_kept = ops.where(drawn < 1, ops.power(float(n_codes + 1), drawn), uniform)
        kept = ops.arange(1, n_codes + 1, dtype=n_kept.dtype) <= n_kept
        return code * ops.cast(kept, code.dtype)

    def operation(self):
        """Describe what `call` does outside training: nothing."""
        return {"op": "pass"}

    def compute_output_shape(self, input_shape):
        """Return the shape of what `call` returns."""
        return input_shape


@keras.saving.register_keras_serializable("skae")
class SparsityPenalty(keras.layers.Layer):
    """Add the sum of the absolute values of a code to the loss.

    Parameters
    ----------
    l1 : float
        Factor of the sum, averaged over the samples.
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

    row_wise = False  # the penalty is a mean over the batch

    def __init__(self, l1, **kwargs):
        super().__init__(**kwargs)
        self.l1 = l1

    def call(self, code):
        """Apply the layer."""
        self.add_loss(self.l1 * ops.mean(ops.sum(ops.absolute(code), axis=-1)))
        return code

    def operation(self):
        """Describe what `call` does outside training: nothing."""
        return {"op": "pass"}

    def compute_output_shape(self, input_shape):
        """Return the shape of what `call` returns."""
        return input_shape

    def get_config(self):
        """Return the arguments of `__init__`."""
        return super().get_config() | {"l1": self.l1}


@keras.saving.register_keras_serializable("skae")
class ContractivePenalty(keras.layers.Layer):
    """Add the squared distance that codes move when inputs are jittered to the loss.

    For normal jitter of standard deviation `step`, the mean of the squared distance
    over `step` squared tends to the squared Frobenius norm of the encoder's Jacobian
    [1]_.

    Parameters
    ----------
    weight : float
        Factor of the squared norm, averaged over the samples.
    step : float
        Standard deviation of the jitter.
    **kwargs : dict
        Passed on to `keras.layers.Layer`.

    References
    ----------
    .. [1] S. Rifai, P. Vincent, X. Muller, X. Glorot, Y. Bengio, "Contractive
       auto-encoders: Explicit invariance during feature extraction", International
       Conference on Machine Learning, 2011.
    """

    row_wise = False  # the penalty is a mean over the batch

    def __init__(self, weight, step, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight
        self.step = step

    def call(self, code, jittered_code):
        """Apply the layer."""
        distance = ops.mean(ops.sum(ops.square(jittered_code - code), axis=-1))
        self.add_loss(self.weight / self.step**2 * distance)
        return code

    def operation(self):
        """Describe what `call` does outside training: it returns the code."""
        return {"op": "pass"}

    def compute_output_shape(self, code_shape, jittered_code_shape):
        """Return the shape of what `call` returns."""
        return code_shape

    def get_config(self):
        """Return the arguments of `__init__`."""
        return super().get_config() | {"weight": self.weight, "step": self.step}


@keras.saving.register_keras_serializable("skae")
class Chain(keras.Model):
    """Run an encoder and then a decoder.

    Parameters
    ----------
    encoder, decoder : keras.Model
        The halves.
    **kwargs : dict
        Passed on to `keras.Model`.
    """

    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder

    def call(self, inputs, training=None):
        """Run both."""
        return self.decoder(self.encoder(inputs, training=training), training=training)

    def get_config(self):
        """Return the arguments of `__init__`."""
        halves = {"encoder": self.encoder, "decoder": self.decoder}
        return super().get_config() | {
            name: keras.saving.serialize_keras_object(half)
            for name, half in halves.items()
        }

    @classmethod
    def from_config(cls, config):
        """Return a model with the arguments that `get_config` returned."""
        halves = {
            name: keras.saving.deserialize_keras_object(config.pop(name))
            for name in ("encoder", "decoder")
        }
        return cls(**halves, **config)


@keras.saving.register_keras_serializable("skae")
class InferenceChain(Chain):
    """Run an encoder and then a decoder, outside training also while they are trained.

    That is how Keras trains a model whose `call` has no argument ``training``: its
    dropout, noise and batch normalization have no effect.
    """

    def call(self, inputs):
        """Run both."""
        return super().call(inputs)


@keras.saving.register_keras_serializable("skae")
class GaussianSampling(keras.layers.Layer):
    """Draw a code from a normal distribution, and add its KL divergence to the loss.

    Called with means and log-variances, each of shape (batch, n_components), it
    returns codes in training, and the means otherwise.

    Parameters
    ----------
    n_features : int
        The KL divergence is divided by it.
    beta : float
        Weight of the divergence in the loss.
    warmup_steps : int
        Calls in training until the weight reaches `beta`.
    seed : int, default=None
        Seed of the noise.
    """

    row_wise = False  # the divergence is a mean over the batch

    def __init__(self, n_features, beta, warmup_steps, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.n_features = n_features
        self.beta = beta
        self.warmup_steps = warmup_steps
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.kl_loss = keras.metrics.Mean(name="kl_loss")

    def build(self, input_shape):
        if self.warmup_steps:
            self.step = self.add_weight(
                shape=(),
                initializer="zeros",
                dtype="int32",
                trainable=False,
                name="step",
            )
        self.built = True

    def call(self, inputs, training=False):
        mean, log_variance = inputs
        excess = ops.relu(log_variance - _LARGEST_LOG_VARIANCE)
        log_variance = log_variance - excess + ops.log1p(excess)
        divergence = ops.square(mean) + ops.expm1(log_variance) - log_variance
        divergence = ops.sum(divergence, axis=-1) / (2 * self.n_features)
        self.kl_loss.update_state(divergence)
        weight = self.beta
        if training and self.warmup_steps:
            step = ops.cast(self.step, self.compute_dtype)
            weight *= ops.minimum(step / self.warmup_steps, 1.0)
            # It stays where it is in the end, and so never overflows.
            self.step.assign(ops.minimum(self.step + 1, self.warmup_steps))
        self.add_loss(weight * ops.mean(divergence))
        if not training:
            return mean
        noise = keras.random.normal(
            ops.shape(mean), dtype=self.compute_dtype, seed=self.seed_generator
        )
        return mean + ops.exp(log_variance / 2) * noise

    def operation(self):
        """Describe what `call` does outside training: it returns the means."""
        return {"op": "pass"}

    def get_config(self):
        return {
            **super().get_config(),
            "n_features": self.n_features,
            "beta": self.beta,
            "warmup_steps": self.warmup_steps,
            "seed": self.seed,
        }

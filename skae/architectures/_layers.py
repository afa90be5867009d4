"""Keras layers of skae's architectures; imported once a network is built."""

import keras
from keras import ops

# Above this log-variance the variance grows linearly instead of exponentially. No
# posterior that is of use comes near: the prior's log-variance is 0.
_LARGEST_LOG_VARIANCE = 10.0


@keras.saving.register_keras_serializable("skae")
class TransposedDense(keras.layers.Layer):
    """A dense layer whose kernel is the transposed one of another layer.

    Parameters
    ----------
    tied_to : keras.layers.Dense
        The other layer, built.
    activation : str, default=None
        Name of a Keras activation.
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

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

    def compute_output_shape(self, input_shape):
        """Give the shape of what `call` returns."""
        return (*input_shape[:-1], self.tied_to.kernel.shape[0])

    def get_config(self):
        """Describe the layer."""
        activation = keras.activations.serialize(self.activation)
        tied_to = {"tied_to": self.tied_to.name, "activation": activation}
        return super().get_config() | tied_to

    @classmethod
    def from_config(cls, config):
        """Refuse: a configuration cannot tell which layer is meant."""
        raise ValueError(
            "A network with tied weights cannot be made from a Keras file or "
            "configuration. Pickle the estimator instead."
        )


@keras.saving.register_keras_serializable("skae")
class Clip(keras.layers.Layer):
    """Clips each value to a range of its own, which lets all by until it is set.

    Parameters
    ----------
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

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
        """Let all values by."""
        self.low.assign(ops.full(self.low.shape, -self._largest))
        self.high.assign(ops.full(self.high.shape, self._largest))

    @property
    def _largest(self):
        """Beyond all that a network can deal with; infinity would be a divergence."""
        return 65504.0 if self.variable_dtype == "float16" else 1e30

    def call(self, inputs):
        """Apply the layer."""
        low, high = map(ops.convert_to_tensor, (self.low, self.high))  # for JAX
        return ops.clip(inputs, low, high)

    def compute_output_shape(self, input_shape):
        """Give the shape of what `call` returns."""
        return input_shape


@keras.saving.register_keras_serializable("skae")
class GaussianNoise(keras.layers.Layer):
    """Adds normal noise while training; Keras's own takes no deviation above 1.

    Parameters
    ----------
    stddev : float
        Standard deviation of the noise.
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

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

    def compute_output_shape(self, input_shape):
        """Give the shape of what `call` returns."""
        return input_shape

    def get_config(self):
        """Describe the layer."""
        return super().get_config() | {"stddev": self.stddev}


@keras.saving.register_keras_serializable("skae")
class MaskingNoise(keras.layers.Layer):
    """Sets a random share of the inputs to 0 while training, and scales nothing.

    Parameters
    ----------
    rate : float
        The share.
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

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

    def compute_output_shape(self, input_shape):
        """Give the shape of what `call` returns."""
        return input_shape

    def get_config(self):
        """Describe the layer."""
        return super().get_config() | {"rate": self.rate}


@keras.saving.register_keras_serializable("skae")
class NestedDropout(keras.layers.Layer):
    """Keeps the first few codes of each row while training, and sets the rest to 0.

    Half of the rows keep all codes. A quarter keep a number whose logarithm is uniform,
    which favours the first codes, and a quarter one that is uniform itself, which
    favours those in the middle.

    Parameters
    ----------
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, code, training=False):
        """Apply the layer."""
        if not training:
            return code
        n_rows, n_codes = ops.shape(code)[0], code.shape[-1]
        drawn = keras.random.uniform((n_rows, 1), 0, 4, seed=self.seed_generator)
        # From 2 on, these are all codes.
        uniform = n_codes * (drawn - 1) + 1
        n_kept = ops.where(drawn < 1, ops.power(float(n_codes + 1), drawn), uniform)
        kept = ops.arange(1, n_codes + 1, dtype=n_kept.dtype) <= n_kept
        return code * ops.cast(kept, code.dtype)

    def compute_output_shape(self, input_shape):
        """Give the shape of what `call` returns."""
        return input_shape


@keras.saving.register_keras_serializable("skae")
class SparsityPenalty(keras.layers.Layer):
    """Adds to the loss what the absolute values of a code sum up to.

    Parameters
    ----------
    l1 : float
        Factor of the sum, which is averaged over the rows.
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

    def __init__(self, l1, **kwargs):
        super().__init__(**kwargs)
        self.l1 = l1

    def call(self, code):
        """Apply the layer."""
        self.add_loss(self.l1 * ops.mean(ops.sum(ops.absolute(code), axis=-1)))
        return code

    def compute_output_shape(self, input_shape):
        """Give the shape of what `call` returns."""
        return input_shape

    def get_config(self):
        """Describe the layer."""
        return super().get_config() | {"l1": self.l1}


@keras.saving.register_keras_serializable("skae")
class ContractivePenalty(keras.layers.Layer):
    """Adds to the loss how far codes move when inputs are jittered.

    For normal jitter of standard deviation `step`, the mean of the squared distance
    over `step` squared tends to the squared Frobenius norm of the encoder's Jacobian.

    Parameters
    ----------
    weight : float
        Factor of the squared norm, which is averaged over the rows.
    step : float
        Standard deviation of the jitter.
    **kwargs : dict
        Passed on to `keras.layers.Layer`.
    """

    def __init__(self, weight, step, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight
        self.step = step

    def call(self, code, jittered_code):
        """Apply the layer."""
        distance = ops.mean(ops.sum(ops.square(jittered_code - code), axis=-1))
        self.add_loss(self.weight / self.step**2 * distance)
        return code

    def compute_output_shape(self, code_shape, jittered_code_shape):
        """Give the shape of what `call` returns."""
        return code_shape

    def get_config(self):
        """Describe the layer."""
        return super().get_config() | {"weight": self.weight, "step": self.step}


@keras.saving.register_keras_serializable("skae")
class Chain(keras.Model):
    """A model that runs an encoder and then a decoder.

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

    def call(self, inputs):
        """Run both."""
        return self.decoder(self.encoder(inputs))

    def get_config(self):
        """Describe the model."""
        halves = {"encoder": self.encoder, "decoder": self.decoder}
        return super().get_config() | {
            name: keras.saving.serialize_keras_object(half)
            for name, half in halves.items()
        }

    @classmethod
    def from_config(cls, config):
        """Make a model from what `get_config` gave."""
        halves = {
            name: keras.saving.deserialize_keras_object(config.pop(name))
            for name in ("encoder", "decoder")
        }
        return cls(**halves, **config)


@keras.saving.register_keras_serializable("skae")
class GaussianSampling(keras.layers.Layer):
    """Draws a code from a normal distribution, and adds its KL divergence.

    Called with means and log-variances, each of shape (batch, n_components), it
    gives codes in training, and the means otherwise.

    Parameters
    ----------
    n_features : int
        The KL divergence is divided by it.
    beta : float
        Weight of the divergence in the loss.
    warmup_steps : int
        Calls in training until the weight is whole.
    seed : int, default=None
        Seed of the noise.
    """

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

    def get_config(self):
        return {
            **super().get_config(),
            "n_features": self.n_features,
            "beta": self.beta,
            "warmup_steps": self.warmup_steps,
            "seed": self.seed,
        }

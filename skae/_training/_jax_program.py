"""A program that JAX runs: a loop over the batches of a block, compiled by XLA."""

from functools import cached_property

import numpy as np

from .._backend import import_keras, write_values
from ._program import Program


class JaxProgram(Program):
    """Compiled functions for one network, optimizer and loss; parameters as `Program`.

    Between blocks, the variables of network and optimizer hold their values.
    """

    pads_evaluation = True

    def put(self, samples, n_rows):
        """Copy a block of samples, and how many of them are in use, to the device."""
        from jax import numpy as jnp

        return jnp.asarray(samples), n_rows

    @property
    def _state(self):
        """Variables that training changes: weights, other variables, optimizer's."""
        network = self.autoencoder
        return (
            network.trainable_variables,
            network.non_trainable_variables,
            self.optimizer.variables,
        )

    @cached_property
    def _train_block(self):
        import jax
        from jax import numpy as jnp

        keras, optimizer, size = import_keras(), self.optimizer, self.batch_size

        def losses(weights, others, of_optimizer, x, n):
            reconstruction, loss, others = self._losses(
                weights, others, x, x, jnp.arange(size) < n, n, training=True
            )
            # The factor of mixed precision is a variable of the optimizer.
            values = list(zip(optimizer.variables, of_optimizer, strict=True))
            with keras.StatelessScope(values):
                scaled = optimizer.scale_loss(loss)
            return scaled, (jnp.stack([loss, reconstruction]), others)

        @jax.jit
        def train_block(state, block, n_rows):
            def step(i, carry):
                weights, others, of_optimizer, sums = carry
                x = jax.lax.dynamic_slice_in_dim(block, i * size, size)
                n = jnp.minimum(size, n_rows - i * size)
                gradients, (means, others) = jax.grad(losses, has_aux=True)(
                    weights, others, of_optimizer, x, n
                )
                weights, of_optimizer = optimizer.stateless_apply(
                    of_optimizer, gradients, weights
                )
                return weights, others, of_optimizer, sums.at[i].set(means * n)

            # Sums of batches, to be added up in double precision.
            sums = jnp.zeros((self.block_batches, 2))
            return jax.lax.fori_loop(0, -(-n_rows // size), step, (*state, sums))

        return train_block

    @cached_property
    def _evaluate_block(self):
        import jax
        from jax import numpy as jnp

        @jax.jit
        def evaluate_block(weights, others, block, targets, n_rows):
            in_use = jnp.arange(len(block)) < n_rows
            reconstruction, loss, _ = self._losses(
                weights, others, block, targets, in_use, n_rows, training=False
            )
            return jnp.stack([loss, reconstruction])

        return evaluate_block

    def _losses(self, weights, others, x, targets, in_use, n_rows, *, training):
        """Return the loss without penalties, with them, and the other variables."""
        output, others, penalties = self.autoencoder.stateless_call(
            weights, others, x, training=training, return_losses=True
        )
        self._has_penalties |= bool(penalties)
        reconstruction = self._padded_loss(targets, output, in_use, n_rows)
        return reconstruction, sum(penalties, reconstruction), others

    def train_block(self, block, n_rows):
        """Train on the first samples of a block; return sums of losses, and weights."""
        state = [[v.value for v in variables] for variables in self._state]
        *state, sums = self._train_block(state, block, n_rows)
        for variables, values in zip(self._state, state, strict=True):
            write_values(variables, values)
        values = [variable.value for variable in self.autoencoder.variables]
        return np.asarray(sums, np.float64).sum(axis=0), values

    def evaluate_block(self, block, targets, n_rows):
        """Return the sums of the losses of the first samples of a block."""
        weights, others, _ = ([v.value for v in part] for part in self._state)
        means = self._evaluate_block(weights, others, block, targets, n_rows)
        return n_rows * np.asarray(means, np.float64)

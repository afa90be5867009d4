"""Which features of an array of samples are one column, and what follows from that.

A column of numbers is one feature. A column of categories has one feature per category,
which exclude each other. A list of groups, as layers take it, has a number for each
feature: that of its column of categories, or -1 for a number.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ._errors import r2_score, squared_errors
from ._missing import observed_means, observed_variances

# Logits are bounded by a hyperbolic tangent, so that exponentials do not overflow.
LARGEST_LOGIT = 30.0
# Under probabilities, so that their logarithms are finite: in scores, and in training,
# where gradients of an improbable category must not vanish.
SMALLEST_PROBABILITY, SMALLEST_IN_TRAINING = 1e-7, 1e-20


def membership(groups):
    """Return which feature is in which group.

    Parameters
    ----------
    groups : list of int
        The groups.

    Returns
    -------
    ndarray of shape (n_features, n_groups), of float32
        1 for members. Numbers are in no group.
    """
    groups = np.asarray(groups)
    return (groups[:, np.newaxis] == np.unique(groups[groups >= 0])).astype(np.float32)


def owners_of(groups):
    """Return numbers of columns from 0 on, also for those of numbers.

    Parameters
    ----------
    groups : list of int
        The groups; the features of a group are neighbours.

    Returns
    -------
    list of int
        The number of the column of each feature.
    """
    groups = np.asarray(groups)
    begins = (groups < 0) | (groups != np.roll(groups, 1))
    begins[0] = True
    return (np.cumsum(begins) - 1).tolist()


def probabilities(x, groups, factor):
    """Make the features of each group probabilities, times a factor.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_features)
        Logits; numbers pass.
    groups : list of int
        The groups.
    factor : ndarray of shape ()
        What probabilities are multiplied by.

    Returns
    -------
    ndarray of shape (n_samples, n_features), of the dtype of x
        They sum to the factor of a group.
    """
    members = membership(groups).astype(x.dtype, copy=False)
    is_category = members.any(axis=1)
    logits = x.dtype.type(LARGEST_LOGIT) * np.tanh(x / x.dtype.type(LARGEST_LOGIT))
    exponentials = np.exp(logits)
    totals = np.where(is_category, exponentials @ members @ members.T, 1)
    factor = factor.astype(x.dtype, copy=False)
    return np.where(is_category, factor * exponentials / totals, x)


@dataclass(frozen=True, eq=False)
class Columns:
    """Which features of encoded samples belong to which column, and what follows.

    Parameters
    ----------
    sizes : ndarray of int of shape (n_columns,)
        Number of features of each column.
    is_categorical : ndarray of bool of shape (n_columns,)
        Which columns hold categories.
    value : float, default=1.0
        The value that stands for a category.
    """

    sizes: np.ndarray
    is_categorical: np.ndarray
    value: float = 1.0

    @classmethod
    def of_numbers(cls, n_features):
        """Return the columns of an array of numbers."""
        return cls(np.ones(n_features, int), np.zeros(n_features, bool))

    @cached_property
    def starts(self):
        """The first feature of each column."""
        return np.cumsum(self.sizes) - self.sizes

    @cached_property
    def owners(self):
        """The column of each feature."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @cached_property
    def has_categories(self):
        """Whether any column holds categories."""
        return bool(self.is_categorical.any())

    @property
    def groups(self):
        """The list of groups that layers take; None if all columns are numbers."""
        if not self.has_categories:
            return None
        return np.where(self.is_categorical[self.owners], self.owners, -1).tolist()

    def block(self, column):
        """Return the slice of the features of a column."""
        return slice(self.starts[column], self.starts[column] + self.sizes[column])

    def compare(self, X, X_hat):
        """Reduce samples and reconstructions to one value per column each.

        Parameters
        ----------
        X, X_hat : ndarray of shape (n_samples, n_features)
            Encoded samples, and their reconstructions.

        Returns
        -------
        values, expected : ndarray of shape (n_samples, n_columns), of the dtype of X
            Their difference is the residual of a number, or the square root of the
            negative log-likelihood of a category, times the value that stands for it.
            `values` are NaN for missing cells, and 0 for categories. Without
            categories, they are X and X_hat themselves.
        """
        if not self.has_categories:
            return X, X_hat
        values = X[:, self.starts]
        expected = X_hat[:, self.starts].astype(X.dtype)
        for j in np.flatnonzero(self.is_categorical):
            block = self.block(j)
            # One-hot, so that the product selects what is predicted for the category.
            probability = np.einsum("ij,ij->i", X[:, block], X_hat[:, block])
            probability = np.nan_to_num(probability) / self.value**2
            probability = np.clip(probability, SMALLEST_PROBABILITY, 1)
            expected[:, j] = -self.value * np.sqrt(-np.log(probability))
            values[:, j] *= 0
        return values, expected

    def clip_probabilities(self, X):
        """Clip expectations of categories, so that they are probabilities.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Encoded samples, as linear regression expects them.

        Returns
        -------
        ndarray of shape (n_samples, n_features), of the dtype of X
            The same, but features of a column of categories are positive and sum to the
            value that stands for a category.
        """
        clipped = X.copy()
        for j in np.flatnonzero(self.is_categorical):
            block = self.block(j)
            part = np.maximum(X[:, block], SMALLEST_PROBABILITY * self.value)
            clipped[:, block] = self.value * part / part.sum(axis=1, keepdims=True)
        return clipped

    def errors(self, X, X_hat):
        """Compute the deviance of each cell: its squared residual.

        Parameters
        ----------
        X, X_hat : ndarray of shape (n_samples, n_features)
            Encoded samples, and their reconstructions.

        Returns
        -------
        ndarray of shape (n_samples, n_columns), of float64
            0 for missing cells.
        """
        values, expected = self.compare(X, X_hat)
        with np.errstate(over="ignore", invalid="ignore"):
            errors = np.square(values.astype(np.float64) - expected)
        errors[np.isnan(values)] = 0
        return errors

    def null_errors(self, X):
        """Compute the same where nothing is known of a sample.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Encoded samples.

        Returns
        -------
        ndarray of shape (n_samples, n_columns), of float64
            The deviances of means and frequencies of these samples.
        """
        means = observed_means(X)
        return self.errors(X, np.broadcast_to(means, X.shape))

    def sample_errors(self, X, X_hat):
        """Compute the deviance of each sample: without categories, its squared error.

        Parameters
        ----------
        X, X_hat : ndarray of shape (n_samples, n_features)
            Encoded samples, and their reconstructions.

        Returns
        -------
        ndarray of shape (n_samples,)
            Sums over the observed cells.
        """
        if not self.has_categories:
            return squared_errors(X, X_hat)
        return self.errors(X, X_hat).sum(axis=1)

    def null_error(self, X):
        """Compute the mean deviance of samples by their means and frequencies.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Encoded samples.

        Returns
        -------
        float
            Without categories, the total variance of the observed cells.
        """
        if not self.has_categories:
            return float(observed_variances(X).sum())
        return float(self.null_errors(X).sum() / len(X))

    def score(self, X, X_hat):
        """Compute the share of the deviance that a reconstruction explains.

        Parameters
        ----------
        X, X_hat : ndarray of shape (n_samples, n_features)
            Two or more encoded samples, and their reconstructions.

        Returns
        -------
        float
            1 minus the deviance over that of means and frequencies of these samples.
            Without categories, this is R².
        """
        if not self.has_categories:
            return r2_score(X, X_hat)
        null = self.null_errors(X).sum()
        error = self.errors(X, X_hat).sum()
        return float(error == 0) if null == 0 else float(1 - error / null)

    def to_list(self):
        """Return the arguments of `__init__`, which are plain data."""
        return [self.sizes, self.is_categorical, self.value]

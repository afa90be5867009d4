import keras
import pytest


class EachBatch(keras.callbacks.Callback):
    """Has a batch hook, so Keras runs each batch."""

    def on_train_batch_end(self, batch, logs=None):
        pass


@pytest.fixture
def each_batch():
    return EachBatch()


@pytest.fixture(params=["compiled", "keras"])
def engine(request):
    """Parameters that choose an engine."""
    return {} if request.param == "compiled" else {"callbacks": [EachBatch()]}

import pytest
from _helpers import EachBatch


@pytest.fixture
def each_batch():
    return EachBatch()


@pytest.fixture(params=["compiled", "keras"])
def engine(request):
    """Parameters that choose an engine."""
    return {} if request.param == "compiled" else {"callbacks": [EachBatch()]}

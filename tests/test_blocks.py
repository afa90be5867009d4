"""`fit` reads samples block by block, from whatever holds more than memory does."""

import dask.array as da
import dask.dataframe as dd
import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import dataset, parquet
from scipy.sparse import csr_array

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae._formats import _reading, _stream
from skae.architectures import DenseArchitecture, KerasArchitecture
from skae.preprocessing import TableScaler

N_KEPT = 200
SMALL = {"architecture": DenseArchitecture((8,)), "epochs": 3, "random_state": 0}


class Iterable:
    """Blocks that come in one order; it counts the passes over them."""

    def __init__(self, X, n_blocks=7):
        self.parts = np.array_split(X, n_blocks)
        self.n_passes = 0

    def __iter__(self):
        self.n_passes += 1
        return iter(self.parts)


class Sequence:
    """Blocks that can be read in any order; it keeps the orders."""

    def __init__(self, parts):
        self.parts = parts
        self.read = []

    def __len__(self):
        return len(self.parts)

    def __getitem__(self, i):
        self.read.append(i)
        return self.parts[i]


@pytest.fixture(scope="module")
def X():
    rng = np.random.RandomState(0)
    z = rng.normal(size=(1000, 2))
    curved = np.tanh(z @ rng.normal(size=(2, 5)))
    return curved + 0.05 * rng.normal(size=(1000, 5))


@pytest.fixture
def streamed(monkeypatch):
    """Of five features, 200 samples are kept, and 300 mixed."""
    monkeypatch.setattr(_reading, "DRAWN_VALUES", 5 * N_KEPT)
    monkeypatch.setattr(_reading, "MIN_DRAWN_SAMPLES", 10)
    monkeypatch.setattr(_stream, "MIXED_BYTES", 300 * 5 * 4)


def as_frame(X):
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])


def as_parquet(X, folder):
    table = pa.Table.from_pandas(as_frame(X))
    parquet.write_table(table, folder / "rows.parquet", row_group_size=150)
    return dataset.dataset(folder)


SOURCES = {
    "Dask array": lambda X, _: da.from_array(X, chunks=(170, 2)),
    "Dask DataFrame": lambda X, _: dd.from_pandas(as_frame(X), npartitions=6),
    "Parquet": as_parquet,
    "filtered Parquet": lambda X, folder: as_parquet(X, folder).filter(
        dataset.field("x0") > -100
    ),
    "iterable": lambda X, _: Iterable(X),
    "sequence": lambda X, _: Sequence(np.array_split(X, 7)),
}


@pytest.mark.parametrize("source", SOURCES)
def test_what_fits_into_memory_is_fitted_there(X, tmp_path, source):
    found = AutoencoderTransformer(2, **SMALL).fit(SOURCES[source](X, tmp_path))
    expected = AutoencoderTransformer(2, **SMALL).fit(X)
    is_frame = hasattr(found, "feature_names_in_")
    codes = found.transform(as_frame(X) if is_frame else X)
    np.testing.assert_array_equal(codes, expected.transform(X))


@pytest.fixture(scope="module")
def score(X):
    """Of a fit in memory."""
    return AutoencoderTransformer(2, **SMALL | {"epochs": 8}).fit(X).score(X)


@pytest.mark.parametrize("source", SOURCES)
def test_streams_are_fitted_as_well(streamed, X, score, tmp_path, source):
    blocks = SOURCES[source](X, tmp_path)
    found = AutoencoderTransformer(2, **SMALL | {"epochs": 8}).fit(blocks)
    X = as_frame(X) if hasattr(found, "feature_names_in_") else X
    assert found.score(X) > score - 0.01


@pytest.mark.parametrize("source", ["Parquet", "iterable"])
def test_one_random_state_gives_one_model(streamed, X, tmp_path, source):
    blocks = SOURCES[source](X, tmp_path)
    values = [
        AutoencoderTransformer(2, **SMALL).fit(blocks).encoder_.get_weights()
        for _ in range(2)
    ]
    for one, other in zip(*values, strict=True):
        np.testing.assert_array_equal(one, other)


def record_training(blocks, **parameters):
    """Fit a network that runs batch by batch; return what it was trained on."""

    import tensorflow as tf

    layers = [keras.Input((5,)), keras.layers.Dense(2), keras.layers.Dense(5)]
    model = keras.Sequential(layers)
    batches = []

    class Recording(keras.Model):
        def train_step(self, data):
            x, _ = data
            with tf.control_dependencies(
                [tf.py_function(lambda x: batches.append(x.numpy()), [x], [])]
            ):
                return super().train_step(data)

    recording = Recording(model.inputs, model.outputs)
    recording.compile("adam", "mse")
    fitted = AutoencoderTransformer(
        architecture=KerasArchitecture(recording),
        **{"epochs": 2, "random_state": 0, "batch_size": 32} | parameters,
    ).fit(blocks)
    return fitted, np.concatenate(batches)


@pytest.mark.parametrize("is_ordered", [True, False])
def test_each_sample_once_an_epoch(streamed, X, is_ordered):
    parts = np.array_split(X, 7)
    blocks = Iterable(X) if is_ordered else Sequence(parts)
    _, trained_on = record_training(blocks, validation_fraction=0.25)
    # A quarter of the samples that are kept is held out, in each epoch.
    n_trained = len(X) - N_KEPT // 4
    first, second = trained_on[:n_trained], trained_on[n_trained:]
    assert len(second) == n_trained
    values = [set(epoch[:, 0].tolist()) for epoch in (first, second)]
    assert len(values[0]) == n_trained
    assert values[0] == values[1] <= set(X[:, 0].astype(np.float32).tolist())
    assert not np.array_equal(first, second)
    # Samples of blocks that are read one after the other are mixed.
    places = {value: i for i, value in enumerate(X[:, 0].astype(np.float32).tolist())}
    order = np.array([places[value] for value in first[:, 0].tolist()])
    assert np.abs(np.diff(order)).mean() > 60


def test_blocks_are_read_in_another_order_each_epoch(streamed, X):
    blocks = Sequence(np.array_split(X, 7))
    AutoencoderTransformer(2, **SMALL).fit(blocks)
    orders = [tuple(order) for order in np.reshape(blocks.read[-28:], (4, 7))]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert len(set(orders)) >= 3


def test_tables(streamed, X):
    table = as_frame(X).assign(kind=np.where(X[:, 0] > 0, "a", "b"))
    table.loc[::7, "x1"] = np.nan
    lazy = dd.from_pandas(table, npartitions=6)
    found = AutoencoderTransformer(3, **SMALL).fit(lazy)
    expected = AutoencoderTransformer(3, **SMALL).fit(table)
    assert found.score(table) > expected.score(table) - 0.03
    assert list(found.reconstruct(table).columns) == list(table.columns)


def test_images(streamed, X):
    images = X[:, :4].reshape(-1, 2, 2)
    lazy = da.from_array(images, chunks=(130, 1, 2))
    transformer = AutoencoderTransformer(2, **SMALL).fit(lazy)
    assert transformer.reconstruct(images).shape == images.shape


@pytest.mark.parametrize("calibration", [None, 0.5])
def test_a_detector(streamed, X, calibration):
    parameters = SMALL | {"contamination": 0.1, "calibration": calibration}
    detector = AutoencoderOutlierDetector(2, **parameters).fit(Iterable(X))
    assert 0.04 < (detector.predict(X) < 0).mean() < 0.2
    assert detector.predict([[3.0, -3.0, 3.0, -3.0, 3.0]]) == [-1]


def test_warm_start(streamed, X):
    blocks = Iterable(X)
    transformer = AutoencoderTransformer(2, **SMALL, warm_start=True).fit(blocks)
    before = transformer.score(X)
    assert transformer.fit(blocks).score(X) > before - 0.01


def test_callbacks_and_validation_samples(streamed, X, capsys):
    steps = []

    class Steps(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            steps.append(self.params["steps"])

    AutoencoderTransformer(
        2, **SMALL, batch_size=100, callbacks=[Steps()], verbose=1
    ).fit(Iterable(X), X_val=X[:50])
    assert steps == [10]
    assert "Epoch 3/3" in capsys.readouterr().out


def test_what_is_wrong_with_a_block_is_told(streamed, X):
    def fit(parts, **parameters):
        AutoencoderTransformer(2, **SMALL | parameters).fit(Sequence(parts))

    parts = np.array_split(X, 5)
    bad = [part.copy() for part in parts]
    bad[3][1, 0] = np.inf
    with pytest.raises(ValueError, match=r"(?s)Block 3 of X: .*infinity"):
        fit(bad)
    with pytest.raises(ValueError, match=r"Block 4 of X holds samples of shape \(4,\)"):
        fit([*parts[:4], parts[4][:, :4]])
    in_range = [(part - part.min()) / 10 for part in parts]
    in_range[4][1] = 3
    with pytest.raises(ValueError, match="X goes from 0 to 3"):
        fit(in_range, loss="binary_crossentropy")
    with pytest.raises(TypeError, match="Block 0 of X is a tuple of 2"):
        fit([(part, part[:, 0]) for part in parts])
    with pytest.raises(TypeError, match="Block 0 of X is sparse"):
        fit([csr_array(part) for part in parts])
    with pytest.raises(TypeError, match=r"one-shot iterator \(generator\)"):
        AutoencoderTransformer(2).fit(part for part in parts)
    with pytest.raises(ValueError, match="no samples"):
        fit([X[:0], X[:0]])


def test_blocks_that_change_are_refused_and_nothing_is_lost(streamed, X):
    class Shrinking(Iterable):
        def __iter__(self):
            self.n_passes += 1
            return iter([part[self.n_passes > 5 :] for part in self.parts])

    transformer = AutoencoderTransformer(2, **SMALL).fit(X)
    before = transformer.transform(X)
    with pytest.raises(ValueError, match="Block 0 of X had 143 samples when it was"):
        transformer.fit(Shrinking(X))
    np.testing.assert_array_equal(transformer.transform(X), before)


def test_labels_need_memory(streamed, X):
    detector = AutoencoderOutlierDetector(2, **SMALL, use_labels=True)
    with pytest.raises(ValueError, match="read block by block"):
        detector.fit(Iterable(X), np.zeros(len(X)))


def test_a_data_set_cannot_be_transformed(X, tmp_path):
    transformer = AutoencoderTransformer(2, **SMALL).fit(X)
    with pytest.raises(TypeError, match="FileSystemDataset of pyarrow"):
        transformer.transform(as_parquet(X, tmp_path))


@pytest.fixture(scope="module")
def batches():
    """Samples around the origin, and then some that are far from it."""
    rng = np.random.RandomState(1)
    return [rng.normal(loc=20 * (i == 3), size=(150, 3)) for i in range(4)]


def test_partial_fit_counts_all_that_came(batches):
    detector = AutoencoderOutlierDetector(1, random_state=0, contamination=0.1)
    for batch in batches:
        detector.partial_fit(batch)
    flagged = (detector.predict(np.concatenate(batches)) < 0).mean()
    assert flagged == pytest.approx(0.1, abs=0.01)
    assert (detector.predict(batches[0]) > 0).mean() > 0.8


def test_partial_fit_goes_on_from_a_fit(batches):
    """A batch of outliers does not become what is normal."""
    normal = np.concatenate(batches[:3])
    detector = AutoencoderOutlierDetector(
        1, random_state=0, contamination=0.1, epochs=2
    )
    detector.fit(normal).partial_fit(normal[:5] + 20)
    assert (detector.predict(normal) < 0).mean() == pytest.approx(0.1, abs=0.03)
    assert (detector.predict(normal[:5] + 20) < 0).all()


@pytest.mark.parametrize("drawn_values", [2**24, 90])
@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.drop(columns="b"),
        lambda frame: frame.assign(d=0.0),
        lambda frame: frame[["b", "a", "c"]],
        lambda frame: frame.to_numpy(),
    ],
)
def test_blocks_with_other_columns_are_refused(monkeypatch, X, change, drawn_values):
    monkeypatch.setattr(_reading, "DRAWN_VALUES", drawn_values)
    monkeypatch.setattr(_reading, "MIN_DRAWN_SAMPLES", 1)
    frame = pd.DataFrame(X[:120, :3], columns=list("abc"))
    blocks = Sequence([frame[:60], change(frame[60:])])
    with pytest.raises(ValueError, match="Block 1 of X"):
        AutoencoderTransformer(epochs=1).fit(blocks)


def test_numbers_as_categories_stay_categories(X):
    numbers = np.repeat([1, 2, 3, 4], 30)
    frame = pd.DataFrame(X[:120, :3], columns=list("abc")).assign(d=numbers)
    parts = [part.astype({"d": "category"}) for part in (frame[:60], frame[60:])]
    of_blocks = AutoencoderTransformer(epochs=1, random_state=0).fit(Sequence(parts))
    whole = frame.astype({"d": "category"})
    in_memory = AutoencoderTransformer(epochs=1, random_state=0).fit(whole)
    codes = of_blocks.transform(whole)
    np.testing.assert_array_equal(codes, in_memory.transform(whole))


def test_a_further_block_in_a_later_pass_is_named(monkeypatch, X):
    monkeypatch.setattr(_reading, "DRAWN_VALUES", 90)
    monkeypatch.setattr(_reading, "MIN_DRAWN_SAMPLES", 1)

    class Growing:
        n_passes = 0

        def __iter__(self):
            self.n_passes += 1
            yield from np.array_split(X[:120], 4)
            if self.n_passes > 3:
                yield X[:10]

    with pytest.raises(ValueError, match="Block 4 of X had 0 samples"):
        AutoencoderTransformer(epochs=2).fit(Growing())


@pytest.mark.parametrize("n_drawn", [40, 119])
def test_partial_fit_after_a_fit_that_drew_few_samples(monkeypatch, X, n_drawn):
    monkeypatch.setattr(_reading, "DRAWN_VALUES", 5 * n_drawn)
    monkeypatch.setattr(_reading, "MIN_DRAWN_SAMPLES", 1)
    detector = AutoencoderOutlierDetector(1, epochs=1, random_state=0)
    detector.fit(Sequence(np.array_split(X[:120], 4)))
    detector.partial_fit(X[:120])
    reservoir = detector._reservoir
    assert len(reservoir.rows) == len(reservoir.numbers)


def test_partial_fit_calibrates_after_a_fit_that_drew_few_samples(monkeypatch, X):
    monkeypatch.setattr(_reading, "DRAWN_VALUES", 5 * 40)
    monkeypatch.setattr(_reading, "MIN_DRAWN_SAMPLES", 1)
    detector = AutoencoderOutlierDetector(
        1, epochs=1, random_state=0, calibration=0.5, contamination=0.1
    )
    detector.fit(Sequence(np.array_split(X[:120], 4))).partial_fit(X[120:140])
    kept = detector._calibration_reservoir
    # The 20 that were held out stand for half of 120, so that few of the others join.
    assert 20 <= len(kept.rows) == len(kept.numbers) < 30
    assert len(detector._reference.scores) == len(kept.rows)
    assert (detector.predict(kept.rows) == -1).mean() <= 0.1


def test_integers_and_floats_of_polars_are_joined(X):
    pl = pytest.importorskip("polars")
    frame = pl.from_pandas(as_frame(X[:100]))
    parts = [frame[:50], frame[50:].with_columns(pl.col("x0").cast(pl.Int64))]
    transformer = AutoencoderTransformer(2, **SMALL).fit(Sequence(parts))
    assert transformer.n_features_in_ == 5


@pytest.mark.parametrize("kind", [Iterable, lambda X: Sequence(np.array_split(X, 3))])
def test_other_methods_refuse_blocks(X, kind):
    transformer = AutoencoderTransformer(2, **SMALL).fit(X[:100])
    for method in (transformer.transform, transformer.score, transformer.partial_fit):
        with pytest.raises(
            TypeError, match=r"has to be in memory.* fit reads it block"
        ):
            method(kind(X))


def test_list_of_frames(X):
    found = AutoencoderTransformer(2, **SMALL).fit(
        [as_frame(part) for part in np.array_split(X, 4)]
    )
    expected = AutoencoderTransformer(2, **SMALL).fit(as_frame(X))
    np.testing.assert_array_equal(
        *(t.transform(as_frame(X)) for t in (found, expected))
    )


@pytest.mark.parametrize("split", [pa.Table.slice, pa.RecordBatch.slice])
def test_tables_of_pyarrow_are_blocks(X, split):
    frame = as_frame(X).assign(kind=np.where(X[:, 0] > 0, "a", "b"))
    whole = pa.Table.from_pandas(frame)
    if split is pa.RecordBatch.slice:
        whole = whole.combine_chunks().to_batches()[0]
    parts = [split(whole, start, 250) for start in range(0, 1000, 250)]
    expected = AutoencoderTransformer(2, **SMALL).fit(frame).transform(frame)
    for blocks in (parts, Sequence(parts)):
        found = AutoencoderTransformer(2, **SMALL).fit(blocks)
        np.testing.assert_array_equal(found.transform(frame), expected)
    with pytest.raises(TypeError, match="in memory, but is of type list of"):
        found.transform(parts)


def lead_to_samples(X, folder):
    """Yield what a user may take for samples, and the cure."""
    data, path = as_parquet(X[:100], folder), folder / "rows.parquet"
    cure = r"pandas.read_parquet, or pass pyarrow.dataset.dataset\(path\)"
    yield str(path), f"rows.parquet'[.] .*{cure}"
    yield path, f"rows.parquet'[.] .*{cure}"
    yield [path, path], f"a list of paths such as '.*rows.parquet'[.] .*{cure}"
    yield data.scanner(), f"got a Scanner[.] .*{cure}"
    yield parquet.ParquetFile(path), f"got a ParquetFile[.] .*{cure}"
    yield parquet.ParquetDataset(path), f"got a ParquetDataset[.] .*{cure}"
    yield {"X": X}, r"got a dict[.] Pass one of its values, or pandas.DataFrame\(X\)"


def test_what_leads_to_samples_is_refused(X, tmp_path):
    transformer = AutoencoderTransformer(2, **SMALL).fit(X[:100])
    detector = AutoencoderOutlierDetector(2, **SMALL).fit(X[:100])
    scaler = TableScaler().fit(X[:100])
    methods = [transformer.fit, transformer.partial_fit, transformer.transform]
    methods += [transformer.impute, transformer.score, detector.fit]
    methods += [detector.score_samples, detector.explain, detector.fit_predict]
    methods += [scaler.fit, scaler.transform]
    for given, message in lead_to_samples(X, tmp_path):
        for method in methods:
            with pytest.raises(TypeError, match=message):
                method(given)
    with pytest.raises(TypeError, match=r"X_val must .* got '.*rows.parquet'"):
        transformer.fit(X, X_val=tmp_path / "rows.parquet")
    with pytest.raises(TypeError, match=r"codes must .* got '.*rows.parquet'"):
        transformer.inverse_transform(tmp_path / "rows.parquet")


def test_a_lazy_frame_of_polars(X):
    pl = pytest.importorskip("polars")
    frame = pl.from_pandas(as_frame(X[:100]))
    with pytest.raises(TypeError, match=r"got a LazyFrame\. Pass X.collect\(\)"):
        AutoencoderTransformer(2, **SMALL).fit(frame.lazy())


def test_an_iterable_of_single_samples_is_refused(X):
    with pytest.raises(ValueError, match=r"Block 0 of X has the shape \(5,\)"):
        AutoencoderTransformer(2, **SMALL).fit(Iterable(X[:10, 0:5].ravel(), 10))


def test_lists_of_arrays_are_images(X):
    parts = [X[:300], X[300:]]
    with pytest.raises(ValueError, match=r"\(300, 5\) and \(700, 5\)"):
        AutoencoderTransformer(2).fit(parts)
    transformer = AutoencoderTransformer(2, **SMALL).fit(
        [X[i : i + 5] for i in range(60)]
    )
    assert transformer.n_features_in_ == 25


@pytest.mark.parametrize(
    "fit",
    [
        AutoencoderTransformer(1).fit_transform,
        AutoencoderOutlierDetector(1).fit_predict,
    ],
)
def test_results_of_iterables_are_refused_before_the_fit(X, fit):
    with pytest.raises(TypeError, match="in memory, but is of type Iterable of"):
        fit(Iterable(X))
    assert not hasattr(fit.__self__, "encoder_")


@pytest.mark.parametrize("n_infinite", [1, 50])
def test_infinity_is_reported_with_its_block(streamed, X, n_infinite):
    """In a row that is not drawn, or in some that are."""
    X = X.copy()
    X[600 : 600 + n_infinite, 2] = np.inf
    with pytest.raises(ValueError, match="Block 4 of X: Input X contains infinity"):
        AutoencoderTransformer(2, **SMALL).fit(Iterable(X))


def test_an_object_that_keeps_its_iterator_is_refused(X):
    """Some of its blocks would be missing in the second pass."""

    class Reader:
        def __init__(self):
            self.blocks = iter(np.array_split(X, 5))

        def __iter__(self):
            return self.blocks

    with pytest.raises(TypeError, match=r"one-shot iterator \(Reader\)"):
        AutoencoderTransformer(2, **SMALL).fit(Reader())


def test_validation_samples_are_in_memory(X):
    with pytest.raises(TypeError, match="X_val has to be in memory, but is of type"):
        AutoencoderTransformer(2, **SMALL).fit(X, X_val=da.from_array(X))


class TestOrderedCategories:
    @staticmethod
    def fit(*orders):
        blocks = [
            pd.DataFrame(
                {
                    "x": np.arange(20.0),
                    "level": pd.Categorical(
                        np.resize(order, 20), categories=order, ordered=True
                    ),
                }
            )
            for order in orders
        ]
        fitted = AutoencoderTransformer(1, **SMALL | {"epochs": 1}).fit(blocks)
        return fitted.reconstruct(blocks[0])["level"].dtype

    def test_blocks_with_parts_of_them_keep_the_order(self):
        dtype = self.fit(["low", "middle"], ["middle", "high"], ["low", "high"])
        assert dtype.ordered
        assert list(dtype.categories) == ["low", "middle", "high"]

    def test_contradictory_orders_are_warned_of(self):
        with pytest.warns(UserWarning, match="'level' has ordered categories, but not"):
            dtype = self.fit(["low", "high"], ["high", "low"])
        assert not dtype.ordered

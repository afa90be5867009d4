"""What ONNX Runtime computes of an exported file is what the estimator computes."""

import json
import sys
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae._operations import ACTIVATIONS
from skae.architectures import (
    ConvolutionalArchitecture,
    DenseArchitecture,
    KerasArchitecture,
    RecurrentArchitecture,
    VariationalArchitecture,
)
from skae.onnx import export_onnx, register_converters
from skae.preprocessing import TableScaler

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SHORT = {"epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.RandomState(0)
    X = np.tanh(rng.normal(size=(2500, 8)) @ rng.normal(size=(8, 12)))
    return (X + 0.1 * rng.normal(size=X.shape)).astype(np.float32)


def run(path, X):
    """Return all outputs of a file, by name."""
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": X}), strict=True))


def assert_same(found, expected, offset=None):
    for name, values in expected.items():
        assert found[name].shape == values.shape
        if name == "predict":
            near = np.abs(expected["decision_function"]) < 1e-4 * abs(offset)
            np.testing.assert_array_equal(found[name][~near], values[~near])
            continue
        scale = np.abs(values).max()
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5 * scale)


def keras_model():
    import keras

    return keras.Sequential(
        [
            keras.Input((12,)),
            keras.layers.Dense(2, activation="log_sigmoid"),
            keras.layers.Dense(12),
        ]
    )


ARCHITECTURES = {
    "default": lambda: None,
    "linear": lambda: DenseArchitecture(()),
    "tied": lambda: DenseArchitecture((8,), tied_weights=True),
    "batch": lambda: DenseArchitecture((8,), normalization="batch", dropout=0.1),
    "layer": lambda: DenseArchitecture((8,), normalization="layer", code_l1=0.01),
    "contractive": lambda: DenseArchitecture((8,), contractive=0.1, noise=0.1),
    "variational": lambda: VariationalArchitecture((8,)),
    "keras": lambda: KerasArchitecture(keras_model()),
    **{
        name: lambda name=name: DenseArchitecture((4,), name, start="random")
        for name in ACTIVATIONS
    },
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_detectors(rows, tmp_path, name):
    if name == "keras":
        pytest.importorskip("tf2onnx")
    detector = AutoencoderOutlierDetector(architecture=ARCHITECTURES[name](), **SHORT)
    detector.fit(rows)
    export_onnx(detector, tmp_path / "detector.onnx")
    expected = {
        method: getattr(detector, method)(rows)
        for method in (
            *("encode", "reconstruct"),
            *("score_samples", "decision_function", "predict"),
        )
    }
    found = run(tmp_path / "detector.onnx", rows)
    assert found.keys() == expected.keys()
    assert_same(found, expected, detector.offset_)


@pytest.mark.parametrize("kind", ["reconstruction", "residual", "code", "neighbors"])
def test_scores(rows, tmp_path, kind):
    detector = AutoencoderOutlierDetector(2, outlier_score=kind, **SHORT).fit(rows[:4])
    export_onnx(detector, tmp_path / "detector.onnx", outputs="score_samples")
    X = np.r_[rows[:50], 1e3 * rows[:2], np.full((1, 12), 3e38, np.float32)]
    found = run(tmp_path / "detector.onnx", X)
    expected = {"score_samples": detector.score_samples(X)}
    assert found.keys() == expected.keys()
    assert_same(found, expected)


@pytest.mark.parametrize(
    "architecture", [ConvolutionalArchitecture((2,)), RecurrentArchitecture(4)]
)
def test_images(X, tmp_path, architecture):
    pytest.importorskip("tf2onnx")
    images = X.reshape(-1, 8, 8).astype(np.float32)
    transformer = AutoencoderTransformer(3, architecture=architecture, **SHORT)
    transformer.fit(images)
    export_onnx(transformer, tmp_path / "transformer.onnx")
    expected = {
        "transform": transformer.transform(images),
        "reconstruct": transformer.reconstruct(images),
    }
    assert_same(run(tmp_path / "transformer.onnx", images), expected)


@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        MinMaxScaler((-1, 1)),
        MinMaxScaler(clip=True),
        RobustScaler(),
        RobustScaler(with_scaling=False),
        MaxAbsScaler(),
        FunctionTransformer(np.arcsinh, np.sinh),
        FunctionTransformer(),
        "passthrough",
    ],
)
def test_scalers_in_front(rows, tmp_path, scaler):
    pipeline = make_pipeline(scaler, AutoencoderTransformer(2, **SHORT))
    X = 5 * rows + 3
    pipeline.fit(X[:1000])
    export_onnx(pipeline, tmp_path / "pipeline.onnx")
    codes = pipeline.transform(X)
    expected = {"transform": codes, "reconstruct": pipeline.inverse_transform(codes)}
    assert_same(run(tmp_path / "pipeline.onnx", X), expected)


def test_other_steps_in_front(rows, tmp_path):
    pytest.importorskip("skl2onnx")
    pipeline = make_pipeline(PCA(4), AutoencoderOutlierDetector(2, **SHORT)).fit(rows)
    path = tmp_path / "pipeline.onnx"
    export_onnx(pipeline, path)
    found = run(path, rows)
    assert "reconstruct" not in found
    assert_same(found, {"score_samples": pipeline.score_samples(rows)})
    with pytest.raises(ValueError, match=r"inverse of PCA is not known.*'reconstruct'"):
        export_onnx(pipeline, path, outputs=["reconstruct"])
    unknown = make_pipeline(FunctionTransformer(np.sort), pipeline[-1]).fit(rows)
    before = path.read_bytes()
    message = r"'functiontransformer' \(FunctionTransformer\) cannot .* it calls sort, "
    with pytest.raises(ValueError, match=message + r".*numpy.log.*pipeline\[1:\]"):
        export_onnx(unknown, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_searches_and_metadata(rows, tmp_path):
    import pandas as pd

    frame = pd.DataFrame(rows[:300], columns=[f"sensor {i}" for i in range(12)])
    search = GridSearchCV(
        make_pipeline(StandardScaler(), AutoencoderOutlierDetector(2, **SHORT)),
        {"autoencoderoutlierdetector__contamination": [0.1]},
        scoring=lambda estimator, X, y=None: 0.0,
        cv=2,
    ).fit(frame)
    export_onnx(search, tmp_path / "search.onnx", outputs=["predict"])
    session = onnxruntime.InferenceSession(tmp_path / "search.onnx")
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["feature_names"]) == list(frame.columns)
    assert float(metadata["offset"]) == search.best_estimator_[-1].offset_
    assert metadata["estimator"] == "AutoencoderOutlierDetector"
    (found,) = session.run(None, {"X": rows[:300]})
    np.testing.assert_array_equal(found, search.predict(frame))


def test_truncated_transformers(rows, tmp_path):
    transformer = AutoencoderTransformer(4, ordered=True, **SHORT).fit(rows)
    export_onnx(transformer.truncate(2), tmp_path / "truncated.onnx")
    found = run(tmp_path / "truncated.onnx", rows)
    assert_same(found, {"transform": transformer.transform(rows)[:, :2]})


def test_bad_input(rows, tmp_path, monkeypatch):
    path = tmp_path / "file.onnx"
    with pytest.raises(TypeError, match="ends in one, but got PCA"):
        export_onnx(make_pipeline(StandardScaler(), PCA()), path)
    detector = AutoencoderOutlierDetector(
        2, outlier_score=lambda X, X_hat, Z: (Z**2).sum(axis=1), **SHORT
    ).fit(rows[:100])
    with pytest.raises(ValueError, match="is a function, which cannot be exported"):
        export_onnx(detector, path)
    with pytest.raises(ValueError, match=r"at most once, but got \['codes'\]"):
        export_onnx(detector, path, outputs="codes")
    export_onnx(detector, path, outputs=["encode"])
    with pytest.raises(FileNotFoundError, match=r"no folder .*none to write into"):
        export_onnx(detector, tmp_path / "none" / "file.onnx", outputs=["encode"])
    with pytest.raises(IsADirectoryError, match="is a folder"):
        export_onnx(detector, tmp_path)
    with pytest.raises(ValueError, match="each at most once"):
        export_onnx(detector, path, outputs=["encode", "encode"])
    with pytest.raises(NotFittedError):
        export_onnx(GridSearchCV(detector, {}), path)
    classifier = make_pipeline(StandardScaler(), LogisticRegression())
    with pytest.raises(TypeError, match="call register_converters"):
        export_onnx(classifier, path)
    path.chmod(0o640)
    export_onnx(detector, path, outputs=["encode"])
    assert path.stat().st_mode & 0o777 == 0o640
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="pip install onnx"):
        export_onnx(detector, path)


def test_converters(rows):
    skl2onnx = pytest.importorskip("skl2onnx")
    register_converters()
    y = rows[:, 0] > 0
    scalers = make_column_transformer(
        (StandardScaler(), list(range(6))), (MinMaxScaler(), list(range(6, 12)))
    )
    classifier = make_pipeline(
        scalers, AutoencoderTransformer(2, **SHORT), LogisticRegression()
    ).fit(rows, y)
    model = skl2onnx.to_onnx(classifier, rows, options={"zipmap": False})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    _, probabilities = session.run(None, {"X": rows})
    expected = classifier.predict_proba(rows)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    detector = make_pipeline(scalers, AutoencoderOutlierDetector(2, **SHORT)).fit(rows)
    for dtype in (np.float32, np.float64):
        X = rows.astype(dtype)
        model = skl2onnx.to_onnx(detector, X)
        session = onnxruntime.InferenceSession(model.SerializeToString())
        label, scores = session.run(["label", "scores"], {"X": X})
        expected = detector.decision_function(X)
        np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-4)
        sure = np.abs(expected) > 1e-3
        np.testing.assert_array_equal(label[sure], detector.predict(X)[sure])
    with pytest.raises(ValueError, match="needs target_opset=18 or higher, but got 15"):
        skl2onnx.to_onnx(detector, rows, target_opset=15)


@pytest.mark.parametrize(
    "step",
    [
        LinearDiscriminantAnalysis(),  # the first output is the label
        SimpleImputer(add_indicator=True),  # the indicator is dropped
    ],
)
def test_steps_that_are_converted_wrongly(rows, tmp_path, step):
    """Either the file computes what the Pipeline does, or there is none."""
    pytest.importorskip("skl2onnx")
    X, y = rows[:300].copy(), np.arange(300) % 3
    if isinstance(step, SimpleImputer):
        X[0, 0] = np.nan
    pipeline = make_pipeline(step, AutoencoderTransformer(1, **SHORT)).fit(X, y)
    path = tmp_path / "file.onnx"
    with suppress(ValueError):
        export_onnx(pipeline, path, outputs=["transform"])
    if path.exists():
        assert_same(run(path, X), {"transform": pipeline.transform(X)})
    else:
        with pytest.raises(ValueError, match="does not compute what its transform"):
            export_onnx(pipeline, path, outputs=["transform"])


class OwnScaler(StandardScaler):
    """No converter of skl2onnx knows it."""


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (OwnScaler(), "skl2onnx raises MissingShapeCalculator: "),
        (  # skl2onnx 1.18 has no converter of it
            QuantileTransformer(n_quantiles=9, output_distribution="normal"),
            "skl2onnx raises (RuntimeError: .*normal|MissingShapeCalculator)",
        ),
        (
            OrdinalEncoder(),
            "does not take the numbers that .*: ValueError: Found unknown",
        ),
    ],
)
def test_steps_that_cannot_be_converted(rows, tmp_path, step, reason):
    pytest.importorskip("skl2onnx")
    last = AutoencoderTransformer(1, **SHORT)
    steps = [
        ("first", StandardScaler()),
        ("skipped", None),
        ("bad", step),
        ("net", last),
    ]
    X = np.round(rows)
    pipeline = Pipeline(steps).fit(X)
    message = rf"'bad' \({type(step).__name__}\) cannot be exported: .*{reason}"
    with pytest.raises(ValueError, match=message + r".*Export pipeline\[3:\] alone"):
        export_onnx(pipeline, tmp_path / "file.onnx")
    export_onnx(pipeline[3:], tmp_path / "file.onnx")  # the cure that is named
    found = run(tmp_path / "file.onnx", pipeline[:3].transform(X).astype(np.float32))
    assert_same(found, {"transform": pipeline.transform(X)})


def test_box_cox(rows, tmp_path):
    """It takes positive numbers only."""
    pytest.importorskip("skl2onnx")
    X = np.exp(rows[:200] / 2)
    steps = PowerTransformer("box-cox"), AutoencoderTransformer(1, **SHORT)
    pipeline = make_pipeline(*steps).fit(X)
    export_onnx(pipeline, tmp_path / "file.onnx")
    assert_same(run(tmp_path / "file.onnx", X), {"transform": pipeline.transform(X)})


def test_tables_with_categories_name_the_step(tmp_path):
    table = pd.DataFrame({"a": np.arange(40.0), "kind": list("ab") * 20})
    encoder = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["kind"]), remainder="passthrough"
    )
    pipeline = make_pipeline(TableScaler(), encoder, AutoencoderTransformer(1, **SHORT))
    with pytest.raises(ValueError, match=r"'tablescaler'.*not all columns .* numeric"):
        export_onnx(pipeline.fit(table), tmp_path / "file.onnx")


def test_networks_of_categories_are_refused_before_the_steps(tmp_path):
    table = pd.DataFrame({"a": np.arange(40.0), "kind": list("ab") * 20})
    pipeline = make_pipeline(TableScaler(), AutoencoderTransformer(1, **SHORT))
    with pytest.raises(ValueError, match="This AutoencoderTransformer was fitted on"):
        export_onnx(pipeline.fit(table), tmp_path / "file.onnx")


def test_clipping_scalers(rows, tmp_path):
    if "clip" not in MaxAbsScaler().get_params():
        pytest.skip("new in scikit-learn 1.9")
    pipeline = make_pipeline(
        MaxAbsScaler(clip=True), AutoencoderTransformer(2, **SHORT)
    )
    pipeline.fit(rows)
    export_onnx(pipeline, tmp_path / "file.onnx", outputs=["transform"])
    found = run(tmp_path / "file.onnx", 9 * rows)
    assert_same(found, {"transform": pipeline.transform(9 * rows)})


def test_repeated_rows(tmp_path):
    """Copies of a sample are at distance 0, whatever rounding makes of it."""
    X = np.random.RandomState(3).randint(0, 2, (400, 4)).astype(np.float32)
    detector = AutoencoderOutlierDetector(**SHORT).fit(X)
    export_onnx(detector, tmp_path / "file.onnx", outputs=["predict"])
    expected = detector.predict(X)
    np.testing.assert_array_equal(run(tmp_path / "file.onnx", X)["predict"], expected)
    np.testing.assert_array_equal(detector.predict(X.astype(float)), expected)
    np.testing.assert_array_equal(detector.predict(X[::-1])[::-1], expected)
    alone = [detector.predict(X[i : i + 1])[0] for i in range(50)]
    np.testing.assert_array_equal(alone, expected[:50])


def test_links_are_followed(rows, tmp_path):
    target, link = tmp_path / "target.onnx", tmp_path / "link.onnx"
    target.touch()
    link.symlink_to(target)
    export_onnx(AutoencoderTransformer(1, **SHORT).fit(rows), link)
    assert link.is_symlink()
    assert run(target, rows)["transform"].shape == (len(rows), 1)


def test_converters_take_several_inputs(rows):
    import pandas as pd

    skl2onnx = pytest.importorskip("skl2onnx")
    register_converters()
    frame = pd.DataFrame(rows[:100, :4], columns=list("abcd"))
    transformer = AutoencoderTransformer(2, **SHORT).fit(frame)
    model = skl2onnx.to_onnx(transformer, frame)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (found,) = session.run(None, {c: frame[[c]].to_numpy() for c in frame})
    np.testing.assert_allclose(
        found, transformer.transform(frame), rtol=1e-4, atol=1e-5
    )


def test_neighbors_of_samples_far_from_the_others(tmp_path):
    """Squares of codes are a million times the squared distances of neighbours."""
    rng = np.random.RandomState(0)
    z = np.concatenate([rng.normal(size=400), 2000 + np.arange(30)])
    X = np.outer(z, [1, -2, 0.5]) + 0.05 * rng.normal(size=(430, 3))
    X = X.astype(np.float32)
    detector = AutoencoderOutlierDetector(
        1, architecture=DenseArchitecture(()), outlier_score="neighbors", **SHORT
    ).fit(X)
    export_onnx(detector, tmp_path / "x.onnx", outputs="score_samples")
    found = run(tmp_path / "x.onnx", X)["score_samples"]
    np.testing.assert_allclose(found, detector.score_samples(X), rtol=1e-2, atol=1e-4)


@pytest.fixture(scope="module")
def labelled(rows):
    """600 samples, 30 of which are labelled as outliers."""
    X, y = rows[:600].copy(), np.repeat([-1, 0], [30, 570])
    X[:30, 0] += 4
    return X, y


def with_holes(X, share=0.1):
    is_missing = np.random.RandomState(0).uniform(size=X.shape) < share
    return np.where(is_missing, np.float32(np.nan), X)


HUGE = [1e5, 1e20, -1e20, 9.969209968386869e36, -1e30, 3.4028235e38, -3.4028235e38]


@pytest.mark.parametrize(
    ("kind", "use_labels", "incomplete"),
    [
        ("fused", True, False),
        ("fused", True, True),
        ("fused", False, True),
        ("reconstruction", True, False),
        ("residual", True, True),
        ("code", True, False),
        ("neighbors", True, True),
        ("neighbors", False, False),
    ],
)
def test_huge_values(labelled, tmp_path, kind, use_labels, incomplete):
    """Nothing that overflows within the graph is an inlier."""
    X, y = labelled
    X = with_holes(X) if incomplete else X
    detector = AutoencoderOutlierDetector(
        2,
        architecture=DenseArchitecture((4,)),
        outlier_score=kind,
        use_labels=use_labels,
        **SHORT,
    ).fit(X, y if use_labels else None)
    one, two = np.repeat(X[100:101], len(HUGE), 0), np.repeat(X[101:102], len(HUGE), 0)
    one[:, 1] = two[:, 3] = HUGE
    two[:, 5] = -np.array(HUGE, np.float32)
    every = np.repeat(np.array(HUGE, np.float32)[:, None], 12, 1)
    huge = np.concatenate([X[100:110], one, two, every])
    methods = ("score_samples", "decision_function", "predict")
    export_onnx(detector, tmp_path / "detector.onnx", outputs=methods)
    found = run(tmp_path / "detector.onnx", huge)
    assert (found["predict"][10:] == -1).all()
    for method in methods:
        expected = getattr(detector, method)(huge)
        np.testing.assert_allclose(found[method], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("use_labels", [False, True])
def test_what_is_refused_is_an_outlier(labelled, tmp_path, use_labels):
    """A graph cannot raise an error."""
    X, y = labelled
    detector = AutoencoderOutlierDetector(
        2,
        architecture=DenseArchitecture((4,), handle_missing=False),
        use_labels=use_labels,
        **SHORT,
    ).fit(X, y if use_labels else None)
    bad = np.repeat(X[100:101], 3, 0)
    bad[:, 2] = np.nan, np.inf, -np.inf
    for row in bad:
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            detector.predict([row])
    export_onnx(detector, tmp_path / "x.onnx", outputs=["score_samples", "predict"])
    found = run(tmp_path / "x.onnx", np.concatenate([X[100:101], bad]))
    np.testing.assert_array_equal(found["predict"], [1, -1, -1, -1])
    assert (found["score_samples"][1:] == -np.finfo(np.float32).max).all()


FILLING = {
    "variational": (None, lambda: VariationalArchitecture((8,))),
    "converted": (None, lambda: DenseArchitecture((4,), "log_sigmoid")),
    "scaled": (StandardScaler(), lambda: DenseArchitecture(())),
    "table": (TableScaler(), lambda: DenseArchitecture((8,))),
}


@pytest.mark.parametrize("name", FILLING)
@pytest.mark.parametrize(
    "Estimator", [AutoencoderTransformer, AutoencoderOutlierDetector]
)
def test_missing_cells_after_complete_ones(rows, tmp_path, Estimator, name):
    """Networks that are not told of missing cells fill them as `fit` promises."""
    if name == "converted":
        pytest.importorskip("tf2onnx")
    scaler, make = FILLING[name]
    estimator = Estimator(3, architecture=make(), **SHORT)
    pipeline = make_pipeline(scaler, estimator).fit(rows[:600])
    export_onnx(pipeline, tmp_path / "x.onnx")
    X = with_holes(rows[:100], 0.3)
    X[0], X[1:20] = np.nan, rows[1:20]
    for samples in (X, X[:1], rows[:20], X[:0]):
        found = run(tmp_path / "x.onnx", samples)
        if not len(samples):
            assert all(len(values) == 0 for values in found.values())
            continue
        expected = {
            method: getattr(estimator, method)(
                samples if scaler is None else scaler.transform(samples)
            )
            for method in found
        }
        if scaler is not None:
            expected["reconstruct"] = scaler.inverse_transform(expected["reconstruct"])
        for method, values in expected.items():
            scale = np.abs(values).max()
            np.testing.assert_allclose(
                found[method], values, rtol=1e-3, atol=1e-4 * scale
            )


def test_labels_and_missing_cells_after_complete_ones(labelled, tmp_path):
    X, y = labelled
    detector = AutoencoderOutlierDetector(2, use_labels=True, **SHORT).fit(X, y)
    export_onnx(detector, tmp_path / "x.onnx", outputs="score_samples")
    X = with_holes(X)
    np.testing.assert_allclose(
        run(tmp_path / "x.onnx", X)["score_samples"],
        detector.score_samples(X),
        rtol=1e-3,
        atol=1e-4,
    )


@pytest.mark.parametrize(
    ("unit", "message"), [(1e60, "too large for float32"), (1e-60, "too small for")]
)
def test_numbers_beyond_float32_are_refused(rows, tmp_path, unit, message):
    X = unit * rows[:100].astype(float)
    pipeline = make_pipeline(StandardScaler(), AutoencoderTransformer(1, **SHORT))
    with pytest.raises(ValueError, match=rf"'standardscaler'.*{message}.*other units"):
        export_onnx(pipeline.fit(X), tmp_path / "x.onnx")


def keras_transformer(*layers):
    import keras

    X = np.random.RandomState(0).normal(size=(60, 5, 4)).astype(np.float32)
    code = keras.layers.Dense(2, name="code")
    ends = keras.layers.Dense(20), keras.layers.Reshape((5, 4))
    model = keras.Sequential(
        [keras.Input((5, 4)), keras.layers.Flatten(), code, *layers, *ends]
    )
    architecture = KerasArchitecture(model, code_layer="code")
    return AutoencoderTransformer(architecture=architecture, **SHORT).fit(X), X


def test_transposed_convolutions(tmp_path):
    """Some with strides larger than their kernel have negative paddings in tf2onnx."""
    pytest.importorskip("tf2onnx")
    from keras import layers

    transformer, X = keras_transformer(
        layers.Reshape((2, 1, 1)),
        layers.Conv2DTranspose(2, (1, 3), strides=2, padding="same"),
        layers.Conv2DTranspose(1, 1, strides=(3, 1), bias_initializer="ones"),
        layers.Conv2DTranspose(2, 2, strides=2, padding="same"),
        layers.Flatten(),
    )
    export_onnx(transformer, tmp_path / "x.onnx")
    found = run(tmp_path / "x.onnx", X)
    assert_same(found, {"reconstruct": transformer.reconstruct(X)})


def test_layers_without_operators_are_named(tmp_path):
    pytest.importorskip("tf2onnx")
    from keras import layers

    transformer, _ = keras_transformer(layers.Dense(3, "celu", name="bent"))
    message = r"no operator Expm1, .* Dense layer 'bent' with activation='celu'"
    with pytest.raises(ValueError, match=message):
        export_onnx(transformer, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_what_does_not_run_is_not_written(rows, tmp_path, monkeypatch):
    from skae.onnx._writer import GraphWriter

    transformer = AutoencoderTransformer(2, **SHORT).fit(rows[:100])
    reshape = GraphWriter.reshape
    monkeypatch.setattr(
        GraphWriter, "reshape", lambda self, x, shape: reshape(self, x, [5, *shape])
    )
    with pytest.raises(ValueError, match="cannot be exported"):
        export_onnx(transformer, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    export_onnx(transformer, tmp_path / "x.onnx")
    assert_same(
        run(tmp_path / "x.onnx", rows), {"transform": transformer.transform(rows)}
    )

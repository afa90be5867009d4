"""Tables with categories: encoded, reconstructed, scored, and back as DataFrames."""

import copy
import datetime
import io
import pickle
import warnings

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import (
    ConvolutionalArchitecture,
    DenseArchitecture,
    VariationalArchitecture,
)
from skae.inspection import DecodedCodesDisplay, ReconstructionDisplay
from skae.metrics import reconstruction_error, reconstruction_scorer
from skae.preprocessing import TableScaler

SMALL = {"architecture": DenseArchitecture((16,)), "epochs": 8, "random_state": 0}


def make_table(n_samples=300, seed=0):
    """Make a table in which one hidden number determines most of each sample."""
    rng = np.random.RandomState(seed)
    z = rng.uniform(-2, 2, n_samples)
    names = np.array(["low", "middle", "high"])
    return pd.DataFrame(
        {
            "size": z + 0.1 * rng.normal(size=n_samples),
            "level": names[np.digitize(z, [-0.7, 0.7])],
            "count": np.round(10 + 3 * z).astype(int),
            "is_big": z > 0,
            "grade": pd.Categorical(
                np.array(["A", "B", "C"])[np.digitize(-z, [-0.5, 1])],
                categories=["C", "B", "A", "unused"],
                ordered=True,
            ),
        },
        index=np.arange(n_samples)[::-1],
    )


@pytest.fixture(scope="module")
def table():
    return make_table()


@pytest.fixture(scope="module")
def incomplete(table):
    holes = np.random.RandomState(0).uniform(size=table.shape) < 0.15
    return table.astype({"is_big": "boolean", "count": "Int64"}).mask(holes)


@pytest.fixture(scope="module")
def transformer(table):
    """Fitted; a test that changes it takes a copy."""
    return AutoencoderTransformer(1, **SMALL).fit(table)


@pytest.fixture(scope="module")
def detector(table):
    return AutoencoderOutlierDetector(2, **SMALL).fit(table)


@pytest.fixture(scope="module")
def of_incomplete(incomplete):
    return AutoencoderTransformer(1, **SMALL).fit(incomplete)


class TestReconstruction:
    def test_a_table_comes_back(self, transformer, table):
        found = transformer.inverse_transform(transformer.transform(table))
        pd.testing.assert_series_equal(found.dtypes, table.dtypes)
        assert list(found.columns) == list(table.columns)
        for name in ("level", "is_big", "grade"):
            right = found[name].to_numpy() == table[name].to_numpy()
            assert right.mean() > 0.8, name

    def test_polars_gives_the_same(self, transformer, table):
        frame = pl.from_pandas(table)
        of_polars = AutoencoderTransformer(1, **SMALL).fit(frame)
        codes = of_polars.transform(frame)
        np.testing.assert_array_equal(codes, transformer.transform(table))
        found = of_polars.inverse_transform(codes)
        assert found.schema == frame.schema
        expected = transformer.reconstruct(table)["level"]
        assert found["level"].to_list() == expected.tolist()

    def test_arrays_with_indices(self, table):
        X = table[["size", "level"]].to_numpy()
        fitted = AutoencoderTransformer(1, categorical_features=[1], **SMALL).fit(X)
        found = fitted.inverse_transform(fitted.transform(X))
        assert found.dtype == object
        assert set(found[:, 1]) <= set(table["level"])
        with pytest.raises(ValueError, match="has to be an array, as in fit"):
            fitted.transform(table[["size", "level"]])

    def test_numbers_as_categories(self, table):
        X = np.column_stack([table["size"], table["is_big"] + 5.0])
        fitted = AutoencoderTransformer(1, categorical_features=[1], **SMALL).fit(X)
        assert set(fitted.reconstruct(X)[:, 1]) == {5.0, 6.0}

    @pytest.mark.parametrize(
        "given", [["level"], [1], [False, True, False]], ids=["name", "index", "mask"]
    )
    def test_columns_are_named_in_three_ways(self, table, given):
        X = table[["size", "level", "count"]]
        codes = [
            AutoencoderTransformer(1, categorical_features=which, **SMALL)
            .fit(X)
            .transform(X[:5])
            for which in (given, "from_dtype")
        ]
        np.testing.assert_array_equal(*codes)

    def test_numbers_alone_are_as_before(self, table):
        X = table[["size", "count"]]
        codes = [
            AutoencoderTransformer(1, categorical_features=which, **SMALL)
            .fit(given)
            .transform(given)
            for which, given in (
                ("from_dtype", X),
                (None, X),
                ("from_dtype", X.to_numpy(float)),
            )
        ]
        np.testing.assert_array_equal(codes[0], codes[1])
        np.testing.assert_array_equal(codes[0], codes[2])
        assert isinstance(
            AutoencoderTransformer(1, **SMALL).fit(X).reconstruct(X), np.ndarray
        )

    def test_integers_do_not_overflow(self, table):
        X = table[["count", "level"]].astype({"count": "int8"})
        found = AutoencoderTransformer(1, **SMALL).fit(X).inverse_transform([[1e6]])
        assert found["count"].dtype == "int8"

    def test_variational(self, table):
        architecture = VariationalArchitecture((16,))
        parameters = SMALL | {"architecture": architecture}
        fitted = AutoencoderTransformer(1, **parameters).fit(table)
        drawn = fitted.sample(4, random_state=0)
        pd.testing.assert_series_equal(drawn.dtypes, table.dtypes)

    def test_probabilities_sum_to_one(self, transformer, table):
        outputs = transformer.decoder_.predict(transformer.transform(table), verbose=0)
        value = outputs[:, 1:4].sum(axis=1)  # the features of "level"
        np.testing.assert_allclose(value, value[0], rtol=1e-5)
        assert (outputs[:, 1:4] >= 0).all()


class TestScore:
    def test_of_numbers_it_is_r2_and_of_categories_the_deviance(self, table):
        """By hand, for a network that predicts means and frequencies."""
        X = table[["size", "level"]]
        fitted = AutoencoderTransformer(
            1, architecture=DenseArchitecture((), start="random"), epochs=1
        ).fit(X)
        assert fitted.score(X) < 1
        network = fitted.autoencoder_
        value = np.sqrt(0.5 * X["size"].var(ddof=0))
        encoded = np.column_stack(
            [X["size"], *(value * (X["level"] == c) for c in sorted(set(X["level"])))]
        )
        outputs = network.predict(encoded, verbose=0)
        error = np.square(encoded[:, 0] - outputs[:, 0])
        probability = (encoded[:, 1:] * outputs[:, 1:]).sum(axis=1) / value**2
        error -= value**2 * np.log(probability)
        frequencies = X["level"].value_counts(normalize=True)[X["level"]].to_numpy()
        null = np.square(X["size"] - X["size"].mean()) - value**2 * np.log(frequencies)
        expected = 1 - error.sum() / null.sum()
        assert fitted.score(X) == pytest.approx(expected, abs=1e-5)

    def test_training_raises_it(self, transformer, table):
        assert transformer.score(table) > 0.8
        assert transformer.validation_score_ > 0.7
        assert transformer.validation_score_ >= transformer.start_validation_score_

    def test_losses_are_those_of_the_columns(self, table):
        """After one batch at a rate of zero, by Keras's own losses."""
        fitted = AutoencoderTransformer(
            1,
            architecture=DenseArchitecture((), start="random"),
            epochs=1,
            batch_size=300,
            learning_rate=1e-12,
            validation_fraction=None,
            random_state=0,
        ).fit(table[["size", "level"]])
        value = np.sqrt(0.5 * table["size"].var(ddof=0))
        one_hot = np.column_stack(
            [table["level"] == c for c in sorted(set(table["level"]))]
        ).astype("f4")
        X = np.column_stack([table["size"], value * one_hot]).astype("f4")
        outputs = fitted.autoencoder_.predict(X, verbose=0)
        numbers = np.square(X[:, 0] - outputs[:, 0])
        entropy = keras.losses.categorical_crossentropy(one_hot, outputs[:, 1:] / value)
        expected = (numbers + value**2 * np.asarray(entropy)).mean() / 2
        assert fitted.history_["loss"][0] == pytest.approx(expected, rel=1e-4)

    def test_in_searches(self, table):
        pipeline = make_pipeline(TableScaler(), AutoencoderTransformer(**SMALL))
        grid = {"autoencodertransformer__n_components": [1, 2]}
        search = GridSearchCV(pipeline, grid, cv=2).fit(table)
        assert search.best_score_ > 0.5
        best = search.best_estimator_
        assert reconstruction_scorer(best, table) == best.score(table)
        with pytest.raises(ValueError, match="columns of categories"):
            reconstruction_error(table, table)

    @pytest.mark.parametrize("last", [PCA(2), LogisticRegression()])
    def test_scores_of_other_estimators_are_none_of_reconstructions(self, table, last):
        encoder = make_column_transformer(
            (OneHotEncoder(sparse_output=False), ["level", "grade"])
        )
        pipeline = make_pipeline(encoder, last).fit(table, table["level"])
        name = type(last).__name__
        with pytest.raises(TypeError, match=f"reconstruction by {name} is not defined"):
            reconstruction_scorer(pipeline, table)

    @pytest.mark.parametrize("loss", ["mean_absolute_error", keras.losses.Huber()])
    def test_losses_of_numbers(self, table, loss):
        fitted = AutoencoderTransformer(1, loss=loss, **SMALL).fit(table)
        assert fitted.score(table) > 0.5


class TestMissing:
    def test_impute(self, of_incomplete, incomplete, table):
        imputed = of_incomplete.impute(incomplete)
        assert not imputed.isna().any(axis=None)
        observed = incomplete.notna()
        for name in table:
            was = observed[name]
            same = imputed.loc[was, name].to_numpy() == table.loc[was, name].to_numpy()
            assert same.all(), name
        for name in ("level", "is_big"):
            hidden = ~observed[name]
            assert (imputed.loc[hidden, name] == table.loc[hidden, name]).mean() > 0.7

    def test_impute_in_polars(self, of_incomplete, incomplete):
        frame = pl.from_pandas(incomplete)
        imputed = of_incomplete.impute(frame)
        assert imputed.null_count().sum_horizontal().item() == 0
        assert imputed.schema["level"] == pl.String

    def test_unknown_categories_are_missing(self, transformer, of_incomplete, table):
        changed = table[:5].assign(level="unheard of")
        for fitted in (transformer, of_incomplete):
            expected = fitted.transform(table[:5].assign(level=None))
            with pytest.warns(UserWarning, match="'level' of X has 5 of 5 cells"):
                codes = fitted.transform(changed)
            np.testing.assert_array_equal(codes, expected)
        with pytest.warns(UserWarning, match="such as 'unheard of'"):
            imputed = of_incomplete.impute(changed)
        assert (imputed["level"] == "unheard of").all()

    def test_a_column_without_values(self, incomplete):
        nothing = pd.Categorical([None] * 300, categories=["a", "b"])
        X = incomplete.assign(empty=None, unknown=nothing)
        with pytest.warns(UserWarning, match="no observed cell: empty, unknown"):
            fitted = AutoencoderTransformer(1, **SMALL).fit(X)
        for found in (fitted.reconstruct(X), fitted.impute(X)):
            assert (found["empty"] == 0).all()
            assert found["unknown"].isna().all()

    def test_a_sample_without_values(self, of_incomplete, incomplete):
        X = incomplete[:1].mask(np.ones((1, 5), bool))
        assert np.isfinite(of_incomplete.transform(X)).all()
        assert not of_incomplete.impute(X).isna().any(axis=None)


class TestOddTables:
    """What a search for faults found."""

    @pytest.mark.parametrize("constant", [0.3, 123.456])
    def test_a_constant_is_no_unit(self, table, constant):
        """The variance of equal numbers is not 0 but rounding."""
        X = table[["level", "is_big"]].assign(k=constant)
        fitted = AutoencoderTransformer(1, **SMALL).fit(X)
        assert fitted.score(X) > 0.3

    @pytest.mark.parametrize("library", ["pandas", "polars"])
    def test_output_of_transformers_is_set_for_all(self, transformer, table, library):
        expected = TableScaler().fit_transform(table)["size"]
        with config_context(transform_output=library):
            np.testing.assert_allclose(
                transformer.transform(table), transformer.transform(table)
            )
            AutoencoderTransformer(1, **SMALL | {"epochs": 1}).fit(table)
            scaled = TableScaler().fit_transform(table)["size"]
        np.testing.assert_allclose(scaled, expected)

    @pytest.mark.parametrize("value", [None, pd.NA])
    def test_a_single_sample_without_a_number(self, detector, table, value):
        X = table[:1].astype(object).assign(size=value)
        expected = detector.score_samples(table[:1].assign(size=np.nan))
        np.testing.assert_array_equal(detector.score_samples(X), expected)
        scaler = TableScaler().fit(table)
        assert scaler.transform(table[:1].assign(size=value))["size"].isna().all()

    def test_impute_columns_without_values(self, transformer, table):
        row = table[:1].astype(object)
        for name in ("level", "is_big", "grade"):
            found = transformer.impute(row.assign(**{name: np.nan}))[name]
            assert found.dtype == table[name].dtype
            assert not found.isna().any()
        frame = pl.DataFrame({**table[:1].to_dict("list"), "level": [None]})
        assert transformer.impute(frame)["level"].null_count() == 0

    def test_lists(self, table):
        X = [[a, b] for a, b in table[["size", "level"]].to_numpy()]
        X[3][1], X[4][1] = np.nan, None
        fitted = AutoencoderTransformer(1, categorical_features=[1], **SMALL).fit(X)
        assert set(fitted.reconstruct(X)[:, 1]) <= set(table["level"])
        imputed = fitted.impute(X)
        assert imputed[0].tolist() == X[0]
        assert imputed[3, 1] in set(table["level"])

    def test_folds_and_unknown_codes(self, table):
        X = table.assign(code=np.arange(300) % 3)
        names = ["level", "is_big", "grade", "code"]
        detector = AutoencoderOutlierDetector(
            1, calibration=3, categorical_features=names, **SMALL
        )
        with pytest.warns(UserWarning, match="'code' of X has 50 of 50 cells with"):
            detector.fit(X, X_val=X[:50].assign(code=7))

    # Polars has had integers of 128 bits since version 1.18.
    @pytest.mark.parametrize(
        "dtype", [pl.Decimal(10, 3), getattr(pl, "Int128", pl.Int64)]
    )
    def test_numbers_that_numpy_has_not(self, table, dtype):
        frame = pl.from_pandas(table).with_columns(pl.col("count").cast(dtype))
        found = AutoencoderTransformer(1, **SMALL).fit(frame).reconstruct(frame)
        assert found["count"].dtype.is_numeric()

    def test_booleans_that_are_left_out_are_numbers(self, table):
        X = table[["size", "level", "is_big"]]
        fitted = AutoencoderTransformer(1, categorical_features=["level"], **SMALL)
        assert fitted.fit(X).encoder_.input_shape == (None, 5)

    def test_warm_start_wants_the_same_columns(self, table):
        fitted = AutoencoderTransformer(1, warm_start=True, **SMALL).fit(table)
        fitted.set_params(categorical_features=["level", "is_big", "grade", "count"])
        with pytest.raises(ValueError, match="built for categorical_features='from_dt"):
            fitted.fit(table)

    def test_the_start_takes_little_time_with_many_coefficients(self):
        """Newton's method needed minutes, for the inverse of a matrix of them all."""
        rng = np.random.RandomState(0)
        X = pd.DataFrame(rng.normal(size=(1000, 40)))
        X["kind"] = [f"k{i}" for i in rng.randint(80, size=1000)]
        X.columns = X.columns.astype(str)
        fitted = AutoencoderTransformer(30, **SMALL | {"epochs": 1}).fit(X)
        assert fitted.start_ in ("pca", "random")

    def test_prices_are_no_formulas(self, table):
        X = table.assign(level="$5-$10")
        fitted = AutoencoderTransformer(1, **SMALL | {"epochs": 1}).fit(table)
        display = ReconstructionDisplay.from_estimator(fitted, X, n_samples=1)
        display.figure_.canvas.draw()
        plt.close(display.figure_)

    def test_other_libraries_behind_a_scaler(self, table):
        pipeline = make_pipeline(TableScaler(), AutoencoderTransformer(1, **SMALL))
        pipeline.set_output(transform="polars").fit(table)
        assert pipeline.inverse_transform(np.zeros((1, 1))).shape == (1, 5)


class TestCategories:
    def test_rare_ones_count_as_one(self, table):
        rare = [f"rare{i}" for i in range(8)] + ["rare8"] * 3
        level = table["level"].to_numpy().copy()
        level[: len(rare)] = rare
        X = table.assign(level=level)
        fitted = AutoencoderTransformer(1, **SMALL).fit(X)
        # size, count; 3 + 1 levels, 2 booleans, 3 grades
        assert fitted.encoder_.input_shape == (None, 11)
        codes = fitted.transform(X[:1].assign(level="rare1"))
        np.testing.assert_array_equal(
            codes, fitted.transform(X[:1].assign(level="rare2"))
        )
        assert set(fitted.reconstruct(X)["level"]) <= set(table["level"]) | {"rare8"}

    def test_at_most_a_hundred(self):
        rng = np.random.RandomState(0)
        X = pd.DataFrame(
            {"id": [f"id{i}" for i in rng.randint(150, size=2000)], "x": 0.0}
        )
        fitted = AutoencoderTransformer(1, **SMALL | {"epochs": 1}).fit(X)
        assert fitted.encoder_.input_shape == (None, 101)

    def test_one_category_only(self, table):
        fitted = AutoencoderTransformer(1, **SMALL).fit(table.assign(level="same"))
        with pytest.warns(UserWarning, match="Those of fit begin with 'same'"):
            reconstructed = fitted.reconstruct(table)
        assert (reconstructed["level"] == "same").all()

    def test_categories_only(self, table):
        X = table[["level", "is_big"]]
        fitted = AutoencoderTransformer(1, **SMALL).fit(X)
        assert (fitted.reconstruct(X) == X).mean(axis=None) > 0.8


CODES = {"code": [3, 4, 9], "part": [0.1, 0.2, 0.7]}


def make_codes(code="int8", part="float32", n_samples=150):
    """Make a table of codes as numbers, of given dtypes."""
    z = np.random.RandomState(1).uniform(0, 3, n_samples)
    kind = z.astype(int)
    columns = {name: np.take(codes, kind) for name, codes in CODES.items()}
    frame = pd.DataFrame({"size": z.astype("float32"), **columns})
    return frame.astype({"code": code, "part": part})


@pytest.fixture(
    scope="module", params=[TableScaler(), TableScaler("quantile"), StandardScaler()]
)
def of_codes(request):
    detector = AutoencoderOutlierDetector(
        1, categorical_features=[1, 2], **SMALL | {"epochs": 2}
    )
    return make_pipeline(clone(request.param), detector).fit(make_codes())


class TestCodes:
    @pytest.mark.parametrize(
        "dtypes",
        [("int64", "float32"), ("float64", "float64"), ("Int64", "Float32")],
        ids=str,
    )
    def test_codes_of_other_dtypes_are_known(self, of_codes, dtypes):
        expected = of_codes.score_samples(make_codes())
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = of_codes.score_samples(make_codes(*dtypes))
            one = of_codes.score_samples(make_codes(*dtypes)[:1])
        np.testing.assert_allclose(found, expected, rtol=1e-3)
        np.testing.assert_allclose(one, expected[:1], rtol=1e-3)
        given = make_codes("float64").assign(code=[np.nan, *make_codes()["code"][1:]])
        found = of_codes.score_samples(given)
        np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-3)

    @pytest.mark.parametrize("code", [2, 5, 10, 100])
    def test_unknown_codes_are_missing_cells(self, of_codes, code):
        X = make_codes("float64")[:4]
        expected = of_codes.score_samples(X.assign(code=np.nan))
        found = of_codes.score_samples(X.assign(code=code))
        np.testing.assert_allclose(found, expected, rtol=1e-6)

    def test_hardly_any_known_code_is_warned_of(self, of_codes):
        X = make_codes()
        message = "has 150 of 150 cells with categories that fit did not have"
        with pytest.warns(UserWarning, match=message):
            of_codes.score_samples(X.assign(code=X["code"] + 100))

    def test_blocks_in_two_precisions(self):
        blocks = [make_codes(), make_codes("int64", "float64")]
        fitted = AutoencoderTransformer(
            1, categorical_features=["part", "code"], **SMALL | {"epochs": 1}
        ).fit(blocks)
        assert fitted.encoder_.input_shape == (None, 7)
        codes = [fitted.transform(block) for block in blocks]
        np.testing.assert_allclose(*codes, rtol=1e-5)


class TestArrow:
    @pytest.fixture
    def frame(self):
        pa = pytest.importorskip("pyarrow")
        arrays = {
            "size": pa.array(np.linspace(0, 1, 60)),
            "kind": pa.array(["a", "b", None] * 20).dictionary_encode(),
            "code": pa.array([3, 5] * 30).dictionary_encode(),
            "name": pa.array(["u", "v"] * 30),
            "nothing": pa.nulls(60),
        }
        return pd.DataFrame(
            {n: pd.arrays.ArrowExtensionArray(a) for n, a in arrays.items()}
        )

    def test_dictionaries_and_texts_come_back(self, frame):
        with pytest.warns(UserWarning, match="no observed"):
            fitted = AutoencoderTransformer(1, **SMALL | {"epochs": 2}).fit(frame)
        fitted = pickle.loads(pickle.dumps(fitted))
        expected = frame.dtypes.drop("nothing")
        for back in (fitted.reconstruct(frame), fitted.impute(frame)):
            pd.testing.assert_series_equal(back.dtypes.drop("nothing"), expected)
            assert not back["kind"].isna().any()
        assert set(fitted.reconstruct(frame)["code"]) <= {3, 5}

    def test_a_table_of_pyarrow_is_taken(self, transformer, table):
        pa = pytest.importorskip("pyarrow")
        given = pa.Table.from_pandas(table, preserve_index=False)
        np.testing.assert_array_equal(
            transformer.transform(given), transformer.transform(table)
        )
        assert transformer.impute(given).shape == table.shape

    def test_other_storage_of_strings(self, table):
        X = table[["size"]].assign(level=table["level"].astype("string[python]"))
        fitted = AutoencoderTransformer(1, **SMALL | {"epochs": 1}).fit(X)
        assert fitted.reconstruct(X).dtypes["level"].storage == "python"


class TestWarnings:
    @pytest.mark.parametrize(
        "texts", [["3", "-", "4", "5"], [*map(str, range(9)), "-"]], ids=len
    )
    def test_numbers_beside_a_sign_in_a_small_table(self, table, texts):
        X = table[["size"]][:17].assign(price=np.resize(texts, 17).astype(object))
        parameters = SMALL | {"epochs": 1}
        with pytest.warns(UserWarning, match="numbers as text, such as .*, beside '-'"):
            AutoencoderTransformer(1, **parameters).fit(X)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            AutoencoderOutlierDetector(1, **parameters).fit(
                X.astype({"price": "category"})
            )

    def test_identifiers(self, table):
        X = table.assign(name=[f"sample {i}" for i in range(300)])
        with pytest.warns(UserWarning, match="Column 'name' .* 300 categories, all of"):
            fitted = AutoencoderTransformer(1, **SMALL | {"epochs": 1}).fit(X)
        assert fitted.reconstruct(X)["name"].nunique() == 1

    def test_numbers_as_text(self, table):
        X = table.assign(price=[f"{i % 15},5" for i in range(300)])
        with pytest.warns(UserWarning, match="Column 'price' .* numbers as text"):
            AutoencoderTransformer(1, **SMALL | {"epochs": 1}).fit(X)

    def test_numbers_beside_a_text_for_missing_cells(self, table):
        price = [f"{i % 15}.5" if i % 7 else "?" for i in range(300)]
        X = table.assign(price=price)
        message = r"Column 'price' .* numbers as text, such as '0.5', beside '\?'"
        with pytest.warns(UserWarning, match=message):
            AutoencoderTransformer(1, **SMALL | {"epochs": 1}).fit(X)
        # The cure that is named.
        X = pd.read_csv(io.StringIO(X.to_csv(index=False)), na_values="?")
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            AutoencoderOutlierDetector(1, **SMALL | {"epochs": 1}).fit(X)

    def test_codes_with_letters_are_categories(self, table):
        X = table.assign(code=[f"{i % 15}{'AB'[i % 2]}" for i in range(300)])
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            AutoencoderOutlierDetector(1, **SMALL | {"epochs": 1}).fit(X)


class TestDetector:
    def test_a_wrong_category_is_the_culprit(self, table):
        detector = AutoencoderOutlierDetector(
            1, outlier_score="reconstruction", **SMALL
        ).fit(table)
        low = table[(table["size"] < -1) & (table["level"] == "low")]
        wrong = low.assign(level="high")
        assert (detector.score_samples(wrong) < detector.score_samples(low)).all()
        first = detector.explain(wrong).idxmax(axis=1)
        assert (first == "level").mean() > 0.9

    @pytest.mark.parametrize("calibration", [0.3, 3])
    def test_calibration(self, table, calibration):
        detector = AutoencoderOutlierDetector(
            1, calibration=calibration, contamination=0.1, **SMALL
        ).fit(table)
        new = make_table(300, seed=1)
        assert 0.7 < (detector.predict(new) == 1).mean() < 1
        assert (detector.predict_pvalue(new) > 0).all()

    @pytest.mark.parametrize("calibration", [0.5, 3])
    def test_values_beyond_the_dtype_of_fit_are_judged_as_they_are(
        self, table, calibration
    ):
        """No value is clipped or rounded to a dtype on its way to the folds."""
        table = table[["size", "level"]].assign(
            count=table["count"].astype("int8"), is_big=table["is_big"]
        )
        detector = AutoencoderOutlierDetector(
            1, calibration=calibration, **SMALL | {"epochs": 1}
        ).fit(table)
        new = make_table(30, seed=1)[list(table)]
        rare = 1 / (1 + len(detector._reference.scores))
        far = new.assign(count=np.where(np.arange(30) < 8, 5000, new["count"]))
        np.testing.assert_allclose(detector.predict_pvalue(far)[:8], rare)
        np.testing.assert_array_equal(
            np.flatnonzero(detector.select_outliers(far, fdr=0.1)), np.arange(8)
        )
        assert detector.test_drift(far[:8]).statistic == pytest.approx(1)
        # Halves are between integers for each network.
        half = new.assign(count=new["count"] + 0.49)
        assert (detector.predict_pvalue(half) != detector.predict_pvalue(new)).any()

    def test_validation_samples_of_folds_keep_their_values(self, table):
        table = table[["size", "level"]].assign(count=table["count"].astype("int8"))
        X_val = make_table(60, seed=1)[list(table)]
        far = X_val.assign(count=X_val["count"] * 100)  # beyond int8
        losses = []

        class Record(keras.callbacks.Callback):  # each fit has a copy
            def on_epoch_end(self, epoch, logs=None):
                losses.append(logs["val_loss"])

        for given in (X_val, far):
            AutoencoderOutlierDetector(
                1, calibration=2, callbacks=[Record()], **SMALL | {"epochs": 1}
            ).fit(table, X_val=given)
        near, beyond = np.split(np.array(losses), 2)
        assert len(near) == 3
        assert (beyond > 100 * near).all()

    def test_it_cross_validates(self, table):
        def mean_score(detector, X, y=None):
            return detector.score_samples(X).mean()

        detector = AutoencoderOutlierDetector(1, **SMALL)
        assert (cross_val_score(detector, table, scoring=mean_score, cv=2) < 0).all()

    def test_missing_cells(self, detector, table):
        X = table[:20].mask(np.random.RandomState(0).uniform(size=(20, 5)) < 0.3)
        assert np.isfinite(detector.score_samples(X)).all()


class TestStates:
    def test_partial_fit_keeps_the_categories(self, table):
        fitted = AutoencoderTransformer(1, **SMALL).partial_fit(table)
        fitted.partial_fit(table[table["level"] != "high"])
        assert fitted.n_iter_ == 2
        with (
            pytest.raises(ValueError, match="an unknown category"),
            pytest.warns(UserWarning, match="'level' of X has 300 of 300 cells"),
        ):
            fitted.partial_fit(table.assign(level="new"))

    def test_a_failed_fit_changes_nothing(self, transformer, table):
        fitted = copy.deepcopy(transformer)
        with pytest.raises(ValueError, match="Column 'level'"):
            fitted.fit(table.assign(level=[1, "a"] * 150))
        np.testing.assert_array_equal(
            fitted.transform(table), transformer.transform(table)
        )

    def test_numbers_after_a_table(self, transformer, table):
        fitted = clone(transformer).fit(table).fit(table[["size", "count"]])
        assert fitted.transform(table[["size", "count"]]).shape == (300, 1)


class TestErrors:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t: t.assign(more=1), "more"),
            (lambda t: t.drop(columns="level"), "level"),
            (lambda t: t[t.columns[::-1]], "same order"),
            (lambda t: t.assign(level=1.5), "Column 'level' .* had strings .* numbers"),
            (lambda t: t.assign(is_big="yes"), "Column 'is_big' .* had booleans"),
            (lambda t: t.assign(size="large"), "Column 'size' .* hold numbers"),
            (lambda t: t.assign(size=np.inf), "Column 'size' of X holds infinity"),
            (lambda t: t.assign(level=[("a",)] * 300), "Column 'level'.*tuple"),
            (lambda t: t.to_numpy(), "has to be a DataFrame, as in fit"),
        ],
    )
    def test_other_tables(self, transformer, table, change, message):
        with pytest.raises(ValueError, match=message):
            transformer.transform(change(table))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t: t.assign(level=[1, "a"] * 150), "'level'.*type int, str"),
            (lambda t: t.assign(when=pd.Timestamp("2020")), "'when'.*datetime64"),
            *(
                (lambda t, v=value: t.assign(c=pd.Series([v] * 300, t.index)), message)
                for value, message in (
                    (b"a", "'c' .* holds bytes, .* Decode"),
                    ([1], "'c' .* holds lists or arrays, .* a column of its own"),
                    (np.ones(2), "'c' .* holds lists or arrays"),
                    ({"a": 1}, "'c' .* holds records, .* Give each field a column"),
                    (datetime.date(2020, 1, 1), "'c' .* holds dates or times"),
                    (datetime.time(1), "'c' .* holds times of day, .* hours"),
                    (datetime.timedelta(1), "'c' .* holds durations.*total_seconds"),
                    (pd.Period("2020"), "'c' .* holds dates or times"),
                    (pd.Interval(0, 1), "'c' .* holds intervals, .* middles"),
                    (1j, "'c' .* holds complex numbers, .* a column each"),
                )
            ),
            *(
                (lambda t, v=value: pl.DataFrame({"c": [v] * 9}, strict=False), message)
                for value, message in (
                    (b"a", "'c' .* holds bytes"),
                    ([1], "'c' .* holds lists or arrays"),
                    ({"a": 1}, "'c' .* holds records"),
                    (datetime.datetime(2020, 1, 1), "'c' .* holds dates or times"),
                    (datetime.time(1), "'c' .* holds times of day"),
                    (datetime.timedelta(1), "'c' .* holds durations"),
                )
            ),
            (lambda t: t[:0], "no samples"),
            (lambda t: t.to_numpy(), "Pass the DataFrame, or name the columns"),
            (lambda t: t["size"], "Expected a 2-dimensional container"),
        ],
    )
    def test_tables_that_cannot_be_learned_from(self, table, change, message):
        with pytest.raises(ValueError, match=message):
            AutoencoderTransformer(1, **SMALL).fit(change(table))

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (["no such"], "names 'no such', which is no column"),
            ([7], "indices from 7 to 7, but X has 5"),
            ([True], "mask of 1 columns, but X has 5"),
            ([[1]], "one-dimensional"),
            (["size"], "Column 'level' of X has to hold numbers"),
        ],
    )
    def test_categorical_features(self, table, given, message):
        with pytest.raises(ValueError, match=message):
            AutoencoderTransformer(1, categorical_features=given, **SMALL).fit(table)

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"loss": "binary_crossentropy"}, "cross-entropy of categories"),
            ({"loss": "cosine_similarity"}, "mean_squared_error"),
            (
                {"architecture": DenseArchitecture(output_activation="sigmoid")},
                "softmax for each column",
            ),
            (
                {"architecture": ConvolutionalArchitecture()},
                "Column 'level' of X holds categories.*OneHotEncoder",
            ),
        ],
    )
    def test_what_cannot_be_combined(self, table, parameters, message):
        with pytest.raises(ValueError, match=message):
            AutoencoderTransformer(1, **SMALL | parameters).fit(table)


class TestDisplays:
    def test_categories_are_written(self, transformer, table):
        display = ReconstructionDisplay.from_estimator(transformer, table, n_samples=2)
        texts = {text.get_text().split()[0] for text in display.axes_[0].texts}
        assert table["level"].iloc[0] in texts
        assert display.categories["Value"][0, 1] == table["level"].iloc[0]
        plt.close(display.figure_)

    def test_behind_a_scaler(self, table):
        pipeline = make_pipeline(
            TableScaler(), AutoencoderOutlierDetector(1, **SMALL)
        ).fit(table)
        display = ReconstructionDisplay.from_estimator(
            pipeline, table, n_samples=2, standardize=True
        )
        assert len(display.axes_) == 2
        plt.close(display.figure_)

    def test_decoded_codes_are_refused(self, detector, table):
        with pytest.raises(TypeError, match="columns of categories"):
            DecodedCodesDisplay.from_estimator(detector, table)

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector
from skae.architectures import DenseArchitecture
from skae.inspection import outlier_report
from skae.pipeline import make_pipeline
from skae.preprocessing import TableScaler


def detector(**params):
    small = {"architecture": DenseArchitecture((8,)), "epochs": 3, "random_state": 0}
    return AutoencoderOutlierDetector(**small | params)


@pytest.fixture(scope="module")
def table():
    rng = np.random.RandomState(0)
    x = rng.normal(size=150)
    table = pd.DataFrame(
        {"a": 100 + 10 * x, "b": x, "kind": np.where(x > 0, "u", "v")},
        index=np.arange(150) + 1000,
    )
    table.iloc[7, 0] = 500
    table.iloc[9, 1] = np.nan
    return table


@pytest.fixture(scope="module")
def fitted(table):
    return make_pipeline(TableScaler(), detector(calibration=0.3)).fit(table)


def test_most_anomalous_samples_come_first_with_reasons(fitted, table):
    report = outlier_report(fitted, table, n_samples=5, n_reasons=2)
    assert len(report) == 5
    assert report.index[0] == 1007
    first = report.iloc[0]
    assert (first["position"], first["label"], first["reason_1"]) == (7, -1, "a")
    assert first["observed_1"] == 500
    assert 50 < first["expected_1"] < 200
    assert list(report["score"]) == sorted(fitted.score_samples(table))[:5]
    np.testing.assert_array_equal(
        report["p_value"], fitted.predict_pvalue(table.loc[report.index])
    )
    shares = report[["share_1", "share_2"]]
    assert shares.to_numpy().min() >= 0
    assert shares.sum(axis=1).max() <= 1 + 1e-3


def test_polars(fitted, table):
    polars = pytest.importorskip("polars")
    frame = polars.from_pandas(table)
    pipeline = make_pipeline(TableScaler(), detector()).fit(frame)
    report = outlier_report(pipeline, frame, n_samples=4)
    assert type(report) is polars.DataFrame
    assert report["position"][0] == 7
    assert "p_value" not in report.columns


def test_values_that_are_expected_are_said_to_be(fitted, table):
    report = outlier_report(fitted, table, n_samples=150)
    pairs = [
        (row[f"observed_{k}"], row[f"expected_{k}"])
        for _, row in report.iterrows()
        for k in (1, 2, 3)
        if isinstance(row[f"reason_{k}"], str)
    ]
    assert not any(seen == expected for seen, expected in pairs)
    assert any(expected == "as observed" for _, expected in pairs)


def test_missing_cells_are_no_reasons(fitted, table):
    report = outlier_report(fitted, table, n_samples=150)
    row = report[report["position"] == 9].iloc[0]
    assert "b" not in list(row[["reason_1", "reason_2", "reason_3"]])


def test_bare_detector_of_an_array(table):
    X = table[["a"]].assign(b=table["a"]).to_numpy()
    report = outlier_report(detector().fit(X), X, n_samples=2, n_reasons=1)
    assert report["position"].iloc[0] == 7
    assert set(report["reason_1"]) <= {"x0", "x1"}


def test_other_columns_are_refused(table):
    X = table[["a"]].assign(b=table["a"])
    pipeline = make_pipeline(StandardScaler(), PCA(), detector()).fit(X)
    with pytest.raises(ValueError, match="keep the columns"):
        outlier_report(pipeline, X)


@pytest.mark.parametrize("name", ["n_samples", "n_reasons"])
def test_counts_are_checked(fitted, table, name):
    with pytest.raises(ValueError, match=name):
        outlier_report(fitted, table, **{name: 0})

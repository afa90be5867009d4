"""The command ``python -m skae score``."""

import os
import re
import shutil
import subprocess
import sys
import time

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline

from skae import AutoencoderOutlierDetector
from skae._command_line import main
from skae.architectures import DenseArchitecture
from skae.preprocessing import TableScaler

SMALL = {"architecture": DenseArchitecture((8,)), "epochs": 2, "random_state": 0}


def make_table(n_rows=240):
    rng = np.random.RandomState(0)
    z = rng.normal(size=n_rows)
    return pd.DataFrame(
        {
            "id": np.arange(n_rows),
            "size": z,
            "weight": 2 * z + 0.1 * rng.normal(size=n_rows),
            "kind": np.where(z > 0, "a", "b"),
        }
    )


@pytest.fixture(scope="module")
def table():
    return make_table()


@pytest.fixture(scope="module")
def pipeline(table):
    detector = AutoencoderOutlierDetector(1, calibration=0.3, **SMALL)
    return make_pipeline(TableScaler(), detector).fit(table.drop(columns="id"))


@pytest.fixture
def files(tmp_path, table, pipeline):
    """Paths of model, input of six row groups, and output."""
    model, source = tmp_path / "model.joblib", tmp_path / "in.parquet"
    joblib.dump(pipeline, model)
    table.to_parquet(source, row_group_size=40)
    return model, source, tmp_path / "out.parquet"


def run(files, *options):
    return main(["score", *map(str, files), *options])


def expected(pipeline, table):
    X = table.drop(columns="id")
    return pd.DataFrame(
        {
            "score": pipeline.score_samples(X),
            "label": pipeline.predict(X),
            "pvalue": pipeline[-1].predict_pvalue(pipeline[0].transform(X)),
        }
    )


def test_scores_labels_and_pvalues(files, pipeline, table, capsys):
    assert run(files, "--keep", "id") == 0
    found = pd.read_parquet(files[2])
    assert list(found) == ["id", "score", "label", "pvalue"]
    np.testing.assert_array_equal(found["id"], table["id"])
    pd.testing.assert_frame_equal(
        found.drop(columns="id"), expected(pipeline, table), rtol=1e-6
    )
    assert "240 rows" in capsys.readouterr().err
    assert sorted(path.name for path in files[2].parent.iterdir()) == [
        "in.parquet",
        "model.joblib",
        "out.parquet",
    ]


def test_contributions_sum_to_scores(files):
    assert run(files, "--contributions", "--quiet") == 0
    found = pd.read_parquet(files[2])
    names = [name for name in found if name.startswith("contribution of ")]
    assert names == [f"contribution of {c}" for c in ("size", "weight", "kind")]
    np.testing.assert_allclose(found[names].sum(axis=1), -found["score"], rtol=1e-5)


def test_a_model_of_arrays(files, table):
    X = table[["size", "weight"]].to_numpy()
    forest = IsolationForest(n_estimators=10, random_state=0).fit(X)
    joblib.dump(forest, files[0])
    assert run(files, "--keep", "id", "kind") == 0
    found = pd.read_parquet(files[2])
    np.testing.assert_allclose(found["score"], forest.score_samples(X))
    np.testing.assert_array_equal(found["label"], forest.predict(X))


def test_workers(files, pipeline, table):
    assert run(files, "--workers", "2", "--quiet") == 0
    found = pd.read_parquet(files[2])
    pd.testing.assert_frame_equal(found, expected(pipeline, table), rtol=1e-6)


def test_it_goes_on_after_a_kill(files, pipeline, table):
    command = [sys.executable, "-m", "skae", "score", *map(str, files)]
    parts = files[2].with_name("out.parquet.parts")
    killed = subprocess.Popen(command, stderr=subprocess.PIPE)
    while not list(parts.glob("part-*.parquet")) and killed.poll() is None:
        time.sleep(0.001)
    killed.kill()
    killed.communicate()
    assert not files[2].exists() or killed.returncode == 0
    done = {path.name: os.stat(path).st_mtime_ns for path in parts.glob("*.parquet")}
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    if done:
        assert "rows were done before" in again.stderr
    found = pd.read_parquet(files[2])
    pd.testing.assert_frame_equal(found, expected(pipeline, table), rtol=1e-6)
    assert not parts.exists()


@pytest.fixture
def interrupted(files, table, monkeypatch):
    """The folder of parts of a job that was stopped in its third row group."""
    score, n_calls = AutoencoderOutlierDetector.score_samples, 0

    def stop(self, X):
        nonlocal n_calls
        n_calls += 1
        if n_calls == 3:
            raise KeyboardInterrupt
        return score(self, X)

    # In other values than the tests have later.
    table.assign(size=table["size"] + 1).to_parquet(files[1], row_group_size=40)
    with monkeypatch.context() as patched:
        patched.setattr(AutoencoderOutlierDetector, "score_samples", stop)
        with pytest.raises(KeyboardInterrupt):
            run(files)
    parts = files[2].with_name("out.parquet.parts")
    assert len(list(parts.glob("part-*.parquet"))) == 2
    return parts


def test_an_interrupted_job_goes_on(files, interrupted, capsys):
    assert run(files) == 0
    assert "80 of 240 rows were done before" in capsys.readouterr().err
    assert not interrupted.exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_nothing_is_left_of_a_job_that_cannot_be_done(files, table, capsys, workers):
    broken = table.copy()
    broken.loc[100, "size"] = np.inf
    broken.to_parquet(files[1], row_group_size=40)
    assert run(files, "--workers", workers, "--quiet") == 1
    assert "Row group 2 " in capsys.readouterr().err
    assert {path.name for path in files[2].parent.iterdir()} == {
        "in.parquet",
        "model.joblib",
    }


def damage(path, row_group):
    """Overwrite the beginning of a row group of a Parquet file."""
    column = parquet.ParquetFile(path).metadata.row_group(row_group).column(0)
    offset = column.dictionary_page_offset or column.data_page_offset
    content = path.read_bytes()
    damaged = content[:offset] + 40 * b"\xff" + content[offset + 40 :]
    path.write_bytes(damaged)


def test_a_damaged_row_group(files, capsys):
    damage(files[1], 3)
    assert run(files, "--keep", "id", "--quiet") == 1
    error = capsys.readouterr().err
    assert f"skae: Row group 3 of {files[1]} cannot be read: " in error
    assert "The file is damaged." in error
    assert "Traceback" not in error
    assert not list(files[2].parent.glob("*out.parquet*"))


def test_a_damaged_part(files, interrupted, capsys):
    """It is computed again."""
    damage(interrupted / "part-000001.parquet", 0)
    assert run(files, "--quiet") == 1
    error = capsys.readouterr().err
    assert "part-000001.parquet cannot be read: " in error
    assert "run the command again" in error
    assert run(files) == 0
    assert "200 of 240 rows were done before" in capsys.readouterr().err
    assert len(pd.read_parquet(files[2])) == 240


ENDS_AT = """
import os, sys
from skae._command_line import main

at, name, *arguments = sys.argv[1:]


def end(event, paths):
    if event == at and str(paths[event == "os.rename"]).endswith(name):
        os._exit(9)


sys.addaudithook(end)
main(["score", *arguments])
"""


@pytest.mark.parametrize(
    ("event", "name"),
    [("os.rename", "out.parquet"), ("os.remove", "part-000002.parquet")],
)
def test_a_kill_in_the_end_leaves_nothing_for_good(files, event, name):
    command = [sys.executable, "-c", ENDS_AT, event, name, *files]
    assert subprocess.run(command, stderr=subprocess.PIPE).returncode == 9
    others = {path.name for path in files[2].parent.iterdir()} - {"out.parquet"}
    assert others == {"in.parquet", "model.joblib", "out.parquet.parts"}
    assert run(files, "--quiet") == 0
    assert len(pd.read_parquet(files[2])) == 240
    assert len(list(files[2].parent.iterdir())) == 3


@pytest.mark.parametrize("name", ["job.json", "part-000002.parquet"])
def test_parts_stay_after_an_error_of_the_system(files, monkeypatch, capsys, name):
    """Such as a full disk: a second try goes on."""
    replace = os.replace

    def refuse(source, target):
        if target.name == name:
            raise OSError("No space left on device")
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", refuse)
        assert run(files) == 1
    assert "No space left" in capsys.readouterr().err
    parts = files[2].with_name("out.parquet.parts")
    n_done = len(list(parts.glob("*.parquet")))
    assert n_done == (0 if name == "job.json" else 2)
    assert run(files) == 0
    assert ("80 of 240 rows were done" in capsys.readouterr().err) == bool(n_done)


@pytest.mark.parametrize("change", ["model", "input", "options"])
@pytest.mark.usefixtures("interrupted")
def test_parts_of_another_job_are_not_used(files, pipeline, table, change):
    options = ["--keep", "id"] if change == "options" else []
    if change == "model":
        detector = AutoencoderOutlierDetector(1, **SMALL)
        pipeline = make_pipeline(TableScaler(), detector)
        joblib.dump(pipeline.fit(table.drop(columns="id")), files[0])
    table.to_parquet(files[1], row_group_size=40)
    assert run(files, *options) == 0
    found = pd.read_parquet(files[2])
    X = table.drop(columns="id")
    np.testing.assert_allclose(found["score"], pipeline.score_samples(X), rtol=1e-6)
    assert ("id" in found) == (change == "options")


def test_empty_row_groups(files, table):
    with parquet.ParquetWriter(files[1], parquet.read_schema(files[1])) as writer:
        whole = pa.Table.from_pandas(table, schema=writer.schema)
        for rows in (whole[:10], whole[:0], whole[10:30]):
            writer.write_table(rows)
    assert run(files) == 0
    assert len(pd.read_parquet(files[2])) == 30


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda t: t.drop(columns="weight"), [], "no column 'weight', which the model"),
        (lambda t: t, ["--keep", "nothing"], "no column 'nothing', which --keep"),
        (lambda t: t.assign(size=np.inf), [], "Row group 0 .*'size' holds infinity"),
        (lambda t: t.assign(size="large"), [], "Row group 0 .* 'size'"),
        (lambda t: t[:0], [], "has no rows"),
        (lambda t: t, ["--workers", "0"], "--workers has to be at least 1"),
    ],
)
def test_errors(files, table, capsys, change, options, message):
    change(table).to_parquet(files[1], row_group_size=40)
    assert run(files, *options) == 1
    error = capsys.readouterr().err
    assert error.startswith("skae: ")
    assert re.search(message, error), error
    assert not files[2].exists()


def test_nothing_of_the_user_is_overwritten(files, table, capsys):
    model, source, output = files
    own = output.with_name("out.parquet.parts")
    own.mkdir()
    (own / "notes.txt").write_text("keep me")
    assert run(files) == 1
    assert "is in the way" in capsys.readouterr().err
    assert (own / "notes.txt").read_text() == "keep me"
    shutil.rmtree(own)
    for path in (model, source):
        before = path.read_bytes()
        assert run((model, source, path)) == 1
        assert "cannot be the output too" in capsys.readouterr().err
        assert path.read_bytes() == before
    contribution = "contribution of size"
    table.assign(**{"score": 1.0, contribution: 2.0}).to_parquet(source)
    assert run(files, "--keep", "score") == 1
    assert "--keep names 'score'" in capsys.readouterr().err
    assert run(files, "--contributions", "--keep", "id", contribution) == 1
    assert f"--keep names {contribution!r}" in capsys.readouterr().err
    assert run(files, "--quiet", "--keep", contribution) == 0
    assert (pd.read_parquet(output)[contribution] == 2).all()


def test_texts_that_are_damaged(files, table, capsys):
    kind = [f"word {i}" for i in range(240)]
    table.assign(kind=kind).to_parquet(
        files[1], row_group_size=40, compression=None, use_dictionary=False
    )
    files[1].write_bytes(files[1].read_bytes().replace(b"word 100", b"word \xff\xfe0"))
    with pytest.warns(UserWarning, match="'kind' of X has 40 of 40 cells"):
        assert run(files) == 1
    assert re.search("Row group 2 .* cannot be scored", capsys.readouterr().err)


def test_errors_of_the_system_name_what_is_read(files, monkeypatch, capsys):
    """Such as a network folder that is gone: the parts stay."""
    read = parquet.ParquetFile.iter_batches

    def fail(self, *arguments, row_groups, **options):
        if row_groups == [2]:
            raise OSError(5, "Input/output error")
        return read(self, *arguments, row_groups=row_groups, **options)

    with monkeypatch.context() as patched:
        patched.setattr(parquet.ParquetFile, "iter_batches", fail)
        assert run(files) == 1
    assert f"Row group 2 of {files[1]} cannot be read" in capsys.readouterr().err
    assert len(list(files[2].with_name("out.parquet.parts").glob("part*"))) == 2


def test_errors_of_files(files, tmp_path, capsys):
    model, source, output = files
    cases = [
        ((tmp_path / "none", source, output), "There is no file"),
        ((model, tmp_path / "none", output), "There is no file"),
        ((source, source, output), "cannot be read as a model file"),
        ((model, model, output), "cannot be read as a Parquet file"),
        ((model, source, tmp_path), "is a folder"),
        ((model, source, tmp_path / "none" / "out"), "There is no folder"),
    ]
    for paths, message in cases:
        assert run(paths) == 1
        assert message in capsys.readouterr().err
    joblib.dump(PCA(), model)
    assert run(files) == 1
    assert "PCA, which is no outlier detector" in capsys.readouterr().err


def test_it_imports_no_tensorflow(files):
    code = (
        "import sys; from skae._command_line import main\n"
        f"main({['score', *map(str, files)]!r})\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def of_numbers(files, table):
    """Paths of a model that was fitted on an array, and the array."""
    X = table[["size", "weight"]].to_numpy()
    joblib.dump(AutoencoderOutlierDetector(1, **SMALL).fit(X), files[0])
    return files, X


def test_names_that_are_numbers_in_pandas(of_numbers):
    files, X = of_numbers
    pd.DataFrame(X).to_parquet(files[1])
    assert run(files) == 0
    scores = joblib.load(files[0]).score_samples(X)
    found = pd.read_parquet(files[2])["score"]
    np.testing.assert_allclose(found, scores, rtol=1e-6)


def test_a_feature_that_is_the_index_in_pandas(files, pipeline, table):
    table.set_index("size").to_parquet(files[1])
    assert run(files, "--keep", "id", "size") == 0
    found = pd.read_parquet(files[2])
    np.testing.assert_array_equal(found["size"], table["size"])
    np.testing.assert_allclose(
        found["score"], expected(pipeline, table)["score"], rtol=1e-6
    )


def test_missing_integers_beside_float32(files):
    """pandas has them as float64, other batches as float32 with small integers."""
    rng = np.random.RandomState(0)
    table = pa.table(
        {
            "size": rng.normal(size=400).astype(np.float32),
            "count": pa.array(
                rng.randint(0, 9, 400).astype(np.int16), mask=np.arange(400) == 250
            ),
        }
    )
    detector = AutoencoderOutlierDetector(1, **SMALL).fit(table.to_pandas())
    joblib.dump(detector, files[0])
    parquet.write_table(table, files[1], row_group_size=100)
    assert run(files, "--contributions") == 0
    found = pd.read_parquet(files[2])
    scores = detector.score_samples(table.to_pandas())
    np.testing.assert_allclose(found["score"], scores, rtol=1e-4)
    assert (found.dtypes.drop("label") == np.float64).all()


def test_two_columns_of_one_name(of_numbers, capsys):
    files, X = of_numbers
    parquet.write_table(pa.table([*X.T], names=["size", "size"]), files[1])
    assert run(files) == 1
    assert "has 2 columns 'size'. Rename" in capsys.readouterr().err


def test_errors_of_the_file_system_are_one_line(files, capsys):
    files[2].with_name("out.parquet.parts").touch()
    assert run(files) == 1
    assert capsys.readouterr().err.startswith("skae: [Errno")

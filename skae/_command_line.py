"""Score Parquet files from the command line, row group by row group.

Each row group becomes a file of its own in a folder beside the output, written at once,
and the files become the output in the end. So a job that was killed, or stopped by an
error of the system such as a full disk, resumes when it is called again, and the output
appears only when it is complete. If the model rejects a row or the input is damaged,
partial files are removed.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import numpy as np
from sklearn.pipeline import Pipeline

# Rows that are in memory at a time.
BATCH_ROWS = 50_000
# Seconds between two lines of progress, where they cannot replace each other.
LINE_INTERVAL = 30.0
# Columns of the output that are computed.
_RESULTS = ("score", "label", "pvalue")
_CONTRIBUTION = "contribution of "
# Bytes of a file that are read at a time.
READ_BYTES = 2**24


class CommandError(Exception):
    """What the user of the command is told, without a traceback."""


def main(arguments=None):
    """Run the command.

    Parameters
    ----------
    arguments : list of str, default=None
        Arguments of the command; None takes those of the process.

    Returns
    -------
    int
        Exit status: 0, or 1 after an error, which is written to standard error.
    """
    options = _parser().parse_args(arguments)
    try:
        _score(options)
    except (CommandError, OSError) as error:  # such as a folder that is read only
        print(f"skae: {error}", file=sys.stderr)
        return 1
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m skae", description="Autoencoders for tables."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    score = commands.add_parser(
        "score",
        help="score the rows of a Parquet file by a fitted outlier detector",
        description=(
            "Write the score, the label (-1 for an outlier, 1 for an inlier) and, "
            "after a fit with calibration, the p-value of each row to a Parquet file. "
            "If it is interrupted, run it again: it goes on where it was. The model "
            "file is loaded by joblib, which can run any code: use files that you "
            "trust."
        ),
    )
    paths = {
        "model": "detector or Pipeline, written by joblib.dump",
        "input": "Parquet file with a column for each feature",
        "output": "Parquet file to write",
    }
    for name, text in paths.items():
        score.add_argument(name, type=Path, help=text)
    score.add_argument(
        "--keep",
        nargs="+",
        default=[],
        metavar="COLUMN",
        help="columns of the input to copy to the output, such as identifiers",
    )
    score.add_argument(
        "--contributions",
        action="store_true",
        help="also write what each feature contributes to the anomaly",
    )
    score.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="number of processes, by Dask (default: 1, without Dask)",
    )
    score.add_argument("--quiet", action="store_true", help="show no progress")
    return parser


def _score(options):
    """Score a file: what the command `score` does."""
    if options.workers < 1:
        raise CommandError(f"--workers has to be at least 1, got {options.workers}.")
    parquet = _import_parquet()
    with _explained(options.input, "Parquet file"):
        source = parquet.ParquetFile(options.input)
    job = _Job(options, source.schema_arrow.names)
    n_groups = source.num_row_groups
    rows = [source.metadata.row_group(i).num_rows for i in range(n_groups)]
    if not sum(rows):
        raise CommandError(f"{options.input} has no rows.")
    output = options.output.resolve()
    parts = output.with_name(f"{output.name}.parts")
    _check_output(output, job)
    done = _resume(parts, job.fingerprint(), n_groups)
    waiting = [i for i in range(n_groups) if i not in done]
    progress = _Progress(rows, done, quiet=options.quiet)
    try:
        if waiting and options.workers > 1:
            _run_in_workers(job, waiting, parts, options.workers, progress)
        else:
            for i in waiting:
                job.score_row_group(i, parts)
                progress.add(i)
    except CommandError:  # which the same command would end in again
        _discard(parts)
        raise
    progress.end()
    _merge(parts, n_groups, output)
    _discard(parts)


class _Job:
    """What is computed of each row group.

    Parameters
    ----------
    options : argparse.Namespace
        Arguments of the command.
    columns : list of str
        Columns of the input.
    """

    def __init__(self, options, columns):
        self.model = options.model.resolve()
        self.input = options.input.resolve()
        self.keep = list(options.keep)
        self.contributions = options.contributions
        self._loaded = None
        self.columns, self.has_names = self._choose_columns(columns)

    def __getstate__(self):
        return vars(self) | {"_loaded": None}  # a worker loads the model itself

    @property
    def estimator(self):
        """The fitted detector, or Pipeline that ends in one."""
        if self._loaded is None:
            import joblib

            with _explained(self.model, "model file"):
                self._loaded = joblib.load(self.model)
            methods = ("score_samples", "predict")
            if not all(hasattr(self._loaded, method) for method in methods):
                raise CommandError(
                    f"{self.model} holds a {type(self._loaded).__name__}, which is no "
                    "outlier detector: it has no score_samples or no predict. Give a "
                    "detector, or a Pipeline that ends in one."
                )
        return self._loaded

    def _choose_columns(self, columns):
        """Return the columns that the model takes, and whether by their names."""
        missing = [name for name in self.keep if name not in columns]
        if missing:
            raise CommandError(
                f"{self.input} has no column {missing[0]!r}, which --keep names."
            )
        for name in self.keep:
            if name in _RESULTS or (
                self.contributions and name.startswith(_CONTRIBUTION)
            ):
                raise CommandError(
                    f"--keep names {name!r}, as a column of results is or may be "
                    "called. Rename it in the input."
                )
        names = getattr(self.estimator, "feature_names_in_", None)
        if names is not None:
            missing = [name for name in names if name not in columns]
            if missing:
                raise CommandError(
                    f"{self.input} has no column {missing[0]!r}, which the model was "
                    f"fitted on. Its columns are {', '.join(columns)}."
                )
            self._check_unique([*names, *self.keep], columns)
            return list(names), True
        self._check_unique(columns, columns)
        taken = [name for name in columns if name not in self.keep]
        n_features = getattr(self.estimator, "n_features_in_", len(taken))
        if len(taken) != n_features:
            raise CommandError(
                f"The model was fitted on {n_features} features without names, but "
                f"{self.input} has {len(taken)} columns: {', '.join(taken)}. Exclude "
                "others by --keep."
            )
        return taken, False

    def _check_unique(self, names, columns):
        """Refuse names that several columns of the input have."""
        for name in names:
            if columns.count(name) > 1:
                raise CommandError(
                    f"{self.input} has {columns.count(name)} columns {name!r}. Rename "
                    "them."
                )

    def fingerprint(self):
        """Describe the job, so that parts of another one are not taken for its own."""
        status = self.input.stat()
        digest = hashlib.sha256()
        with self.model.open("rb") as file:
            while block := file.read(READ_BYTES):
                digest.update(block)
        return {
            "model": digest.hexdigest(),
            "input": [str(self.input), status.st_size, status.st_mtime_ns],
            "keep": self.keep,
            "contributions": self.contributions,
        }

    def score_row_group(self, i, parts):
        """Write the scores of a row group to a file.

        Parameters
        ----------
        i : int
            Which row group.
        parts : pathlib.Path
            Folder of the file.

        Returns
        -------
        int
            The row group, as `distributed` needs it.
        """
        import pyarrow as pa

        parquet = _import_parquet()
        temporary = _part(parts, i).with_suffix(f".{os.getpid()}.tmp")
        writer = None
        wanted = list(dict.fromkeys([*self.columns, *self.keep]))
        what = f"Row group {i} of {self.input}"
        for batch in _batches(self.input, what, row_groups=[i], columns=wanted):
            try:
                table = self._score_batch(batch)
            except (TypeError, ValueError, pa.ArrowException) as error:
                raise CommandError(
                    f"{what} cannot be scored: {_cause(error)}{self._suspect(batch)}"
                ) from error
            if writer is None:
                writer = parquet.ParquetWriter(
                    temporary, table.schema, write_page_checksum=True
                )
            writer.write_table(table)
        if writer is not None:
            writer.close()
            os.replace(temporary, _part(parts, i))
        return i

    def _score_batch(self, batch):
        import pyarrow as pa

        # The metadata of pandas would make an index of some columns, and numbers of
        # names such as "0".
        frame = batch.to_pandas(ignore_metadata=True)[self.columns]
        X = frame if self.has_names else frame.to_numpy()
        before, detector = None, self.estimator
        if isinstance(detector, Pipeline):
            before, detector = detector[:-1], detector[-1]
            X = before.transform(X) if len(before) else X
        scores = detector.score_samples(X)
        results = {name: batch.column(name) for name in self.keep}
        # In one dtype: samples of float32 become float64 in batches where integers are
        # missing.
        results["score"] = np.asarray(scores, np.float64)
        if hasattr(detector, "offset_"):
            results["label"] = np.where(scores - detector.offset_ < 0, -1, 1)
        elif hasattr(detector, "predict"):
            results["label"] = detector.predict(X)
        if hasattr(detector, "predict_pvalue"):
            results["pvalue"] = detector.predict_pvalue(X)
        if self.contributions:
            results |= self._contributions(detector, X)
        return pa.table(results)

    def _suspect(self, batch):
        """Name a column with infinity, or without numbers; "" if there is none."""
        from pyarrow import types

        kinds = {name: batch.column(name).type for name in self.columns}
        for name, kind in kinds.items():
            if types.is_floating(kind):
                values = batch.column(name).to_numpy(zero_copy_only=False)
                if np.isinf(values).any():
                    return f" Column {name!r} holds infinity."
        numbers = (types.is_boolean, types.is_integer, types.is_floating)
        for name, kind in kinds.items():
            if not any(check(kind) for check in numbers):
                return f" Column {name!r} holds {kind}."
        return ""

    def _contributions(self, detector, X):
        if not hasattr(detector, "explain"):
            raise ValueError(
                f"{type(detector).__name__} has no method explain, which "
                "--contributions needs."
            )
        contributions = detector.explain(X)
        values = np.asarray(contributions, np.float64)
        names = list(getattr(contributions, "columns", self.columns))
        if len(names) != values.shape[1]:  # steps before have made others
            names = [f"x{j}" for j in range(values.shape[1])]
        return {
            f"{_CONTRIBUTION}{name}": column
            for name, column in zip(names, values.T, strict=True)
        }


def _run_in_workers(job, waiting, parts, n_workers, progress):
    """Score row groups in several processes; those of a lost process are repeated."""
    try:
        from distributed import Client, LocalCluster, as_completed
    except ImportError as error:
        raise CommandError(
            'Dask is needed for --workers: pip install "skae[dask]".'
        ) from error
    cluster = LocalCluster(
        n_workers=n_workers, threads_per_worker=1, dashboard_address=None
    )
    with cluster, Client(cluster) as client:
        scattered = client.scatter(job, broadcast=True)
        futures = client.map(_score_row_group, waiting, job=scattered, parts=parts)
        for _, i in as_completed(futures, with_results=True):
            progress.add(i)


def _score_row_group(i, job, parts):
    return job.score_row_group(i, parts)


def _resume(parts, fingerprint, n_groups):
    """Make the folder of parts; return which there are of the same job already."""
    manifest = parts / "job.json"
    temporary = manifest.with_suffix(".tmp")
    if parts.is_dir():
        try:
            same = json.loads(manifest.read_text()) == fingerprint
        except (OSError, ValueError):
            same = False
        if same:
            return {i for i in range(n_groups) if _part(parts, i).exists()}
        if not manifest.exists() and set(parts.iterdir()) - {temporary}:
            raise CommandError(
                f"{parts} is in the way: it holds something else than the parts of an "
                "interrupted job. Move it, or choose another output."
            )
        _discard(parts)
    parts.mkdir()
    temporary.write_text(json.dumps(fingerprint))
    os.replace(temporary, manifest)
    return set()


def _part(parts, i):
    return parts / f"part-{i:06}.parquet"


def _discard(parts):
    """Delete the folder of parts: last what tells that it is one."""
    manifest = parts / "job.json"
    for path in set(parts.iterdir()) - {manifest}:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(parts)


def _merge(parts, n_groups, output):
    """Write all parts to one file, and put it in its place at once."""
    parquet = _import_parquet()
    files = [_part(parts, i) for i in range(n_groups)]
    files = [file for file in files if file.exists()]  # row groups may be empty
    # Among the parts, so that it goes with them if the process is killed now.
    temporary = parts / f"merged.{os.getpid()}.tmp"
    writer = None
    try:
        for file in files:
            for batch in _batches(file, file):
                if writer is None:
                    writer = parquet.ParquetWriter(temporary, batch.schema)
                writer.write_batch(batch)
        writer.close()
        os.replace(temporary, output)
    except CommandError as error:  # such as after a loss of power
        file.unlink()
        raise CommandError(
            f"{error} It was deleted: run the command again, which computes it anew."
        ) from error


def _batches(path, what, **options):
    """Yield the batches of a Parquet file, or of a part of it; errors say of what."""
    import pyarrow as pa

    parquet = _import_parquet()
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as source:
            yield from source.iter_batches(BATCH_ROWS, **options)
    except (OSError, pa.ArrowException) as error:
        message = f"{what} cannot be read: {_cause(error)}"
        if getattr(error, "errno", None) is not None:  # of the system, not the file
            raise OSError(message) from error
        raise CommandError(f"{message} The file is damaged.") from error


def _check_output(path, job):
    if path in (job.input, job.model):
        raise CommandError(f"{path} is read, so it cannot be the output too.")
    if path.is_dir():
        raise CommandError(f"{path} is a folder. Give the path of a file.")
    if not path.parent.is_dir():
        raise CommandError(f"There is no folder {path.parent} to write into.")


@contextmanager
def _explained(path, what):
    """Turn errors of reading a file into one line."""
    try:
        yield
    except FileNotFoundError as error:
        raise CommandError(f"There is no file {path}.") from error
    except CommandError:
        raise
    except Exception as error:
        message = f"{path} cannot be read as a {what}: {_cause(error)}"
        raise CommandError(message) from error


def _cause(error):
    """Return the first line of an error's message, or what kind it is of."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _import_parquet():
    try:
        import pandas  # noqa: F401
        from pyarrow import parquet
    except ImportError as error:
        raise CommandError(
            'pandas and pyarrow are needed: pip install "skae[dask]".'
        ) from error
    return parquet


class _Progress:
    """A line of progress, on standard error.

    Parameters
    ----------
    rows : list of int
        Rows of each row group.
    done : set of int
        Row groups that are done already.
    quiet : bool
        Whether to write nothing.
    """

    def __init__(self, rows, done, *, quiet):
        self._rows = rows
        self._earlier = self._n_done = sum(rows[i] for i in done)
        self._quiet = quiet
        self._start = self._last = monotonic()
        if self._earlier:
            self._write(f"{self._earlier:,} of {sum(rows):,} rows were done before\n")

    def add(self, i):
        """Report that a row group is done."""
        self._n_done += self._rows[i]
        now, total = monotonic(), sum(self._rows)
        in_place = sys.stderr.isatty()
        if not in_place and now - self._last < LINE_INTERVAL:
            return
        self._last = now
        rate = (self._n_done - self._earlier) / max(now - self._start, 1e-9)
        left = (total - self._n_done) / max(rate, 1e-9)
        before, after = ("\r", "") if in_place else ("", "\n")
        bar = "#" * int(30 * self._n_done / total)
        self._write(
            f"{before}[{bar:30}] {self._n_done:,} of {total:,} rows, {rate:,.0f} a "
            f"second, {left:.0f} s left   {after}"
        )

    def end(self):
        """Report that all row groups are done."""
        seconds = monotonic() - self._start
        before = "\r\033[K" if sys.stderr.isatty() else ""
        self._write(f"{before}{self._n_done:,} rows in {seconds:.1f} s\n")

    def _write(self, text):
        if not self._quiet:
            sys.stderr.write(text)
            sys.stderr.flush()

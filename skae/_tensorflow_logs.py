"""What TensorFlow's C++ code writes to standard error."""

import contextlib
import os
import re
import sys
import tempfile
import threading
import warnings

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_BEFORE_START = b"WARNING: All log messages before absl::InitializeLog()"
# "I0000 00:00:1795492650.914959    5037 cudart_stub.cc:31] ..." and, in older versions,
# "2025-09-17 14:44:05.157831: I external/local_xla/xla/tsl/cuda/cudart_stub.cc:32] ..."
_RECORD = re.compile(
    rb"(?:\d{4}-\d\d-\d\d [\d:.]+: )?([IWE])(?:\d{4} [\d:.]+ +\d+)? \S+:\d+\] "
)
_SEVERITIES = {b"I": 0, b"W": 1, b"E": 2}
_lock = threading.Lock()  # standard error is redirected once at a time


def hide_tensorflow_logs():
    """Import TensorFlow without the lines that its C++ code logs.

    TensorFlow and its compiler XLA write to standard error which devices they find and
    what they compile. Such lines tell nothing about a fit, and errors that concern a
    fit are raised as exceptions. Call this function once, before the first fit and
    before Keras or TensorFlow is imported.

    It sets the environment variable ``TF_CPP_MIN_LOG_LEVEL`` to 3, for this process and
    for the processes that it starts, such as joblib's workers, and imports Keras with
    its backend, if they are installed. A value that is set already is kept: 0 shows all
    lines, 1 hides information, 2 warnings as well, and 3 errors as well. Fatal errors,
    Python warnings and exceptions are shown at each level.

    Warns
    -----
    UserWarning
        If TensorFlow is imported already and the variable is not set. The level cannot
        be changed then, and nothing is done.

    See Also
    --------
    AutoencoderTransformer : Reduce dimensions with an autoencoder.
    AutoencoderOutlierDetector : Detect outliers with an autoencoder.

    Notes
    -----
    TensorFlow logs its first lines while it is imported, before it reads the variable.
    If the variable is 1 or more, skae therefore collects what is written to the
    standard error of the process during this import, and then writes it there without
    the lines that the variable hides. The variable can also be set without this
    function, in the shell for example. Before TensorFlow 2.21 it does not hide the
    lines that are logged when XLA first compiles a network.

    Examples
    --------
    >>> from skae import AutoencoderTransformer, hide_tensorflow_logs
    >>> hide_tensorflow_logs()
    >>> autoencoder = AutoencoderTransformer(n_components=2)
    """
    if _LEVEL not in os.environ:
        if "tensorflow" in sys.modules:
            warnings.warn(
                "hide_tensorflow_logs() has no effect, because TensorFlow is imported "
                "already and has read its log level. Call it before the first fit and "
                "before keras or tensorflow is imported.",
                UserWarning,
                stacklevel=2,
            )
            return
        os.environ[_LEVEL] = "3"
    with hold_to_log_level(), contextlib.suppress(ModuleNotFoundError):
        import keras  # noqa: F401


@contextlib.contextmanager
def hold_to_log_level():
    """Hide the lines that TensorFlow logs before it reads its log level.

    To be used around the import of Keras. Nothing is done if the level hides nothing,
    or TensorFlow is imported already. All other output is passed on at the end.
    """
    level = _log_level()
    with _lock:
        if level == 0 or "tensorflow" in sys.modules:
            yield
            return
        with _collected_stderr(lambda line: not _is_hidden(line, level)):
            yield


@contextlib.contextmanager
def _collected_stderr(is_kept):
    """Redirect the process's standard error, and write the lines to keep at the end."""
    try:
        copy = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    with tempfile.TemporaryFile() as collected, os.fdopen(copy, "wb") as stderr:
        os.dup2(collected.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(copy, 2)
            collected.seek(0)
            stderr.writelines(filter(is_kept, collected))


def _log_level():
    try:
        return int(os.environ[_LEVEL])
    except (KeyError, ValueError):
        return 0


def _is_hidden(line, level):
    record = _RECORD.match(line)
    if record is None:
        return line.startswith(_BEFORE_START)
    return _SEVERITIES[record[1]] < level

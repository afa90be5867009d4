"""What TensorFlow logs is shown, or hidden where the user asks for it."""

import os
import subprocess
import sys

# So many batches that XLA compiles them.
FIT = """
from sklearn.datasets import load_digits
from skae import AutoencoderTransformer
from skae.architectures import DenseArchitecture

architecture = DenseArchitecture((8,), start="pca")
AutoencoderTransformer(2, architecture=architecture, epochs=10).fit(load_digits().data)
"""
HIDE = "from skae import hide_tensorflow_logs; hide_tensorflow_logs();"
PRINT_LEVEL = "import os; print(os.environ.get('TF_CPP_MIN_LOG_LEVEL'))"


def run(code, level=None):
    """Run code in a fresh process, in which the log level is set or not."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    if level is not None:
        environment["TF_CPP_MIN_LOG_LEVEL"] = level
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    )


def shown(stderr):
    """Lines on standard error but for those that old TensorFlow never hides."""
    lines = stderr.splitlines()
    if _tensorflow_version() < (2, 21):
        xla = ("absl::InitializeLog", "service.cc:", "device_compiler.h:")
        lines = [line for line in lines if not any(name in line for name in xla)]
    return lines


def _tensorflow_version():
    import tensorflow as tf

    return tuple(int(number) for number in tf.__version__.split(".")[:2])


def test_neither_a_fit_nor_a_worker_writes_to_stderr():
    """Nor does a second call."""
    search = """
from sklearn.model_selection import cross_val_score

architecture = DenseArchitecture((8,), start="pca")
autoencoder = AutoencoderTransformer(architecture=architecture, epochs=1)
cross_val_score(autoencoder, load_digits().data, cv=2, n_jobs=2)
"""
    assert shown(run(HIDE + "hide_tensorflow_logs()" + FIT + search).stderr) == []


def test_a_level_set_in_the_shell_is_enough():
    assert shown(run(FIT, level="3").stderr) == []


def test_a_level_that_is_set_is_kept():
    ran = run(f"{HIDE}\n{PRINT_LEVEL}", level="0")
    assert ran.stdout == "0\n"
    assert ran.stderr  # as level 0 shows everything


def test_without_being_asked_skae_sets_no_level():
    ran = run(FIT + PRINT_LEVEL)
    assert ran.stdout == "None\n"
    assert "Compiled cluster using XLA" in ran.stderr  # the fit above was compiled


def test_too_late_is_a_warning():
    ran = run(f"import tensorflow\n{HIDE}\n{PRINT_LEVEL}")
    assert "UserWarning: hide_tensorflow_logs() has no effect" in ran.stderr
    assert ran.stdout == "None\n"


def test_other_output_and_errors_pass():
    code = """
import os
from skae import _tensorflow_logs
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
try:
    with _tensorflow_logs.hold_to_log_level():
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is\\n")
        os.write(2, b"I0000 00:00:1795492650.914959    5037 a.cc:31] information\\n")
        os.write(2, b"2025-09-17 14:44:05.157831: W external/a.cc:32] warning\\n")
        os.write(2, b"E0000 00:00:1795492650.914959    5037 a.cc:31] error\\n")
        os.write(2, b"output of others\\n")
        raise ImportError("of TensorFlow")
except ImportError as error:
    os.write(2, str(error).encode())
"""
    lines = run(code).stderr.splitlines()
    assert len(lines) == 3
    assert lines[0].endswith("error")
    assert lines[1:] == ["output of others", "of TensorFlow"]

"""Forked processes: dense networks compute there, and others say why they cannot."""

import subprocess
import sys
import textwrap

# What forks runs in a new process: that of the tests has threads already.
PREAMBLE = """
import multiprocessing, os, signal, time, warnings
import numpy as np
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits
from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.architectures import ConvolutionalArchitecture, DenseArchitecture

warnings.simplefilter("ignore")
SMALL = {"epochs": 1, "random_state": 0}
X = np.random.RandomState(0).normal(size=(2_100, 20))
incomplete = np.where(np.random.RandomState(1).uniform(size=X.shape) < 0.1, np.nan, X)


def in_child(function):
    '''Call a function in a forked process; return whether it ended well.'''
    pid = os.fork()
    if not pid:
        try:
            function()
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    for _ in range(600):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise TimeoutError("the forked process waits for ever")


def refuses(function):
    '''Whether a function raises an error that names the cure.'''
    def call():
        try:
            function()
        except RuntimeError as error:
            assert "spawn" in str(error), error
        else:
            raise AssertionError("no error")
    return in_child(call)
"""


def run(code):
    code = PREAMBLE + textwrap.dedent(code)
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_dense_networks_compute_after_a_fork():
    run("""
    import keras

    architecture = DenseArchitecture((16,))
    detector = AutoencoderOutlierDetector(
        8,
        architecture=architecture,
        optimizer=keras.optimizers.Adam(0.001),  # which workers unpickle
        calibration=0.3,
        **SMALL,
    ).fit(X)
    transformer = AutoencoderTransformer(8, architecture=architecture, **SMALL)
    transformer.fit(incomplete)
    codes = transformer.transform(X)
    calls = {
        "score_samples": lambda: detector.score_samples(X),
        "one": lambda: detector.score_samples(X[:1]),
        "predict": lambda: detector.predict(X),
        "pvalue": lambda: detector.predict_pvalue(X),
        "explain": lambda: detector.explain(X[:40]),
        "missing": lambda: detector.score_samples(incomplete),
        "transform": lambda: transformer.transform(X),
        "inverse_transform": lambda: transformer.inverse_transform(codes),
        "reconstruct": lambda: transformer.reconstruct(X),
        "impute": lambda: transformer.impute(incomplete),
    }
    expected = {name: call() for name, call in calls.items()}

    def check():
        for name, call in calls.items():
            np.testing.assert_array_equal(call(), expected[name], err_msg=name)
        with threadpool_limits(1):
            detector.score_samples(X)

    assert in_child(check)
    assert in_child(lambda: in_child(check) or os._exit(1))
    parts = iter(detector._scorer.map(len, X))
    next(parts)  # BLAS is limited while samples are scored
    more = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert all(pool["num_threads"] == 1 for pool in more)
    assert in_child(check)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        parts = pool.map_async(detector.score_samples, [X, X]).get(timeout=60)
    np.testing.assert_array_equal(parts, [expected["score_samples"]] * 2)
    # TensorFlow trains.
    assert refuses(lambda: AutoencoderTransformer(2, **SMALL).fit(X))
    assert refuses(lambda: detector.partial_fit(X))
    """)


def test_networks_that_need_tensorflow_refuse_a_forked_process():
    run("""
    import keras
    # A model of Keras alone starts TensorFlow.
    assert in_child(lambda: AutoencoderTransformer(2, **SMALL).fit(X[:100]))
    keras.Sequential([keras.Input((20,)), keras.layers.Dense(2)])
    assert refuses(lambda: AutoencoderTransformer(2, **SMALL).fit(X[:100]))
    images = X[:200, :16].reshape(-1, 4, 4)
    architecture = ConvolutionalArchitecture(filters=(2,))
    detector = AutoencoderOutlierDetector(2, architecture=architecture, **SMALL)
    detector.fit(images)
    assert refuses(lambda: detector.score_samples(images))
    assert refuses(lambda: detector.explain(images))
    assert refuses(lambda: detector.encode(images[:1]))
    assert detector.score_samples(images).shape == (200,)
    """)

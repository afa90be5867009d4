import functools
import gzip
import hashlib
import http.server
import struct
import threading
from dataclasses import replace

import numpy as np
import pytest
from sklearn.utils import Bunch
from sklearn.utils._param_validation import InvalidParameterError

from skae.datasets import _mnist, fetch_fashion_mnist, fetch_mnist


@pytest.fixture(params=[fetch_mnist, fetch_fashion_mnist])
def fetch(request):
    return request.param


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.RandomState(0)
    return {
        "x_train": rng.randint(256, size=(6, 28, 28), dtype=np.uint8),
        "y_train": np.arange(6, dtype=np.uint8),
        "x_test": rng.randint(256, size=(2, 28, 28), dtype=np.uint8),
        "y_test": np.arange(2, dtype=np.uint8),
    }


@pytest.fixture
def folder(tmp_path, arrays):
    """A folder that holds both data sets, or what looks like them."""
    for name in ("mnist", "fashion_mnist"):
        np.savez(tmp_path / f"{name}.npz", **arrays)
    return tmp_path


def test_bunch(fetch, folder, arrays):
    bunch = fetch(data_home=folder)
    assert isinstance(bunch, Bunch)
    assert bunch.data.dtype == np.float32
    expected = arrays["x_train"].reshape(6, 784) / 255
    np.testing.assert_allclose(bunch.data, expected, rtol=1e-6)
    np.testing.assert_array_equal(bunch.target, np.arange(6))
    assert bunch.target.dtype == np.int64
    assert len(bunch.target_names) == 10
    assert "28 x 28 pixels" in bunch.DESCR


@pytest.mark.parametrize(("subset", "n"), [("train", 6), ("test", 2), ("all", 8)])
def test_subset_and_form(fetch, folder, subset, n):
    X, y = fetch(data_home=folder, subset=subset, return_X_y=True, as_images=True)
    assert X.shape == (n, 28, 28)
    assert y.shape == (n,)
    with pytest.raises(InvalidParameterError, match="'subset' parameter"):
        fetch(data_home=folder, subset="validation")


def test_environment_variable_names_the_folder(fetch, folder, monkeypatch):
    monkeypatch.setenv("SKAE_DATA", str(folder))
    assert fetch(download_if_missing=False).data.shape == (6, 784)


def test_home_folder_is_the_default(fetch, folder, monkeypatch):
    monkeypatch.delenv("SKAE_DATA", raising=False)
    monkeypatch.setenv("HOME", str(folder))
    files = list(folder.iterdir())
    (folder / "skae_data").mkdir()
    for path in files:
        path.rename(folder / "skae_data" / path.name)
    assert fetch(download_if_missing=False).data.shape == (6, 784)


def test_missing(fetch, tmp_path):
    with pytest.raises(OSError, match=r"is not in .* False.*SKAE_DATA"):
        fetch(data_home=tmp_path / "none", download_if_missing=False)
    assert not (tmp_path / "none").exists()


def test_broken_file(fetch, folder):
    for path in folder.iterdir():
        path.write_bytes(b"no such thing")
    with pytest.raises(OSError, match=r"npz is not a file of the arrays.*Delete"):
        fetch(data_home=folder)


def _as_idx(array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes())


@pytest.fixture
def server(tmp_path, arrays, monkeypatch):
    """Both data sets' files on a server of this machine."""
    folder = tmp_path / "server"
    folder.mkdir()
    checksums = []
    for file, name in zip(_mnist._Source.files, _mnist._ARRAYS, strict=True):
        content = _as_idx(arrays[name])
        (folder / file).write_bytes(content)
        checksums.append(hashlib.sha256(content).hexdigest())

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{httpd.server_port}/"
        for name in ("_MNIST", "_FASHION_MNIST"):
            source = replace(getattr(_mnist, name), url=url, checksums=tuple(checksums))
            monkeypatch.setattr(_mnist, name, source)
        yield folder
        httpd.shutdown()


def test_download_fills_the_cache(fetch, server, tmp_path, arrays):
    home = tmp_path / "home"
    first = fetch(data_home=home)
    np.testing.assert_allclose(
        first.data, arrays["x_train"].reshape(6, 784) / 255, rtol=1e-6
    )
    assert len(list(home.iterdir())) == 1
    for path in server.iterdir():
        path.unlink()
    np.testing.assert_array_equal(fetch(data_home=home).data, first.data)


@pytest.mark.filterwarnings("ignore:Retry downloading")
def test_download_with_a_wrong_checksum(fetch, server, tmp_path):
    (server / "t10k-labels-idx1-ubyte.gz").write_bytes(_as_idx(np.zeros(2, np.uint8)))
    with pytest.raises(OSError, match=r"could not be downloaded.*SHA256|checksum"):
        fetch(data_home=tmp_path / "home")
    assert not list((tmp_path / "home").glob("*.npz"))


@pytest.mark.filterwarnings("ignore:Retry downloading")
def test_offline(fetch, tmp_path, monkeypatch):
    for name in ("_MNIST", "_FASHION_MNIST"):
        source = replace(getattr(_mnist, name), url="http://127.0.0.1:9/")
        monkeypatch.setattr(_mnist, name, source)
    with pytest.raises(OSError, match=r"could not be downloaded .*refused.*SKAE_DATA"):
        fetch(data_home=tmp_path / "home")


def test_real_data(fetch, data_folder):
    X, y = fetch(subset="all", data_home=data_folder, return_X_y=True)
    assert X.shape == (70_000, 784)
    assert (X.min(), X.max()) == (0, 1)
    assert np.bincount(y).shape == (10,)
    # The mean of the pixels is published for both: .1307 and .2860 of training images.
    expected = 0.1307 if fetch is fetch_mnist else 0.2860
    assert X[:60_000].mean() == pytest.approx(expected, abs=1e-4)

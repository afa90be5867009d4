"""MNIST and Fashion-MNIST: the same format, two sources."""

import gzip
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import fetch_file
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

_ARRAYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True)
class _Source:
    """Where a data set comes from: IDX files, as Y. LeCun published MNIST."""

    title: str
    name: str
    url: str
    checksums: tuple  # SHA-256, in the order of _ARRAYS
    target_names: tuple
    description: str

    files = (
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    )


_MNIST = _Source(
    title="MNIST",
    name="mnist",
    url="https://storage.googleapis.com/cvdf-datasets/mnist/",
    checksums=(
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    target_names=tuple("0123456789"),
    description=(
        "Handwritten digits of 28 x 28 pixels, 60,000 for training and 10,000 for "
        "testing. Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, 'Gradient-based "
        "learning applied to document recognition', Proceedings of the IEEE 86 (1998), "
        "2278-2324."
    ),
)

_FASHION_MNIST = _Source(
    title="Fashion-MNIST",
    name="fashion_mnist",
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    checksums=(
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
    target_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    description=(
        "Articles of clothing of 28 x 28 pixels, 60,000 for training and 10,000 for "
        "testing. H. Xiao, K. Rasul and R. Vollgraf, 'Fashion-MNIST: a novel image "
        "dataset for benchmarking machine learning algorithms', arXiv:1708.07747 "
        "(2017). MIT licence, Zalando SE."
    ),
)

_fetch_constraints = {
    "subset": [StrOptions({"train", "test", "all"})],
    "data_home": [str, os.PathLike, None],
    "download_if_missing": ["boolean"],
    "return_X_y": ["boolean"],
    "as_images": ["boolean"],
}


@validate_params(_fetch_constraints, prefer_skip_nested_validation=True)
def fetch_mnist(
    *,
    subset="train",
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    as_images=False,
):
    """Load MNIST, handwritten digits.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The 60,000 images for training, the 10,000 for testing, or all of them in that
        order.
    data_home : str or path-like, default=None
        Folder for the data. None is the folder that the environment variable
        ``SKAE_DATA`` names, else ``skae_data`` in the home folder. If it holds
        ``mnist.npz``, as Keras has it, that file is read.
    download_if_missing : bool, default=True
        Whether to download what the folder does not hold (12 MB, kept there).
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    as_images : bool, default=False
        Whether data is of shape (n_samples, 28, 28) instead of (n_samples, 784).

    Returns
    -------
    :class:`~sklearn.utils.Bunch` or tuple of ndarray
        With ``data``, an ndarray of float32 in [0, 1]; ``target``, an ndarray of int64
        of shape (n_samples,), from 0 to 9; ``target_names``, a list of 10 str; and
        ``DESCR``, a description.

    Raises
    ------
    OSError
        If the data is not there and cannot be, or must not be, downloaded.

    See Also
    --------
    fetch_fashion_mnist : Articles of clothing, in the same form.

    Examples
    --------
    >>> from skae.datasets import fetch_mnist
    >>> X, y = fetch_mnist(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (60000, 784)
    """
    return _fetch(_MNIST, subset, data_home, download_if_missing, return_X_y, as_images)


@validate_params(_fetch_constraints, prefer_skip_nested_validation=True)
def fetch_fashion_mnist(
    *,
    subset="train",
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    as_images=False,
):
    """Load Fashion-MNIST, articles of clothing.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The 60,000 images for training, the 10,000 for testing, or all of them in that
        order.
    data_home : str or path-like, default=None
        Folder for the data. None is the folder that the environment variable
        ``SKAE_DATA`` names, else ``skae_data`` in the home folder. If it holds
        ``fashion_mnist.npz``, that file is read.
    download_if_missing : bool, default=True
        Whether to download what the folder does not hold (31 MB, kept there).
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    as_images : bool, default=False
        Whether data is of shape (n_samples, 28, 28) instead of (n_samples, 784).

    Returns
    -------
    :class:`~sklearn.utils.Bunch` or tuple of ndarray
        With ``data``, an ndarray of float32 in [0, 1]; ``target``, an ndarray of int64
        of shape (n_samples,), from 0 to 9; ``target_names``, a list of 10 str; and
        ``DESCR``, a description.

    Raises
    ------
    OSError
        If the data is not there and cannot be, or must not be, downloaded.

    See Also
    --------
    fetch_mnist : Handwritten digits, in the same form.

    Examples
    --------
    >>> from skae.datasets import fetch_fashion_mnist
    >>> bunch = fetch_fashion_mnist(as_images=True)  # doctest: +SKIP
    >>> bunch.data.shape  # doctest: +SKIP
    (60000, 28, 28)
    """
    return _fetch(
        _FASHION_MNIST, subset, data_home, download_if_missing, return_X_y, as_images
    )


def _fetch(source, subset, data_home, download_if_missing, return_X_y, as_images):
    arrays = _load(source, _data_home(data_home), download_if_missing)
    parts = ("train", "test") if subset == "all" else (subset,)
    images = np.concatenate([arrays[f"x_{part}"] for part in parts])
    data = images.astype(np.float32)
    data /= 255
    target = np.concatenate([arrays[f"y_{part}"] for part in parts]).astype(np.int64)
    if not as_images:
        data = data.reshape(len(data), -1)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=list(source.target_names),
        DESCR=source.description,
    )


def _data_home(data_home):
    if data_home is None:
        data_home = os.environ.get("SKAE_DATA", Path("~") / "skae_data")
    return Path(data_home).expanduser()


def _load(source, data_home, download_if_missing):
    """Read the four arrays from the cache, which a download fills."""
    path = data_home / f"{source.name}.npz"
    if not path.exists():
        advice = (
            f"Put {path.name} there, or name the folder that holds it by data_home or "
            "the environment variable SKAE_DATA."
        )
        if not download_if_missing:
            raise OSError(
                f"{source.title} is not in {data_home}, and download_if_missing is "
                f"False. {advice}"
            )
        data_home.mkdir(parents=True, exist_ok=True)
        try:
            _download(source, data_home, path)
        except OSError as error:
            raise OSError(
                f"{source.title} is not in {data_home}, and could not be downloaded "
                f"from {source.url} ({error}). {advice}"
            ) from error
    try:
        with np.load(path) as arrays:
            return {name: arrays[name] for name in _ARRAYS}
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise OSError(
            f"{path} is not a file of the arrays {', '.join(_ARRAYS)} ({error}). "
            "Delete it to have it downloaded again."
        ) from error


def _download(source, data_home, path):
    arrays = {}
    for name, file, checksum in zip(
        _ARRAYS, source.files, source.checksums, strict=True
    ):
        local = fetch_file(
            source.url + file,
            folder=data_home,
            local_filename=f"{source.name}-{file}",
            sha256=checksum,
        )
        arrays[name] = _read_idx(local)
        local.unlink()
    # Another process must never see half a file.
    unfinished = path.with_name(f"{path.stem}-{os.getpid()}.npz")
    np.savez_compressed(unfinished, **arrays)
    unfinished.replace(path)


def _read_idx(path):
    """Read an IDX file of bytes: a magic number with the rank, the shape, the data."""
    content = gzip.decompress(path.read_bytes())
    rank = content[3]
    shape = np.frombuffer(content, ">u4", count=rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)

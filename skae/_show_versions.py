"""What a report of a bug has to name: versions and platform."""

import os
import platform
import re
import sys
from importlib import metadata

import threadpoolctl

from ._version import __version__


def show_versions():
    """Print the versions of Python, skae and dependencies, for bug reports.

    Neither Keras nor TensorFlow is imported. Optional dependencies that are not
    installed are listed as None.

    See Also
    --------
    sklearn.show_versions : The same for scikit-learn.

    Examples
    --------
    >>> import skae
    >>> skae.show_versions()
    System:
        python: ...
    """
    print("System:")
    print_table(
        {
            "python": sys.version.replace("\n", " "),
            "executable": sys.executable,
            "machine": platform.platform(),
            "CPUs": os.cpu_count(),
        }
    )
    print("\nDependencies:")
    print_table({"skae": __version__} | dependency_versions())
    print("\nKeras backend:")
    print_table({"KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "not set")})
    print("\nThread pools:")
    for pool in threadpoolctl.threadpool_info():
        print_table({k: pool[k] for k in ("internal_api", "version", "num_threads")})


def print_table(values):
    for name, value in values.items():
        print(f"{name:>15}: {value}")


def dependency_versions():
    """Return the installed version, or None, of each dependency and optional one."""
    try:
        requirements = metadata.requires("skae") or []
    except metadata.PackageNotFoundError:  # run from a folder, without installation
        requirements = ["keras", "numpy", "scikit-learn", "scipy", "tensorflow"]
    names = {re.match(r"[\w.-]+", text)[0].lower() for text in requirements}
    return {name: installed_version(name) for name in sorted(names - {"skae"})}


def installed_version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None

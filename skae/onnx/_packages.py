"""Packages that are needed for export only."""

from importlib import import_module


def import_package(name, purpose):
    """Import a package that need not be installed.

    Parameters
    ----------
    name : str
        The package.
    purpose : str
        What it is needed for, as an infinitive.

    Returns
    -------
    module
        The package.

    Raises
    ------
    ImportError
        If it is missing.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"The package {name} is needed {purpose}. Install it with "
            f"pip install {name}."
        ) from error

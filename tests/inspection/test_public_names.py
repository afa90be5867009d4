"""Displays use the public names of the rest of skae only."""

import ast
from pathlib import Path

import pytest

import skae.inspection

MODULES = sorted(Path(skae.inspection.__file__).parent.glob("*.py"))


def names_from_outside(path):
    """Parts of the names that a module of skae.inspection imports from skae."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level != 1:
            module = "skae." * (node.level == 2) + (node.module or "")
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.split(".") for name in names if name.startswith("skae."))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports(path):
    private = [
        name
        for name in names_from_outside(path)
        if any(part.startswith("_") for part in name)
    ]
    assert not private


def test_imports_are_found():
    (path,) = (path for path in MODULES if path.stem == "_explained_variance")
    assert ["skae", "metrics", "reconstruction_scorer"] in names_from_outside(path)

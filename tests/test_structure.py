"""Imports go down only: a room imports those on lower floors, or itself."""

import ast
import re
from pathlib import Path

import pytest

import skae

PACKAGE = Path(skae.__file__).parent
FLOORS = [
    ["_precision", "_random", "_rounding", "_sampling", "_threads", "_version"],
    ["_missing"],
    ["_errors", "_pca"],
    ["_columns"],
    ["_formats", "_imputation", "_operations"],
    ["metrics", "parallel"],
    ["_show_versions", "_tensorflow_logs"],
    ["_backend"],
    ["_layer_traits"],
    ["_validation"],
    ["_outliers", "_training", "architectures", "preprocessing"],
    ["_inference", "_ordered_codes"],
    ["_state"],
    ["_base"],
    ["_outlier_detector", "_transformer"],
    ["pipeline"],
    ["impute"],
    ["model_selection", "series"],
    ["inspection", "onnx"],
    ["_command_line"],
    ["__init__", "__main__"],
]
ROOMS = {name for rooms in FLOORS for name in rooms}
# Rooms without an underscore are public, and so is what the package itself exports.
PUBLIC = {"architectures", "impute", "inspection", "metrics", "model_selection"}
PUBLIC |= {"onnx", "parallel", "pipeline", "preprocessing", "series"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def floor(name):
    return next(i for i, rooms in enumerate(FLOORS) if name in rooms)


def imported_rooms(path):
    """Yield the rooms that a module imports, and the names it takes from each."""
    package = path.relative_to(PACKAGE.parent).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        parts = list(package[: len(package) - node.level + 1]) if node.level else []
        parts += node.module.split(".") if node.module else []
        if parts[:1] != ["skae"]:
            continue
        names = [alias.name for alias in node.names]
        if len(parts) > 1:
            yield parts[1], parts, names
        else:
            for name in names:
                yield (name if name in ROOMS else "__init__"), parts, [name]


def test_every_room_has_a_floor():
    assert {room(path) for path in MODULES} == ROOMS


def test_contributing_guide_lists_every_module():
    guide = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
    listed = re.findall(r"^\| `([\w/.]+)` \|", guide, re.MULTILINE)
    folders = {"inspection", "onnx"}
    modules = {
        f"{room(path)}/"
        if room(path) in folders
        else path.relative_to(PACKAGE).as_posix()
        for path in MODULES
        if path.name != "__init__.py"
    }
    assert sorted(listed) == sorted(modules)
    floors = [floor(name.split("/")[0].removesuffix(".py")) for name in listed]
    assert floors == sorted(floors, reverse=True)  # from top to bottom


@pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_imports_go_down(path):
    own = room(path)
    for other, parts, _ in imported_rooms(path):
        assert other == own or floor(other) < floor(own), ".".join(parts)


@pytest.mark.parametrize(
    "path",
    sorted((PACKAGE / "inspection").glob("*.py")),
    ids=lambda path: path.name,
)
def test_displays_use_public_names_only(path):
    for other, parts, names in imported_rooms(path):
        # DataFrames are plain data, and nothing of an estimator.
        if parts[1:] != ["_formats", "_frames"] and other != "inspection":
            assert other in PUBLIC | {"__init__"}
            assert not any(name.startswith("_") for name in [*parts[1:], *names])

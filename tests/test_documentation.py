"""What the project says of itself is true."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpydoc.validate
import pytest

import skae

ROOT = Path(__file__).parents[1]
MODULES = [
    "skae",
    "skae.architectures",
    "skae.impute",
    "skae.inspection",
    "skae.metrics",
    "skae.model_selection",
    "skae.onnx",
    "skae.parallel",
    "skae.pipeline",
    "skae.preprocessing",
    "skae.series",
]

# Classes and functions have relatives and examples, see below; methods need none. As in
# scikit-learn, summaries begin right after the quotes (numpydoc before 1.11 has GL01).
IGNORED = {"ES01", "SA01", "EX01", "GL01"}


def public_objects():
    for module in MODULES:
        for name in importlib.import_module(module).__all__:
            yield f"{module}.{name}", getattr(importlib.import_module(module), name)


def public_docstrings():
    for path, thing in public_objects():
        yield path
        if inspect.isclass(thing):
            for name, member in inspect.getmembers(thing, callable):
                module = getattr(member, "__module__", None) or ""
                if name[0] != "_" and module.startswith("skae"):
                    yield f"{path}.{name}"


@pytest.mark.parametrize("path", sorted(public_docstrings()))
def test_numpydoc(path, monkeypatch):
    # From Python 3.13 on, inspect looks for the lines of a class in the file of its
    # `__module__`, which is where it is public, not where it is written.
    monkeypatch.setattr(numpydoc.validate.Validator, "source_file_def_line", None)
    found = numpydoc.validate.validate(path)
    errors = [error for error in found["errors"] if error[0] not in IGNORED]
    assert not errors


@pytest.mark.parametrize(
    ("path", "thing"), [pytest.param(*pair, id=pair[0]) for pair in public_objects()]
)
def test_every_public_name_has_examples_and_relatives(path, thing):
    assert "Examples\n" in thing.__doc__
    assert "See Also\n" in thing.__doc__


@pytest.mark.parametrize(
    "name", ["AutoencoderTransformer", "AutoencoderOutlierDetector"]
)
def test_every_parameter_and_attribute_is_documented(name, X, small):
    Estimator = getattr(skae, name)
    sections = re.split(
        r"\n    (\w[\w ]*)\n    -+\n",
        inspect.cleandoc(Estimator.__doc__).replace("\n", "\n    "),
    )
    sections = dict(zip(sections[1::2], sections[2::2], strict=True))
    described = re.findall(r"^    (\w+) :", sections["Parameters"], re.MULTILINE)
    assert described == list(inspect.signature(Estimator).parameters)
    described = re.findall(r"^    (\w+_) :", sections["Attributes"], re.MULTILINE)
    fitted = Estimator(**small).fit(X)
    assert fitted.encoder_ is not None  # made when it is asked for
    attributes = [a for a in dir(fitted) if a.endswith("_") and a[0] != "_"]
    assert set(described) - {"feature_names_in_"} == set(attributes)


# Each estimator has defaults or a meaning of its own for these.
OWN_TEXT = {"n_components", "epochs", "validation_fraction", "validation_score_"}


def described(Estimator):
    """Descriptions of parameters and attributes, by their names."""
    docstring = inspect.cleandoc(Estimator.__doc__)
    text = docstring[docstring.index("Parameters\n") : docstring.index("See Also\n")]
    text = text.replace("Attributes\n----------\n", "")
    entries = re.split(r"^(\w+) : .*\n(?:\s+\"fused.*\n)?", text, flags=re.MULTILINE)
    return dict(zip(entries[1::2], entries[2::2], strict=True))


def test_what_both_estimators_share_is_described_alike():
    one = described(skae.AutoencoderTransformer)
    other = described(skae.AutoencoderOutlierDetector)
    shared = (one.keys() & other.keys()) - OWN_TEXT
    assert {"architecture", "patience", "history_", "random_state"} <= shared
    for name in shared:
        words = one[name].split(), other[name].split()
        if name == "start_validation_score_":  # the transformer alone drops components
            words = words[0][: len(words[1]) - 1], words[1][:-1]
        assert words[0] == words[1], name


def test_reference_lists_every_public_name():
    reference = (ROOT / "docs" / "api.rst").read_text()
    listed = set(re.findall(r"^   ([\w.]+)$", reference, re.MULTILINE))
    assert {f"skae.{name}" for name in listed} == {path for path, _ in public_objects()}


def test_version_is_in_one_place():
    from importlib.metadata import version

    assert skae.__version__ == version("skae")
    assert f"## {skae.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_lowest_versions_are_tested():
    """Bounds of what users install, and of the tests, are those of the lowest test."""
    requirements = re.findall(
        r'"([\w-]+)(?:\[[\w,]+\])?>=([\d.]+)"',
        re.sub(
            r"^(docs|dev) = .*", "", (ROOT / "pyproject.toml").read_text(), flags=re.M
        ),
    )
    pinned = re.findall(r"(.+)==(.+)", (ROOT / ".ci" / "lowest.txt").read_text())
    assert {name for name, _ in requirements} == {name for name, _ in pinned}
    for name, lowest in requirements:
        assert f"{dict(pinned)[name]}.".startswith(f"{lowest}."), name


# So few epochs may miss the share of the variance that is asked for.
@pytest.mark.no_cover
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_readme_code_runs(short_runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    assert blocks
    namespace = {}
    for block in blocks:
        exec(block, namespace)


def test_import_is_light():
    code = """
import sys
import skae, skae.architectures, skae.inspection, skae.metrics
heavy = {"tensorflow", "keras", "matplotlib", "scikeras"} & set(sys.modules)
assert not heavy, heavy
skae.AutoencoderTransformer(2, architecture=skae.architectures.DenseArchitecture())
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)

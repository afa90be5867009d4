"""The code of the documentation's pages runs, and the pages hang together."""

import ast
import re
import runpy
import sys
import textwrap
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn import datasets

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GENERATED = {"_build", "_templates", "auto_examples", "generated"}
sys.path.insert(0, str(DOCS))

from _page_code import has_packages, write_measurements  # noqa: E402

EXAMPLES = {path.stem for path in (ROOT / "examples").glob("plot_*.py")}


def written_pages():
    """Names of the pages, as toctrees have them."""
    for path in sorted(DOCS.rglob("*.rst")):
        name = path.relative_to(DOCS)
        if not GENERATED & set(name.parts):
            yield name.with_suffix("").as_posix()


PAGES = list(written_pages())


def read(page):
    return (DOCS / f"{page}.rst").read_text()


def python_blocks(text):
    """Code of the blocks of a page, with the line that each begins at."""
    pattern = r"^\.\. code-block:: python\n\n((?:[ ]{3}.*\n|\n)+)"
    for match in re.finditer(pattern, text + "\n", re.MULTILINE):
        line = text[: match.start(1)].count("\n")
        yield line, textwrap.dedent(match.group(1))


def resolved(page, target):
    """Name of the page that a reference on another page means."""
    folder = Path("/") if target.startswith("/") else Path("/", page).parent
    return (folder / target).as_posix().removeprefix("/")


def linked_from_toctrees(page):
    for block in re.findall(
        r"^\.\. toctree::\n((?:[ ]{3}.*\n|\n)+)", read(page) + "\n", re.MULTILINE
    ):
        for line in block.splitlines():
            if line.strip() and not line.strip().startswith(":"):
                yield resolved(page, line.strip())


@pytest.fixture(scope="module")
def few_images():
    """A few images in the form of MNIST and of Fashion-MNIST."""
    images, labels = datasets.load_digits(return_X_y=True)
    images = np.kron(images.reshape(-1, 8, 8) * 15, np.ones((3, 3)))
    images = np.pad(images, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    return (images[:200], labels[:200]), (images[200:240], labels[200:240])


@pytest.fixture
def without_downloads(few_images, monkeypatch):
    """Let keras.datasets return the few images."""
    for name in ("mnist", "fashion_mnist"):
        module = getattr(keras.datasets, name)
        monkeypatch.setattr(module, "load_data", lambda: few_images)


# So few epochs may miss a share of the variance that is asked for.
@pytest.mark.no_cover
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if list(python_blocks(read(page)))]
)
def test_code_runs(page, without_downloads, short_runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_measurements(tmp_path)
    namespace = {"__name__": "__main__"}
    try:
        for line, code in python_blocks(read(page)):
            if not has_packages(code):
                continue
            padded = "\n" * line + code  # so that an error tells the page's line
            exec(compile(padded, str(DOCS / f"{page}.rst"), "exec"), namespace)
    finally:
        plt.close("all")


def test_images_of_the_examples(few_images, without_downloads, tmp_path, monkeypatch):
    load_images = runpy.run_path(str(ROOT / "examples" / "_data.py"))["load_images"]
    (train, labels), (test, _) = few_images
    monkeypatch.delenv("SKAE_DATA", raising=False)
    (X, y), (X_test, _) = load_images("mnist")
    assert X.shape == (200, 784)
    assert X_test.shape == (40, 784)
    assert X.dtype == np.float32
    assert (X.min(), X.max()) == (0, np.float32(240 / 255))
    np.testing.assert_array_equal(y, labels)
    # A folder has priority, where it has the file.
    empty, folder = tmp_path / "empty", tmp_path / "data"
    empty.mkdir(), folder.mkdir()
    others = {
        "x_train": test,
        "y_train": labels[:40],
        "x_test": train,
        "y_test": labels,
    }
    np.savez(folder / "mnist.npz", **others)
    for path, n_samples in ((empty, 200), (folder, 40)):
        monkeypatch.setenv("SKAE_DATA", str(path))
        assert len(load_images("mnist")[0][0]) == n_samples
    assert len(load_images("fashion_mnist")[0][0]) == 200


def test_every_page_is_reached_from_the_front_page():
    reached, waiting = set(), ["index"]
    while waiting:
        page = waiting.pop()
        if page in reached or page == "auto_examples/index":
            continue
        reached.add(page)
        waiting.extend(linked_from_toctrees(page))
    assert reached == set(PAGES)


@pytest.mark.parametrize("page", [page for page in PAGES if "user_guide/" in page])
def test_guides_name_synonyms_for_the_search(page):
    assert page == "user_guide/index" or ":keywords: " in read(page)


@pytest.mark.parametrize("page", PAGES)
def test_pages_and_examples_referred_to_exist(page):
    targets = re.findall(r":doc:`(?:[^`<]*<)?([^`<>]+)>?`", read(page))
    known = {
        *PAGES,
        "auto_examples/index",
        *(f"auto_examples/{name}" for name in EXAMPLES),
    }
    assert {resolved(page, target) for target in targets} <= known


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_examples_have_a_title_and_a_place_in_the_gallery(name):
    docstring = ast.get_docstring(ast.parse((ROOT / f"examples/{name}.py").read_text()))
    title, underline, *_ = docstring.splitlines()
    assert underline == "=" * len(title)
    assert f'"{name}.py"' in (DOCS / "_gallery_order.py").read_text()


def test_benchmarks_named_exist():
    for page in PAGES:
        for name in re.findall(r"examples/benchmarks/\w+\.py", read(page)):
            assert (ROOT / name).is_file()


def test_captions_of_figures_belong_to_them():
    """So that a build without the gallery has neither."""
    for page in PAGES:
        for line in re.findall(r"\.\. figures-of::.*\n\n(.*)\n", read(page)):
            assert line.startswith("   ")

"""Sphinx extension: what the Python code of a page prints and draws, below each block.

The blocks ``.. code-block:: python`` of a page are run from top to bottom, in one
namespace and in a temporary folder, when the page is read, as ``tests/test_docs.py``
does. ``.. figures-of:: script.py`` shows what a script draws, and its content as the
caption. Nothing is run, or shown, with ``-D plot_gallery=0``.
"""

import contextlib
import io
import os
import runpy
import tempfile
import traceback
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
from _page_code import has_packages, write_measurements
from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

# Pixels an inch: of the files, and as shown.
_RESOLUTION, _SHOWN = 160, 80

_logger = logging.getLogger(__name__)


@contextlib.contextmanager
def _working_folder():
    """Work in a temporary folder that holds measurements.csv."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        write_measurements(folder)
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def _runs(app):
    return app.config.plot_gallery not in (False, 0, "0", "False")


def _figures(app, page):
    """Save the open figures and close them, and return nodes that show them."""
    folder = Path(app.srcdir, "generated", "outputs")
    folder.mkdir(parents=True, exist_ok=True)
    shown = []
    for number in plt.get_fignums():
        figure = plt.figure(number)
        path = folder / f"{page.replace('/', '-')}-{app.env.new_serialno('figure')}.png"
        figure.savefig(path, dpi=_RESOLUTION, bbox_inches="tight", facecolor="white")
        pixels = plt.imread(path).shape[1]
        shown.append(
            nodes.image(
                uri=f"/generated/outputs/{path.name}",
                alt="Figure that the code above draws",
                width=f"{pixels * _SHOWN // _RESOLUTION}px",
                classes=["skae-figure"],
            )
        )
    plt.close("all")
    return shown


def _run_block(code, namespace):
    """Run code, and return what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code, namespace)
    return printed.getvalue().strip("\n")


def insert_output(app, doctree):
    """Run the code of a page, and insert its output into the page."""
    page = app.env.docname
    if not _runs(app) or page.startswith(
        ("auto_examples/", "generated/", *app.config.run_code_exclude)
    ):
        return
    blocks = [
        node
        for node in doctree.findall(nodes.literal_block)
        if node.get("language") == "python"
        and "not-run" not in node["classes"]
        and has_packages(node.astext())
    ]
    if not blocks:
        return
    namespace = {"__name__": "__main__"}
    plt.close("all")
    with _working_folder():
        for node in blocks:
            try:
                printed = _run_block(
                    compile(node.astext(), f"{page}.rst", "exec"), namespace
                )
            except Exception:  # noqa: BLE001
                _logger.warning(
                    "code of the page fails:\n%s", traceback.format_exc(), location=node
                )
                return
            output = _figures(app, page)
            if printed:
                text = nodes.literal_block(printed, printed, language="none")
                output.insert(0, nodes.container("", text, classes=["skae-output"]))
            parent = node.parent
            place = parent.index(node) + 1
            parent.insert(place, output)


class FiguresOf(SphinxDirective):
    """Show what a script draws, whose path is relative to the page, and a caption."""

    required_arguments = 1
    has_content = True

    def run(self):
        script, path = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(script)
        if not _runs(self.env.app):
            return []
        with _working_folder(), contextlib.redirect_stdout(io.StringIO()):
            runpy.run_path(path, run_name="__main__")
        figures = _figures(self.env.app, self.env.docname)
        return [*figures, *self.parse_content_to_nodes()]


def setup(app):
    """Connect the extension; images are collected afterwards, hence the priority."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    app.add_config_value("run_code_exclude", [], "env", [list])
    app.add_directive("figures-of", FiguresOf)
    app.connect("doctree-read", insert_output, priority=400)
    return {"parallel_read_safe": False}

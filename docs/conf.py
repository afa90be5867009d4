"""Configuration of the documentation; CONTRIBUTING.md says how to build it."""

import os
import re
import sys
import zlib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no logs in the gallery
sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

import skae

project = "skae"
author = "The skae developers"
copyright = author
version = release = skae.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
    "sphinx_design",
    "_run_code",
]
root_doc = "index"
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
templates_path = ["_templates"]
exclude_patterns = ["_build", "**/GALLERY_HEADER.rst"]
default_role = "obj"

autosummary_generate = True
# Guides that the pages of classes and functions link to.
autosummary_context = {
    "guides": {
        "AutoencoderOutlierDetector": [
            "find_outliers",
            "decide",
            "few_labels",
            "which_estimator",
        ],
        "AutoencoderTransformer": [
            "reduce_dimensions",
            "compress",
            "choose_n_components",
            "which_estimator",
        ],
        "ConvolutionalArchitecture": ["choose_architecture"],
        "DecodedCodesDisplay": ["reduce_dimensions"],
        "DenseArchitecture": ["choose_architecture", "denoise", "missing_cells"],
        "ExplainedVarianceDisplay": ["choose_n_components"],
        "KerasArchitecture": ["keras_models"],
        "LatentSpaceDisplay": ["reduce_dimensions"],
        "OutlierExplanationDisplay": ["find_outliers"],
        "OutlierScoreDisplay": ["find_outliers", "decide"],
        "ReconstructionDisplay": ["compress", "denoise"],
        "RecurrentArchitecture": ["choose_architecture"],
        "TableScaler": ["tables", "missing_cells"],
        "TrainingHistoryDisplay": ["troubleshoot"],
        "VariationalArchitecture": ["choose_architecture"],
        "compare_reconstruction": ["which_estimator", "reduce_dimensions"],
        "export_onnx": ["deploy"],
        "map_blocks": ["large_data"],
        "outlier_roc_auc_scorer": ["tune", "find_outliers"],
        "reconstruction_scorer": ["reduce_dimensions", "tune"],
        "synthetic_outlier_roc_auc_scorer": ["tune", "find_outliers"],
    }
}
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"
numpydoc_show_class_members = False  # the template of classes lists them
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
suppress_warnings = ["myst.header"]  # the changelog is part of a page

# Trains for a quarter of an hour; plot_reference_figures.py shows its figures.
run_code_exclude = ["coming_from/keras_tutorial"]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"benchmarks|(^|/)_\w+\.py$",
    "doc_module": ("skae",),
    "backreferences_dir": "generated/backreferences",
    "reference_url": {"skae": None},
    "capture_repr": ("_repr_html_",),  # not the address of a display
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,
    "min_reported_time": 1,
    "within_subsection_order": "_gallery_order.GalleryOrder",
    "minigallery_sort_order": "_gallery_order.place",
}

html_theme = "pydata_sphinx_theme"
html_title = "skae"
html_static_path = ["_static"]
html_css_files = ["skae.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "skae"},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 5,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
_ALONE = (
    "cite",
    "faq",
    "glossary",
    "how_it_works",
    "index",
    "install",
    "limits",
    "quick_start",
    "stability",
    "whats_new",
)
html_sidebars = {page: [] for page in _ALONE}

# Where names of other projects are documented. Warnings are errors, so that a build
# without a network needs the labels that inherited docstrings refer to.
_SET_OUTPUT = "auto_examples/miscellaneous/plot_set_output.html"
_LABELS = {
    "matplotlib": "",
    "numpy": "",
    "pandas": "",
    "python": "",
    "sklearn": f"""\
df_output_transform std:label -1 modules/df_output_transform.html -
meta-estimator std:term -1 glossary.html#term-meta-estimator -
metadata_routing std:label -1 metadata_routing.html -
set_output_api std:label -1 {_SET_OUTPUT} -
sphx_glr_auto_examples_miscellaneous_plot_set_output.py std:label -1 {_SET_OUTPUT} -
""",
}


def write_inventory(project):
    """Write an inventory of labels, and return its path."""
    head = f"""\
# Sphinx inventory version 2
# Project: {project}
# Version:
# The remainder of this file is compressed using zlib.
"""
    path = Path(__file__).parent / "_build" / f"{project}.inv"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(head.encode() + zlib.compress(_LABELS[project].encode()))
    return str(path)


intersphinx_timeout = 10
intersphinx_mapping = {
    project: (address, (None, write_inventory(project)))
    for project, address in {
        "matplotlib": "https://matplotlib.org/stable",
        "numpy": "https://numpy.org/doc/stable",
        "pandas": "https://pandas.pydata.org/docs",
        "python": "https://docs.python.org/3",
        "sklearn": "https://scikit-learn.org/stable",
    }.items()
}


def escape(app, what, name, obj, options, lines):
    """Escape what reStructuredText would misread, so that docstrings stay legible."""
    for i, line in enumerate(lines):
        line = re.sub(r"\(n_\w+, \*", lambda m: m[0].replace("*", r"\*"), line)
        line = re.sub(r", (n_\w+_)\)", r", ``\1``)", line)
        lines[i] = re.sub(r'"(\w+_)"', r"``\1``", line)


def setup(app):
    """Connect what this file defines."""
    app.connect("autodoc-process-docstring", escape, priority=400)  # before numpydoc

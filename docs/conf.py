"""Configuration of the documentation; CONTRIBUTING.md says how to build it."""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).parents[1]))

import skae

project = "skae"
author = "The skae developers"
copyright = author
version = release = skae.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
]
root_doc = "index"
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
templates_path = ["_templates"]
exclude_patterns = ["_build", "**/GALLERY_HEADER.rst"]
default_role = "obj"

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False  # the template of classes lists them
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
mathjax_path = ""  # no formula needs it, and pages load nothing from elsewhere
myst_heading_anchors = 2

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"benchmarks|__init__\.py",
    "doc_module": ("skae",),
    "backreferences_dir": "generated/backreferences",
    "reference_url": {"skae": None},
    "matplotlib_animations": False,
    "plot_gallery": "True",
    "abort_on_example_error": False,
    "remove_config_comments": True,
    "show_memory": False,
    "min_reported_time": 1,
    "within_subsection_order": "_gallery_order.GalleryOrder",
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
    "header_links_before_dropdown": 8,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {name: [] for name in ("install", "quick_start", "whats_new", "limits")}

# Where names of other projects are documented. Written out, so that a build needs no
# network.
_PROJECTS = {
    "sklearn": "https://scikit-learn.org/stable/modules/generated/{}.html",
    "numpy": "https://numpy.org/doc/stable/reference/generated/{}.html",
    "pandas": "https://pandas.pydata.org/docs/reference/api/{}.html",
}
_LABELS = {
    "metadata_routing": "https://scikit-learn.org/stable/metadata_routing.html",
    "metadata_routing_models": "https://scikit-learn.org/stable/metadata_routing.html",
    "set_output_api": (
        "https://scikit-learn.org/stable/auto_examples/miscellaneous/"
        "plot_set_output.html"
    ),
    "transformers": "https://scikit-learn.org/stable/data_transforms.html",
}


def link_to_other_projects(app, env, node, contnode):
    """Resolve references to scikit-learn and NumPy, whose docstrings are inherited."""
    from docutils.nodes import reference

    target = node.get("reftarget", "")
    address = _LABELS.get(target.lower())
    pattern = _PROJECTS.get(target.split(".")[0])
    if address is None and pattern is not None and node.get("refdomain") == "py":
        address = pattern.format(target)
    if address is None:
        return None
    return reference("", "", contnode, internal=False, refuri=address)


def setup(app):
    app.connect("missing-reference", link_to_other_projects)

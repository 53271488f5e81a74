"""How Sphinx builds this documentation (``make docs``): nothing is fetched, nor for reading."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx_gallery.sorting import ExplicitOrder

from glmnet_nn import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_sphinx"))  # mathml, pages, plain, strict

project = "glmnet_nn"
author = "The glmnet_nn developers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "pages",
    "plain",
]
exclude_patterns = ["_build", "_sphinx", "_templates"]
templates_path = ["_templates"]

# Pages are Markdown, as GitHub reads it.
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 4
html_math_renderer = "mathml"

# What is copied can be pasted: neither prompts nor what was printed.
copybutton_selector = "div:not(.highlight-text, .highlight-console) > div.highlight pre"
copybutton_exclude = ".linenos, .gp, .go"

# A default of "auto" is to be read, and copied, as it is typed.
smartquotes = False

# Docstrings name types in words. A link that leads nowhere is an error, but for names of other
# packages, which are not looked up, and of inner modules, which have no page.
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
autodoc_member_order = "groupwise"
autosummary_generate = True
numpydoc_show_class_members = False
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(?!families|glmnet_nn).*"),
    (r"py:.*", r"(families|glmnet_nn)\.(\w+\.)*[a-z_]+(\.\w+)?"),
]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "ignore_pattern": r"demo\.py",
    "subsection_order": ExplicitOrder(
        [
            "../examples/glms",
            "../examples/networks",
            "../examples/insurance",
            "../examples/validation",
            "*",
        ]
    ),
    "doc_module": ("glmnet_nn", "families"),
    "backreferences_dir": "generated/backreferences",
    "reference_url": {"glmnet_nn": None, "families": None},
    "reset_modules": ("matplotlib", "strict.reset"),
    "reset_modules_order": "both",
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "glmnet_nn"
html_static_path = ["_static"]
html_css_files = ["glmnet_nn.css"]
html_theme_options = {
    "logo": {"text": "glmnet_nn"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "show_prev_next": True,
}
WITHOUT_SECTIONS = ["index", "get-started", "theory", "performance", "changelog", "contributing"]
html_sidebars = {page: [] for page in WITHOUT_SECTIONS}
copyright = "The glmnet_nn developers"

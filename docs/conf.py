"""How the documentation's site is built: ``uv run --group docs sphinx-build -W -b html docs results/site``."""

from __future__ import annotations

from importlib.metadata import version as installed

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

project = "tokenflow_sim"
author = "The tokenflow_sim developers"
project_copyright = "2026, the tokenflow_sim developers; MIT licence"
version = release = installed("tokenflow-sim")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "figures"]
root_doc = "index"

# Pages are MyST Markdown; those with a kernel in their head are notebooks, run at every build.
source_suffix = {".md": "myst-nb"}
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True

autosummary_generate = True
autodoc_typehints = "none"  # NumPy-style docstrings give types, dims and units
autodoc_member_order = "bysource"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_ivar = True  # else attributes that are properties too are described twice
napoleon_use_rtype = False

html_theme = "pydata_sphinx_theme"
html_title = f"tokenflow_sim {version}"
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}


def setup(app: Sphinx) -> None:
    """Show tables and diagrams that Pygments has no lexer for as they are written."""
    for name in ("csv", "mermaid"):
        app.add_lexer(name, TextLexer)

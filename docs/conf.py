"""The documentation as a site: `python -m sphinx -W -c docs . build/site`, with the extra `docs` installed."""

from facesim import __version__ as release

project = "facesim"
copyright = "facesim contributors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "models/*.md", "facesim/detector/ORIGIN.md"]
myst_heading_anchors = 4
default_role = "code"  # docstrings name code by `…`
autodoc_default_options = {"members": True, "member-order": "bysource", "exclude-members": "__init__, __new__"}
autoclass_content = "both"
autodoc_typehints_format = "short"
html_theme = "furo"
html_title = f"facesim {release}"
html_copy_source = False

import txpusher

project = "txpusher"
copyright = "the txpusher authors"
author = "The txpusher authors"
release = version = txpusher.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

# Docstrings name code in single backticks.
default_role = "code"
highlight_language = "none"

html_theme = "alabaster"
html_title = "txpusher"
html_theme_options = {
    "description": "A realtime server that speaks the Pusher Channels protocol",
    "code_font_size": "0.8em",
    "fixed_sidebar": True,
    "page_width": "1240px",
    "sidebar_width": "240px",
    "show_powered_by": False,
}

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# The documentation is built without a network, so what belongs to others has no page to link to.
nitpick_ignore_regex = [
    ("py:.*", r"(twisted|zope|collections|typing|enum|prometheus_client)\..*"),
    ("py:.*", r"(Any|Check|Deferred|Metric|IService|Service|optional)"),
]

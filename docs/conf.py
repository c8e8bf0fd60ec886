import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from make_figures import draw_pages  # noqa: E402

project = "gdfast"
author = "the gdfast developers"
copyright = f"2026, {author}"
release = version = metadata.version("gdfast")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "numpydoc"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the Parameters section says it
numpydoc_show_class_members = False  # autodoc lists them
numpydoc_show_inherited_class_members = False
numpydoc_validation_checks = {
    "all",  # but for:
    "ES01",  # an extended summary where one line is enough
    "EX01",  # examples where a test is the better place
    "GL01",  # the summary starts on the line of the quotes, as ruff has it
    "SA01",  # See Also
}
# Classes that only gdfast makes list Attributes, where Parameters are asked for;
# their methods are checked.
numpydoc_validation_exclude = {r"^gdfast\.[A-Z]\w+$"}

html_theme = "furo"
html_title = f"gdfast {release}"


def setup(app):
    app.connect("builder-inited", lambda app: draw_pages())

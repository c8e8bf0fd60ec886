import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from make_figures import draw_pages  # noqa: E402
from run_gallery import run_gallery  # noqa: E402

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
html_static_path = ["style"]
html_css_files = ["gallery.css"]


def setup(app):
    gallery = {}

    def draw(app):
        draw_pages()
        gallery.update(run_gallery())

    def show(app, page, source):
        source[0] = gallery.get(page, source[0])

    app.connect("builder-inited", draw)
    app.connect("env-get-outdated", lambda *args: list(gallery))
    app.connect("source-read", show)

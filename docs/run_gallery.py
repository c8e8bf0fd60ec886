"""Run the examples of the gallery when the pages are built.

What a page shows as output is what its code printed then, and its pictures are the
files that its code saved, in ``docs/drawn``. The output in the source of a page is for
the tests; another one fails the build.
"""

import contextlib
import doctest
import textwrap
from pathlib import Path

import matplotlib
from sphinx.errors import ExtensionError

DOCS = Path(__file__).parent
DRAWN = DOCS / "drawn"


class Recorder(doctest.DocTestRunner):
    """Runs examples, keeps what they print, and raises where that is not expected."""

    def __init__(self):
        super().__init__(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
        self.outputs = {}

    def report_start(self, out, test, example):
        """Report nothing."""

    def report_success(self, out, test, example, got):
        """Keep the output, of an error as the page has it: without the files."""
        self.outputs[example] = example.want if example.exc_msg else got

    def report_failure(self, out, test, example, got):
        """Raise what is wrong."""
        place = f"{test.filename}, line {example.lineno + 1}"
        raise ExtensionError(
            f"{place}: expected\n{example.want}\nbut got\n{got}\nfrom\n{example.source}"
        )

    def report_unexpected_exception(self, out, test, example, exc_info):
        """Raise what is wrong."""
        self.report_failure(out, test, example, repr(exc_info[1]))


def run_gallery() -> dict[str, str]:
    """Run all pages of the gallery, and return their sources by name, with outputs."""
    DRAWN.mkdir(exist_ok=True)
    with contextlib.chdir(DRAWN), matplotlib.rc_context({"savefig.dpi": 150}):
        return {f"gallery/{path.stem}": run(path) for path in DOCS.glob("gallery/*.md")}


def run(page: Path) -> str:
    """Run a page, and return its source with the outputs of this run."""
    recorder, parts = Recorder(), doctest.DocTestParser().parse(page.read_text())
    examples = [part for part in parts if isinstance(part, doctest.Example)]
    recorder.run(doctest.DocTest(examples, {}, page.stem, str(page), 0, None))
    return "".join(
        part
        if isinstance(part, str)
        else shown(part, recorder.outputs.get(part, part.want))
        for part in parts
    )


def shown(example: doctest.Example, output: str) -> str:
    """Return the code with its prompts, and the output in lines that fit a page."""
    first, *others = example.source.splitlines(keepends=True)
    code = f">>> {first}" + "".join(f"... {line}" for line in others)
    lines = [textwrap.fill(line, 88) + "\n" for line in output.splitlines()]
    return code + "".join(lines)

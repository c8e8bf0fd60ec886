"""The steps of docs/from-loop-to-kernel.md, so that what is timed is what is shown."""

from __future__ import annotations

from collections.abc import Callable
from doctest import DocTestParser
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "from-loop-to-kernel.md"


def functions() -> dict[str, Callable[..., Any]]:
    """Return the functions that the page defines, by name."""
    names: dict[str, Any] = {}
    for example in DocTestParser().get_examples(PAGE.read_text(encoding="utf-8")):
        if example.source.startswith(("def ", "import ", "from ")):
            exec(example.source, names)
    return names

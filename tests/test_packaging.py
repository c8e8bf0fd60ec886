"""What a user installs: files, imports and the direction of the imports."""

import ast
import re
import subprocess
import sys
from importlib import metadata
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest

import gdfast
from gdfast import _backend

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "gdfast"
in_checkout = pytest.mark.skipif(
    not SOURCE.is_dir(), reason="needs the source tree, not an installed wheel"
)

# Who may import whom: a module imports only from the lines above its own.
LAYERS = [
    {"_kernel", "_kernel_v3", "_losses", "_reference", "_simd"},
    {"_backend"},
    {"_files", "_frames", "_typing", "_version", "pointers"},
    {"aligned", "csr"},
    {"_validation"},
    {
        "delimited",
        "history",
        "losses",
        "optimizers",
        "penalties",
        "progress",
        "schedules",
        "stopping",
        "threads",
        "units",
    },
    {"fit", "settings", "sources", "sums", "targets"},
    {"curvature", "drivers", "holdout", "minimum", "scaling"},
    {"backtracking", "batches", "functions", "rates", "stochastic"},
    {"descent"},
    {"callbacks", "diagnosis", "preparation"},
    {"outcome"},
    {"minimization", "training"},
    {"finder", "scipy_methods"},
    {"__init__"},
    {"plots"},
    {"report"},
    {"sklearn"},
    {"cli"},
    {"__main__"},
]
LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}
# Beyond NumPy and the standard library; never when the module is imported.
OPTIONAL = {
    "plots": {"matplotlib", "mpl_toolkits"},
    "progress": {"tqdm"},
    "report": {"matplotlib"},
    "scipy_methods": {"scipy"},
}
# Methods that are no more than doors to a face, which they import when called.
DOORS = {"fit": {".report"}}
# Packages that nothing else imports, and what they are made for: there it may be.
FACES = {"plots": set(), "sklearn": {"joblib", "scipy", "sklearn"}}


def run(code: str) -> str:
    """Run code in a fresh interpreter, where nothing else was imported."""
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize(
    "name", ["py.typed", "_kernel.pyi", "data/mpg.csv", "data/pizza.txt"]
)
def test_types_and_data_are_installed(name):
    # stubtest passes without a word when the stub is missing.
    assert files("gdfast").joinpath(name).is_file()


BUILT = [
    Path(spec.origin)
    for name in ("_kernel", *_backend.WIDER.values())
    if (spec := find_spec(f"gdfast.{name}"))
]


@in_checkout
@pytest.mark.parametrize("built", BUILT, ids=lambda path: path.name.partition(".")[0])
def test_every_kernel_is_newer_than_its_sources(built):
    if built.parent != SOURCE:
        pytest.skip("gdfast is not installed from this source tree")
    for source in (*SOURCE.glob("*.p[xy][xd]"), *SOURCE.glob("*.h")):
        assert source.stat().st_mtime <= built.stat().st_mtime, (
            f"{source.name} was edited after {built.name} was built: "
            "run pip install -e . again"
        )


def test_import_leaves_denormals_alone():
    # Linking with -ffast-math would flush them to zero in the whole process.
    code = """
from gdfast import _backend
smallest = float("5e-324")
print(smallest + smallest, float("2.3e-308") / 2)
"""
    assert run(code).split() == ["1e-323", "1.15e-308"]


def imported_by(code: str, before: str = "pass") -> set[str]:
    """Return the modules that some code imports beyond those of other code."""
    code = f"import sys; {before}; known = set(sys.modules); {code}; "
    return set(run(code + "print(*(set(sys.modules) - known))").split())


def test_import_is_light():
    heavy = {"matplotlib", "tqdm", "sklearn", "scipy", "pandas", "polars", "argparse"}
    assert not heavy & imported_by("import gdfast", before="import numpy")
    # Nor what only files need: to train takes little more than NumPy.
    heavy |= {"csv", "difflib", "hashlib", "json", "gdfast.sources"}
    heavy |= {"concurrent.futures", "logging", "gdfast.cli", "gdfast.plots"}
    heavy |= {"gdfast.sklearn", "gdfast.stochastic", "gdfast.report", "html"}
    assert not heavy & imported_by("import gdfast; gdfast.train", "import numpy")


def test_import_waits_for_the_first_use():
    loaded = imported_by("import gdfast")
    assert "numpy" not in loaded
    assert {name for name in loaded if name.startswith("gdfast")} == {
        "gdfast",
        "gdfast._version",
    }


@pytest.mark.parametrize("name", gdfast.__all__)
def test_every_public_name_can_be_the_first(name):
    code = f"import gdfast; assert {name!r} in dir(gdfast); x = gdfast.{name}; "
    code += f"from gdfast import {name} as y; assert x is y is vars(gdfast)[{name!r}]"
    run(code)


def test_all_public_names_come_with_a_star():
    code = "from gdfast import *; import gdfast; "
    code += "print(*(name for name in gdfast.__all__ if name in globals()))"
    assert run(code).split() == gdfast.__all__


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'gdfast'.*'nothing'"):
        gdfast.nothing  # noqa: B018


@in_checkout
def test_type_checkers_see_the_names_where_they_are():
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    seen = {
        alias.name: f"gdfast.{alias.name}" if node.module == "gdfast" else node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("gdfast")
        for alias in node.names
    }
    assert seen.pop("__version__") == "gdfast._version"
    modules = {name: f"gdfast.{home}" for name, home in gdfast._MODULES.items()}
    assert seen == modules
    assert sorted([*modules, "__version__"]) == sorted(gdfast.__all__)


def test_version_is_the_installed_one():
    assert metadata.version("gdfast") == gdfast.__version__, "install gdfast again"


def test_all_public_names_are_documented():
    directive = r"^\.\. ((?:auto|py:)\w+|currentmodule):: ([\w.]+)$"
    page = (ROOT / "docs/api.md").read_text()
    modules = ("losses", "optimizers", "schedules")
    named = {"gdfast": [*modules]} | {f"gdfast.{module}": [] for module in modules}
    named |= {"gdfast.sklearn": [], "gdfast.stochastic": []}
    for kind, name in re.findall(directive, page, re.MULTILINE):
        if kind == "currentmodule":
            module = name
        elif kind != "automodule":
            named[module].append(name)
    assert sorted(named["gdfast"]) == sorted(gdfast.__all__)
    classes = [loss.__name__ for loss in gdfast.losses.LOSSES.values()]
    assert named["gdfast.losses"] == [*classes, "Loss"]
    rules = [type(rule).__name__ for rule in gdfast.optimizers.OPTIMIZERS.values()]
    assert named["gdfast.optimizers"] == [*rules, "Optimizer"]
    schedules = [schedule.__name__ for schedule in gdfast.schedules.SCHEDULES]
    assert named["gdfast.schedules"] == [*schedules, "Schedule"]
    face = files("gdfast").joinpath("sklearn", "__init__.py").read_text()
    estimators = ast.literal_eval(face.partition("__all__ = ")[2])
    assert sorted(named["gdfast.sklearn"]) == estimators


def imports(tree: ast.AST, inside_function: bool = False):
    """Yield every import: a module as ".fit" or a package, whether in a function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield short_name(alias.name), inside_function
        elif isinstance(node, ast.ImportFrom):
            module = "gdfast." * node.level + (node.module or "")
            for alias in node.names:
                yield short_name(f"{module.rstrip('.')}.{alias.name}"), inside_function
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from imports(node, True)  # costs nothing at run time either
        else:
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from imports(node, inside_function or function)


def short_name(imported: str) -> str:
    """Return ".fit" for gdfast.fit and all in it, "numpy" for numpy and all in it."""
    package, *inner = imported.split(".")
    if package != "gdfast":
        return package
    return f".{inner[0]}" if inner and inner[0] in LEVELS else ".__init__"


def forbidden_imports(name: str, code: str) -> list[str]:
    """Return what a module of gdfast imports and may not."""
    wrong = []
    for imported, inside_function in imports(ast.parse(code)):
        if imported.startswith("."):
            same_face = name in FACES and imported == f".{name}"
            door = inside_function and imported in DOORS.get(name, ())
            allowed = same_face or door or LEVELS[imported[1:]] < LEVELS[name]
        elif imported in FACES.get(name, ()):
            allowed = True
        elif imported in OPTIONAL.get(name, ()):
            allowed = inside_function
        else:
            allowed = imported == "numpy" or imported in sys.stdlib_module_names
        if not allowed:
            wrong.append(imported)
    return wrong


@in_checkout
@pytest.mark.parametrize(
    "path",
    sorted(SOURCE.rglob("*.py")),
    ids=lambda path: ".".join(path.relative_to(SOURCE).with_suffix("").parts),
)
def test_imports_point_downwards(path):
    name = path.stem if path.parent == SOURCE else path.parent.name
    assert name in LEVELS, "a new module needs a level in this file"
    assert forbidden_imports(name, path.read_text()) == []


@in_checkout
@pytest.mark.parametrize(
    "path", sorted(SOURCE.glob("*.p[xy][xd]")), ids=lambda path: path.name
)
def test_the_kernel_imports_only_its_parts(path):
    line = r"^\s*(?:from|cimport|import|include)\s+\"?([\w.]+)"
    found = set(re.findall(line, path.read_text(), re.MULTILINE))
    parts = {f"gdfast.{part.stem}" for part in SOURCE.glob("*.pxd")}
    assert {name for name in found if not name.startswith(("libc.", "cpython."))} <= {
        "_kernel.pyx",
        "cython",
        "gdfast",
        *parts,
    }


@pytest.mark.parametrize(
    ("name", "code", "wrong"),
    [
        ("fit", "from .training import train", [".training"]),
        ("fit", "from . import losses, cli", [".cli"]),
        ("fit", "from gdfast.report import write", [".report"]),
        ("fit", "def f():\n    from gdfast.report import write", []),
        ("fit", "import gdfast.plots", [".plots"]),
        ("fit", "import gdfast", [".__init__"]),
        ("fit", "from gdfast import train", [".__init__"]),
        ("__init__", "from gdfast.training import train", []),
        ("__init__", "from gdfast.plots import loss_curve", [".plots"]),
        ("fit", "def f():\n    from gdfast.training import train", [".training"]),
        ("losses", "from .history import History", [".history"]),
        ("sums", "from scipy.linalg import eigh", ["scipy"]),
        ("plots", "import matplotlib.pyplot", ["matplotlib"]),
        ("plots", "def f():\n    import matplotlib.pyplot", []),
        ("sums", "def f():\n    import matplotlib.pyplot", ["matplotlib"]),
        ("cli", "import sklearn", ["sklearn"]),
        ("sklearn", "import sklearn\nfrom gdfast.sklearn import checks", []),
        ("sklearn", "import pandas\nfrom gdfast import cli", ["pandas", ".cli"]),
        ("training", "import os\nimport numpy as np\nfrom .fit import Fit", []),
    ],
)
def test_the_test_of_imports_finds_what_it_should(name, code, wrong):
    assert forbidden_imports(name, code) == wrong

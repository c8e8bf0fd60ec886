"""Which build of the kernel runs: chosen by the processor, or by GDFAST_SIMD."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from gdfast import _backend, _kernel

BUILT = [
    str(level)
    for level, name in _backend.WIDER.items()
    if find_spec(f"gdfast.{name}") and level <= _kernel.cpu_level()
]
TRAIN = """
import numpy as np, gdfast
from gdfast import _backend
rng = np.random.default_rng(1)
X, y = rng.standard_normal((300, 11)), rng.uniform(0, 1, 300)
for loss in "squared_error", "log_loss":
    fit = gdfast.train(X, y, loss=loss, max_iter=50, learning_rate=0.1)
    print(fit.coef.tobytes().hex(), fit.intercept.hex(), fit.loss.hex())
print("level", _backend.level, _backend.kernel.__name__)
"""


def run(code, simd):
    """Run code in a fresh interpreter under a value of GDFAST_SIMD."""
    environ = {k: v for k, v in os.environ.items() if k != "GDFAST_SIMD"}
    if simd is not None:
        environ["GDFAST_SIMD"] = simd
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environ
    )


@pytest.fixture
def level_of_processor(monkeypatch):
    """Return a function that gives the processor another level."""

    def give(level):
        monkeypatch.setattr(_kernel, "cpu_level", lambda: level)

    return give


@pytest.fixture
def plain_build(monkeypatch):
    """A build without the wider kernels, whatever the processor."""
    for name in _backend.WIDER.values():
        monkeypatch.setitem(sys.modules, f"gdfast.{name}", None)


def test_level_one_is_always_there(level_of_processor, plain_build):
    for level in (1, 3):
        level_of_processor(level)
        assert _backend.choose("1") == (_kernel, 1)


@pytest.mark.parametrize("level", BUILT)
def test_a_wider_kernel_can_be_asked_for(level):
    kernel, chosen = _backend.choose(level)
    assert chosen == int(level)
    assert kernel.__name__ == f"gdfast.{_backend.WIDER[chosen]}"
    assert kernel is not _kernel


def test_the_widest_is_taken_when_nothing_is_asked_for(level_of_processor):
    kernel, level = _backend.choose(None)
    assert level == max(map(int, BUILT), default=1)
    assert kernel.__name__ == f"gdfast.{_backend.WIDER.get(level, '_kernel')}"
    level_of_processor(1)
    assert _backend.choose(None) == (_kernel, 1)


@pytest.mark.parametrize("level", ["", "0", "2", "4", "03", " 3", "avx2", "-1"])
def test_an_unknown_level_is_an_error(level):
    with pytest.raises(ImportError, match=f"GDFAST_SIMD must be 1 or 3, got '{level}'"):
        _backend.choose(level)


def test_a_level_above_that_of_the_processor_is_an_error(level_of_processor):
    level_of_processor(1)
    message = "GDFAST_SIMD=3: this processor runs level 1"
    with pytest.raises(ImportError, match=message):
        _backend.choose("3")


def test_a_build_without_the_wider_kernel(level_of_processor, plain_build):
    level_of_processor(3)
    assert _backend.choose(None) == (_kernel, 1)
    with pytest.raises(ImportError, match=r"^GDFAST_SIMD=3: .*_kernel_v3"):
        _backend.choose("3")


def test_a_wider_kernel_that_is_broken_is_not_passed_over(monkeypatch):
    def fail(name):
        raise ImportError("undefined symbol")

    monkeypatch.setattr(_kernel, "cpu_level", lambda: 3)
    monkeypatch.setattr(_backend, "import_module", fail)
    with pytest.raises(ImportError, match="undefined symbol"):
        _backend.choose(None)


# ----------------------------------------------------------------- in the environment


def test_every_level_trains_to_the_same_bits():
    widest = max(BUILT, default="1")
    levels = {None: widest, "": widest, "1": "1"} | {level: level for level in BUILT}
    models = set()
    for simd, level in levels.items():
        done = run(TRAIN, simd)
        assert done.returncode == 0, done.stderr
        model, _, chosen = done.stdout.rpartition("level ")
        name = _backend.WIDER.get(int(level), "_kernel")
        assert chosen.split() == [level, f"gdfast.{name}"]
        models.add(model)
    assert len(models) == 1


def test_a_wrong_level_in_the_environment_is_a_clear_error():
    done = run("import gdfast; gdfast.train", "2")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last == "ImportError: GDFAST_SIMD must be 1 or 3, got '2'"

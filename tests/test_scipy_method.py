"""gdfast as a method of scipy.optimize.minimize, called as SciPy calls its own."""

import numpy as np
import pytest
from scipy import optimize
from scipy.optimize import rosen, rosen_der

import gdfast

START = (-1.2, 1.0)
FAST = {"optimizer": "accelerated"}


def both(x):
    return rosen(x), rosen_der(x)


def minimize(fun, x0, **options):
    return optimize.minimize(fun, x0, method=gdfast.scipy_method, **options)


@pytest.mark.parametrize(("fun", "jac"), [(rosen, rosen_der), (both, True)])
def test_it_finds_the_minimum(fun, jac):
    result = minimize(fun, START, jac=jac, options=FAST)
    assert isinstance(result, optimize.OptimizeResult)
    assert result.success
    assert result.status == 0
    assert np.abs(rosen_der(result.x)).max() < 1e-5
    assert result.fun == rosen(result.x)
    assert "gtol=1e-05" in result.message
    assert result.nit == result.minimum.n_iter
    assert result.nfev >= result.nit


@pytest.mark.parametrize("jac", [None, False, "2-point"])
def test_without_a_gradient(jac):
    result = minimize(rosen, START, jac=jac, options=FAST)
    assert result.success
    np.testing.assert_allclose(result.x, 1, atol=1e-4)


def test_it_makes_the_steps_of_gdfast():
    options = {"optimizer": "adam", "learning_rate": 0.01}
    result = minimize(rosen, START, jac=rosen_der, options={**options, "maxiter": 50})
    run = gdfast.minimize(rosen, START, grad=rosen_der, max_iter=50, **options)
    assert result.x.tobytes() == run.x.tobytes()
    assert (result.success, result.status, result.nit) == (False, 1, 50)


def test_tolerances():
    result = minimize(rosen, START, jac=rosen_der, tol=1e-8, options=FAST)
    assert "below gtol=1e-08" in result.message
    options = {"learning_rate": 1e-3, "xtol": 1e-2}
    result = minimize(rosen, START, jac=rosen_der, options=options)
    assert "xtol=0.01" in result.message


@pytest.mark.parametrize(
    "bounds",
    [
        optimize.Bounds([-2, -np.inf], [0.5, np.inf]),
        optimize.Bounds(-np.inf, 0.5),
        [(-2, 0.5), (None, None)],
        [(None, 0.5), (-3, 4)],
    ],
)
def test_bounds(bounds):
    start = (-1.2, 0.4)
    result = minimize(
        rosen, start, jac=rosen_der, bounds=bounds, options={**FAST, "maxiter": 9999}
    )
    there = optimize.minimize(rosen, start, jac=rosen_der, bounds=bounds, tol=1e-12)
    assert result.success
    np.testing.assert_allclose(result.x, there.x, atol=1e-4)


def test_one_number_and_arguments():
    result = minimize(lambda x, a: (x[0] - a) ** 2, 1.0, args=(3.0,))
    assert result.x == pytest.approx([3], abs=1e-5)
    result = minimize(lambda x, a: (x[0] - a) ** 2, 1.0, args=4.0)
    assert result.x == pytest.approx([4], abs=1e-5)


def test_callbacks():
    seen, told = [], []

    def modern(intermediate_result):
        told.append(intermediate_result)
        if len(told) == 5:
            raise StopIteration

    options = {"learning_rate": 1e-3, "maxiter": 3}
    result = minimize(
        rosen, START, jac=rosen_der, callback=seen.append, options=options
    )
    assert len(seen) == 3  # after every iteration, as BFGS does
    assert (seen[-1] == result.x).all()
    result = minimize(rosen, START, jac=rosen_der, callback=modern)
    assert result.nit == 5
    assert told[-1].fun == rosen(told[-1].x) == result.fun
    assert not result.success


def test_a_divergence_is_no_success():
    options = {"learning_rate": 1.1}
    result = minimize(lambda x: x @ x, START, jac=lambda x: 2 * x, options=options)
    assert not result.success
    assert result.status == 2
    assert "learning_rate=1.1 is too large" in result.message


def test_disp_prints_the_end_as_scipy_does(capsys):
    def fun(x):
        return (x**2).sum() + 3

    result = minimize(fun, (1.0, 2.0), jac=lambda x: 2 * x, options={"disp": True})
    message, *lines = capsys.readouterr().out.splitlines()
    assert message == result.message
    theirs = optimize.minimize(
        fun, (1.0, 2.0), jac=lambda x: 2 * x, method="BFGS", options={"disp": True}
    )
    numbers = (theirs.nit, theirs.nfev, theirs.njev)
    expected = capsys.readouterr().out.splitlines()[1:]
    assert lines[0] == expected[0]
    assert [line.rstrip("0123456789") for line in lines[1:]] == [
        line.removesuffix(str(n)) for line, n in zip(expected[1:], numbers, strict=True)
    ]
    counts = [int(line.split(":")[1]) for line in lines[1:]]
    assert counts == [result.nit, result.nfev, result.njev]
    minimize(fun, (1.0, 2.0), options={"disp": False})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["max_iter", "eps", "grad"])
def test_unknown_options_warn_as_scipy_s(name):
    with pytest.warns(
        optimize.OptimizeWarning, match=f"^Unknown solver options: {name}$"
    ) as noted:
        result = minimize(rosen, START, options={"maxiter": 3, name: 5})
    assert noted[0].filename == __file__
    assert result.nit == 3


def test_faults():
    with pytest.raises(ValueError, match="constraints must be left out"):
        minimize(rosen, START, constraints={"type": "eq", "fun": rosen})
    with pytest.warns(RuntimeWarning, match="does not use hess"):
        minimize(rosen, START, hess=lambda x: np.eye(2))
    with pytest.raises(ValueError, match="bounds must be a pair"):
        minimize(rosen, START, bounds=3)
    with pytest.raises(ValueError, match="x0 must be within bounds"):
        minimize(rosen, START, bounds=[(0, 1), (0, 1)])

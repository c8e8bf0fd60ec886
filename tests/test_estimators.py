"""All four estimators in scikit-learn's company: what each must do as others do."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from joblib import parallel_backend
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gdfast.sklearn import GDClassifier, GDRegressor, SGDClassifier, SGDRegressor

CLASSIFIERS = (SGDClassifier, GDClassifier)
ALL = (SGDRegressor, GDRegressor, *CLASSIFIERS)
every = pytest.mark.parametrize("cls", ALL)
X = np.random.default_rng(1).standard_normal((90, 3))
WEIGHT = np.random.default_rng(2).uniform(0.1, 2.0, 90)


def targets(cls, rows=X):
    """Return what a class can learn from some rows."""
    if cls in CLASSIFIERS:
        return np.digitize(rows[:, 0], [-0.5, 0.5])
    return rows @ np.arange(1.0, 1.0 + rows.shape[1])


def pipeline(cls):
    return make_pipeline(StandardScaler(), cls(random_state=0))


def step(cls):
    return cls.__name__.lower()


def same(model, other):
    return model.coef_.tobytes() == other.coef_.tobytes()


# ---- copies, searches and jobs


@every
def test_clones_are_not_fitted(cls):
    model = cls(alpha=0.01, random_state=0).fit(X, targets(cls))
    assert clone(model).get_params() == model.get_params()
    assert not hasattr(clone(model), "coef_")


def test_another_process_reads_the_pickles(tmp_path):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    models = [cls(random_state=0).fit(frame, targets(cls)) for cls in ALL]
    for cls, model in zip(ALL, models, strict=True):
        (tmp_path / cls.__name__).write_bytes(pickle.dumps(model))
    code = (
        "import pickle, sys, pandas as pd\n"
        "X, *names, written = sys.argv[1:]\n"
        "X = pd.DataFrame(pickle.load(open(X, 'rb')), columns=['a', 'b', 'c'])\n"
        "models = [pickle.load(open(name, 'rb')) for name in names]\n"
        "left = [(model.predict(X).tobytes(), model.stop_reason_,\n"
        "    len(model.loss_curve_)) for model in models]\n"
        "pickle.dump(left, open(written, 'wb'))\n"
    )
    (tmp_path / "X").write_bytes(pickle.dumps(X))
    names = ["X", *(cls.__name__ for cls in ALL), "left"]
    paths = [str(tmp_path / name) for name in names]
    subprocess.run([sys.executable, "-W", "error", "-c", code, *paths], check=True)
    assert pickle.loads((tmp_path / "left").read_bytes()) == [
        (model.predict(frame).tobytes(), model.stop_reason_, len(model.loss_curve_))
        for model in models
    ]


@every
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_searches_and_validation_in_jobs(backend, cls):
    y, grid = targets(cls), {f"{step(cls)}__alpha": [1e-4, 1e-2]}
    alone = GridSearchCV(pipeline(cls), grid, cv=3, error_score="raise").fit(X, y)
    scores = cross_val_score(cls(random_state=0), X, y, cv=3, error_score="raise")
    with parallel_backend(backend, n_jobs=2):
        search = clone(alone).set_params(n_jobs=2).fit(X, y)
        assert search.best_score_ == alone.best_score_ > 0.6
        again = cross_val_score(cls(random_state=0), X, y, cv=3, n_jobs=2)
    assert again.tolist() == scores.tolist()


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_classes_are_trained_on_threads_within_jobs(backend):
    model = SGDClassifier(random_state=0, n_jobs=2, early_stopping=True)
    with parallel_backend(backend, n_jobs=2):
        assert cross_val_score(model, X, targets(SGDClassifier), cv=3).mean() > 0.6


# ---- weights of rows


@every
def test_a_pipeline_passes_weights_on(cls):
    y, rows = targets(cls), StandardScaler().fit_transform(X)
    options = {f"{step(cls)}__sample_weight": WEIGHT}
    weighted = cls(random_state=0).fit(rows, y, sample_weight=WEIGHT)
    assert same(pipeline(cls).fit(X, y, **options)[-1], weighted)
    assert not same(cls(random_state=0).fit(rows, y), weighted)


@every
def test_metadata_routing(cls):
    y = targets(cls)
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        model = cls(random_state=0).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        routed = make_pipeline(scaler, model)
        weighted = cls(random_state=0)
        weighted.fit(scaler.fit_transform(X), y, sample_weight=WEIGHT)
        assert same(routed.fit(X, y, sample_weight=WEIGHT)[-1], weighted)
        params = {"sample_weight": WEIGHT}
        cross_validate(routed, X, y, params=params, error_score="raise")
        grid = {f"{step(cls)}__alpha": [1e-4, 1e-2]}
        search = GridSearchCV(routed, grid, error_score="raise").fit(X, y, **params)
        expected = search.best_estimator_.score(X, y, **params)
        assert search.score(X, y, **params) == expected
        assert expected != search.best_estimator_.score(X, y)
        with pytest.raises(ValueError, match=r"sample_weight.* not explicitly"):
            make_pipeline(cls()).fit(X, y, **params)
        with pytest.raises(TypeError, match="callback"):
            routed.fit(X, y, callback=print)


# ---- frames and sparse rows


@every
def test_names_of_columns(cls):
    frame, y = pd.DataFrame(X, columns=["a", "b", "c"]), targets(cls)
    model = cls(random_state=0).fit(frame, y)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    assert same(model, cls(random_state=0).fit(X, y))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)
    for wrong in (frame.rename(columns={"a": "z"}), frame[["c", "b", "a"]]):
        with pytest.raises(ValueError, match="feature names"):
            model.predict(wrong)
    assert not hasattr(model.fit(X, y), "feature_names_in_")
    pipe = pipeline(cls).set_output(transform="pandas").fit(frame, y)
    assert list(pipe[-1].feature_names_in_) == ["a", "b", "c"]
    assert len(pipe.predict(frame)) == len(X)


@every
def test_wide_indices_of_sparse_rows(cls):
    y, rows = targets(cls), sp.csr_array(np.where(np.abs(X) > 0.5, X, 0.0))
    wide = rows.copy()
    wide.indices, wide.indptr = wide.indices.astype("q"), wide.indptr.astype("q")
    narrow = cls(random_state=0).fit(rows, y)
    model = cls(random_state=0).fit(wide, y)
    assert same(model, narrow)
    assert model.predict(wide).tobytes() == narrow.predict(rows).tobytes()
    wide.indices[0] = 3
    for method in (lambda: model.fit(wide, y), lambda: model.predict(wide)):
        with pytest.raises(ValueError, match="sparse matrix with index"):
            method()


# ---- what is refused


@every
def test_what_is_no_number_is_refused(cls):
    y = targets(cls)
    model = cls(random_state=0).fit(X, y)
    masked, times = np.ma.masked_less(X, -1), (X * 1e9).astype("datetime64[s]")
    for method in (lambda rows: model.fit(rows, y), model.predict):
        with pytest.raises(ValueError, match="X has masked cells"):
            method(masked)
        with pytest.raises(TypeError, match="X has times"):
            method(times)
    for weight in (-WEIGHT, np.zeros(90), np.ones(89), np.ma.masked_less(WEIGHT, 1)):
        with pytest.raises(ValueError, match="weight|Negative values"):
            model.fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_class_weights_that_are_refused(cls):
    y = targets(cls)
    with pytest.raises(
        ValueError, match="class_weight of class 1 must be .* at least 0"
    ):
        cls(class_weight={0: 1, 1: -1, 2: 1}).fit(X, y)
    with pytest.raises(ValueError, match=r"are not in class_weight"):
        cls(class_weight={7: 1}).fit(X, y)
    with pytest.raises(ValueError, match="'class_weight' parameter"):
        cls(class_weight="unbalanced").fit(X, y)


# ---- how a training ends


@every
def test_a_callback_ends_the_training(cls):
    y = targets(cls)

    def stop(_):
        raise StopIteration

    for callback in (stop, lambda _: True, lambda _: np.True_):
        model = cls(random_state=0).fit(X, y, callback=callback)
        assert model.n_iter_ <= 1
        assert "callback" in model.stop_reason_


@pytest.fixture(scope="module")
def many_rows():
    return np.random.default_rng(0).standard_normal((400_000, 16))


@pytest.mark.skipif(os.name == "nt", reason="needs a signal to this process")
@pytest.mark.parametrize(
    "model",
    [
        SGDRegressor(max_iter=10**6, tol=None),
        SGDRegressor(max_iter=10**6, tol=None, penalty="l1", average=True),
        SGDClassifier(max_iter=10**6, tol=None),
        SGDClassifier(max_iter=10**6, tol=None, n_jobs=2),
        SGDClassifier(max_iter=10**6, tol=None, early_stopping=True),
        GDRegressor("huber", max_iter=10**6, gtol=None, n_threads=1),
        GDRegressor("huber", max_iter=10**6, gtol=None, n_threads=2),
        GDRegressor(max_iter=10**9, gtol=None),
        GDClassifier("multinomial", max_iter=10**6, gtol=None),
        GDClassifier(max_iter=10**6, gtol=None, batch_size=32),
    ],
    ids=repr,
)
def test_ctrl_c_is_answered(model, many_rows):
    y, waited = targets(type(model), many_rows), []

    def send():
        waited.append(-time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    for after in (0.05, 0.2, 0.4):
        timer = threading.Timer(after, send)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            model.fit(many_rows, y)
        waited[-1] += time.perf_counter()
        timer.join()
        assert not hasattr(model, "coef_")
    assert sorted(waited)[1] < 0.1  # the machine does other things too

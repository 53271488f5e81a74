"""The choice of alpha by cross-validation, and the estimators that make it."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNetCV
from sklearn.metrics import log_loss, mean_poisson_deviance
from sklearn.model_selection import KFold, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from glmnet_nn import ElasticNetGLMClassifierCV, ElasticNetGLMCV, elastic_net_path
from glmnet_nn.estimators import _elastic_net
from glmnet_nn.training.threads import n_blas_threads

RNG = np.random.default_rng(0)
N = 240
X = RNG.standard_normal((N, 6)) * [1, 5, 0.2, 1, 1, 1]
EXPOSURE = RNG.uniform(0.2, 1.5, N)
COUNTS = RNG.poisson(EXPOSURE * np.exp(0.5 * X[:, 0] - 0.15 * X[:, 1]))
FOLDS = list(KFold(4, shuffle=True, random_state=1).split(X))
IRIS, SPECIES = load_iris(return_X_y=True)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        ElasticNetGLMCV(n_alphas=4, cv=2),
        ElasticNetGLMClassifierCV(n_alphas=3, cv=2, eps=0.01),
    ]
)
def test_check_estimator(estimator, check):
    check(estimator)


def test_normal_is_scikit_learns_elastic_net_cv():
    D, y = load_diabetes(return_X_y=True)
    alphas = np.geomspace(1e-3, 1.0, 15)
    folds = list(KFold(5, shuffle=True, random_state=0).split(D))
    ours = ElasticNetGLMCV(l1_ratio=[0.5, 0.9], alphas=alphas, cv=folds, standardize=False)
    ours.fit(D, y)
    theirs = ElasticNetCV(
        l1_ratio=[0.5, 0.9], alphas=alphas, cv=folds, tol=1e-10, max_iter=100_000
    ).fit(D, y)
    assert ours.alpha_ == pytest.approx(theirs.alpha_)
    assert ours.l1_ratio_ == theirs.l1_ratio_
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-3)
    table = ours.cv_results_
    for k, ratio in enumerate((0.5, 0.9)):
        folds_ours = table[table["l1_ratio"] == ratio].filter(like="split").to_numpy()
        np.testing.assert_allclose(folds_ours, theirs.mse_path_[k], rtol=1e-5)


def test_held_out_deviance_with_exposure_is_that_of_refitting_by_hand():
    model = ElasticNetGLMCV("poisson", cv=FOLDS, n_alphas=8)
    model.fit(X, COUNTS, exposure=EXPOSURE)
    curves = []
    for train, test in FOLDS:
        path = elastic_net_path(
            X[train],
            COUNTS[train],
            family="poisson",
            alphas=model.alphas_,
            exposure=EXPOSURE[train],
        )
        mu = EXPOSURE[test, None] * np.exp(path.linear_predictor(X[test]))
        curves.append([mean_poisson_deviance(COUNTS[test], one) for one in mu.T])
    table = model.cv_results_
    np.testing.assert_allclose(table.filter(like="split"), np.transpose(curves), rtol=1e-9)
    sizes = [len(test) for _, test in FOLDS]
    mean = np.average(curves, axis=0, weights=sizes)
    np.testing.assert_allclose(table["mean_deviance"], mean)
    spread = np.average((np.array(curves) - mean) ** 2, axis=0, weights=sizes) / 3
    np.testing.assert_allclose(table["se_deviance"], np.sqrt(spread))
    best = int(np.argmin(mean))
    within = mean <= mean[best] + np.sqrt(spread[best])
    assert model.alpha_ == model.alpha_min_ == model.alphas_[best]
    assert model.alpha_1se_ == model.alphas_[np.argmax(within)]
    frugal = clone(model).set_params(rule="1se").fit(X, COUNTS, exposure=EXPOSURE)
    assert frugal.alpha_ == model.alpha_1se_ > model.alpha_min_
    np.testing.assert_array_equal(frugal.coef_, model.path().coefs[:, np.argmax(within)])


def test_multinoulli_holds_out_the_log_loss():
    folds = list(KFold(3, shuffle=True, random_state=0).split(IRIS))
    model = ElasticNetGLMClassifierCV(cv=folds, n_alphas=5).fit(IRIS, SPECIES)
    train, test = folds[1]
    onehot = np.eye(3)[SPECIES]
    path = elastic_net_path(IRIS[train], onehot[train], family="multinoulli", alphas=model.alphas_)
    eta = path.linear_predictor(IRIS[test])[:, :, 3]
    chances = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    assert model.cv_results_["split1_deviance"][3] == pytest.approx(
        2 * log_loss(SPECIES[test], chances)
    )
    assert model.score(IRIS, SPECIES) > 0.95
    np.testing.assert_allclose(model.predict_proba(IRIS).sum(axis=1), 1.0)
    np.testing.assert_allclose(
        np.exp(model.predict_log_proba(IRIS)), model.predict_proba(IRIS), atol=1e-12
    )


def test_labels_of_any_type():
    names = np.array(["setosa", "versicolor", "virginica"])[SPECIES]
    model = ElasticNetGLMClassifierCV(n_alphas=4, cv=3).fit(IRIS, names)
    assert set(model.predict(IRIS)) <= set(names)
    assert [*model.path().to_frame().columns.levels[0]] == ["", *model.classes_]
    two = ElasticNetGLMClassifierCV(n_alphas=4, cv=3).fit(IRIS[:100], names[:100] == "setosa")
    assert two.coef_.shape == (4,)
    assert two.predict_proba(IRIS).shape == (150, 2)
    np.testing.assert_allclose(
        np.exp(two.predict_log_proba(IRIS)), two.predict_proba(IRIS), atol=1e-12
    )


def test_columns_by_name_and_data_frames():
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(time=EXPOSURE)
    named = ElasticNetGLMCV("poisson", exposure="time", n_alphas=5, cv=FOLDS).fit(frame, COUNTS)
    given = ElasticNetGLMCV("poisson", n_alphas=5, cv=FOLDS).fit(X, COUNTS, exposure=EXPOSURE)
    np.testing.assert_allclose(named.coef_, given.coef_)
    np.testing.assert_allclose(named.predict(frame), given.predict(X, exposure=EXPOSURE))
    assert named.score(frame, COUNTS) == pytest.approx(given.score(X, COUNTS, exposure=EXPOSURE))
    assert named.path().feature_names == list("abcdef")
    assert cross_val_score(named.set_params(cv=3), frame, COUNTS, cv=2).shape == (2,)


def test_weight_zero_is_no_row_and_two_is_two():
    weight = np.random.default_rng(2).integers(0, 3, N)
    fold = np.arange(N) % 3
    one = ElasticNetGLMCV("poisson", n_alphas=5, cv=_by_label(fold))
    one.fit(X, COUNTS, sample_weight=weight)
    rows = np.repeat(np.arange(N), weight)
    two = ElasticNetGLMCV("poisson", n_alphas=5, cv=_by_label(fold[rows]))
    two.fit(X[rows], COUNTS[rows])
    np.testing.assert_allclose(one.coef_, two.coef_, atol=1e-8)
    np.testing.assert_allclose(one.cv_results_, two.cv_results_, rtol=1e-6, atol=1e-9)


def _by_label(fold):
    """Return (train, test) pairs that leave out one label at a time."""
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in np.unique(fold)]


def test_sparse_is_dense_and_jobs_do_not_matter():
    S = sparse.random_array((N, 15), density=0.2, rng=np.random.default_rng(1), format="csr")
    lean = ElasticNetGLMCV("poisson", n_alphas=6, cv=FOLDS).fit(S, COUNTS)
    with parallel_config("threading"):
        full = ElasticNetGLMCV("poisson", n_alphas=6, cv=FOLDS, n_jobs=2).fit(S.toarray(), COUNTS)
    np.testing.assert_allclose(lean.coef_, full.coef_, atol=1e-8)
    np.testing.assert_allclose(lean.predict(S), full.predict(S.toarray()))
    again = pickle.loads(pickle.dumps(full))
    np.testing.assert_array_equal(again.predict(S.toarray()), full.predict(S.toarray()))


def test_folds_have_one_thread_of_blas_wherever_they_are(monkeypatch):
    """Else the last bits of their deviances would depend on n_jobs and on the backend."""
    held_out, seen = _elastic_net.held_out_fold, []

    def counting(*given):
        seen.append(n_blas_threads())
        return held_out(*given)

    monkeypatch.setattr(_elastic_net, "held_out_fold", counting)
    with threadpool_limits(2, "blas"):
        assert n_blas_threads() == 2
        for jobs in (None, 2):
            with parallel_config("threading"):
                ElasticNetGLMCV("poisson", n_alphas=2, cv=2, n_jobs=jobs).fit(X, COUNTS)
        assert n_blas_threads() == 2
    assert seen == [1, 1, 1, 1]


def test_a_mean_that_cannot_be_is_never_chosen():
    """The identity link may give held-out rows a negative mean: their deviance is infinite."""
    steep = np.r_[np.linspace(0, 1, 60), 6.0][:, None]
    y = np.r_[20 - 15 * np.linspace(0, 1, 60), 4.0]
    folds = [(np.arange(60), np.array([60])), (np.arange(1, 61), np.array([0]))]
    model = ElasticNetGLMCV("poisson", link="identity", alphas=[5.0, 1e-3], cv=folds)
    model.fit(steep, y)
    assert np.isinf(model.cv_results_["mean_deviance"][1])
    assert model.alpha_ == 5.0
    with pytest.raises(ValueError, match="impossible mean at every alpha"):
        model.set_params(alphas=[1e-3]).fit(steep, y)


def test_what_is_wrong_is_said():
    model = ElasticNetGLMCV("poisson", n_alphas=4, cv=3).fit(X, COUNTS)
    with pytest.raises(ValueError, match="must be one of those that were tried"):
        model.path(0.3)
    with pytest.raises(ValueError, match="l1_ratio must be a number"):
        ElasticNetGLMCV(l1_ratio=[0.5, 2.0]).fit(X, COUNTS)
    assert model.score(X[:5], np.zeros(5)) == 0.0, "no deviance to explain, none explained"
    with pytest.raises(ValueError, match="inconsistent"):
        model.score(X, COUNTS[:-1])
    weight = (np.arange(N) < 80).astype(float)
    with pytest.raises(ValueError, match="rows of positive weight"):
        ElasticNetGLMCV(cv=3).fit(X, COUNTS, sample_weight=weight)
    with pytest.raises(ValueError, match=r"rows of fold 0 nothing.*mean of y is 0.0.*Or shuffle"):
        ElasticNetGLMCV("poisson").fit(X, np.arange(N) < 40)
    with pytest.raises(ValueError, match="1 class"):
        ElasticNetGLMClassifierCV().fit(X, np.ones(N))
    with pytest.raises(ValueError, match="link must give every linear predictor"):
        ElasticNetGLMClassifierCV(link="identity").fit(X, COUNTS > 0)
    with pytest.warns(ConvergenceWarning, match="of 16 alphas"):
        ElasticNetGLMCV("poisson", n_alphas=4, cv=3, max_iter=1).fit(X, COUNTS)


# ----------------------------------------------------------------------- plots


def test_displays():
    plt = pytest.importorskip("matplotlib.pyplot")
    from glmnet_nn.elastic_net import ElasticNetCVDisplay, ElasticNetPathDisplay

    model = ElasticNetGLMCV("poisson", n_alphas=8, cv=FOLDS).fit(X, COUNTS)
    display = ElasticNetPathDisplay.from_estimator(model)
    alive = model.path().coefs.any(axis=1)
    assert len(display.lines_[0]) == alive.sum()
    first = model.path().coefs[np.flatnonzero(alive)[0]]
    np.testing.assert_array_equal(display.lines_[0][0].get_ydata(), first)
    assert display.ax_.get_xscale() == "log"
    assert [text.get_text() for text in display.ax_.texts] == ["chosen"]
    assert display.ax_.texts[0].xy[0] == model.alpha_
    assert display.figure_ is display.ax_.figure
    curve = ElasticNetCVDisplay.from_estimator(model)
    heights = np.asarray(curve.errorbar_[0].get_ydata(), dtype=float)
    np.testing.assert_allclose(heights, model.cv_results_["mean_deviance"])
    _, axes = plt.subplots(3)
    species = ElasticNetGLMClassifierCV(n_alphas=4, cv=3).fit(IRIS, SPECIES)
    panels = species.path().plot(against="l1_norm", ax=axes)
    assert panels.ax_ is axes
    with pytest.raises(ValueError, match="one Axes for each"):
        species.path().plot(ax=axes[0])
    with pytest.raises(ValueError, match="against must be"):
        species.path().plot(against="time")
    plt.close("all")


def test_without_matplotlib_plots_say_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    path = elastic_net_path(X, COUNTS, family="poisson", n_alphas=3)
    with pytest.raises(ImportError, match=r"pip install \"glmnet_nn\[plot\]\""):
        path.plot()

"""
Do three packages agree on a GLM?
=================================

statsmodels, glum and this package fit the same models to the same data. Maximum likelihood has
one answer, and an elastic net has one too. Each package is asked for a strict rule to stop, and
differences are measured in standard errors.
"""

# %%
# Doctor visits; the laws that all three have, with the log link.

import matplotlib.pyplot as plt
import numpy as np
import statsmodels.api as sm
from glum import GeneralizedLinearRegressor

from glmnet_nn import DeepGLMRegressor, NegativeBinomial, Tweedie

data = sm.datasets.randhie.load_pandas()
X, y = data.exog[::4], data.endog[::4]
positive = y + 1.0  # for laws without zeros
families = sm.families
log = families.links.Log()
models = {
    "Poisson": ("poisson", families.Poisson(), "poisson", y),
    "negative binomial": (
        NegativeBinomial("log", alpha=0.7),
        families.NegativeBinomial(alpha=0.7),
        "negative.binomial (0.7)",
        y,
    ),
    "Tweedie": (
        Tweedie("log", power=1.5),
        families.Tweedie(var_power=1.5),
        "tweedie (1.5)",
        y,
    ),
    "Gamma": ("gamma", families.Gamma(log), "gamma", positive),
    "inverse Gaussian": (
        "inverse_gaussian",
        families.InverseGaussian(log),
        "inverse.gaussian",
        positive,
    ),
    "Normal": ("normal", families.Gaussian(), "normal", y),
}

# %%
# The largest difference of a coefficient, in standard errors.

gaps = {"statsmodels": [], "glum": []}
for name, (here, there, glums, response) in models.items():
    link = "auto" if name == "Normal" else "log"
    ours = DeepGLMRegressor(here, link=link, hidden_layer_sizes=()).fit(X, response)
    se = ours.inference(X, response).bse.to_numpy()[1:]
    theirs = sm.GLM(response, sm.add_constant(X), family=there).fit(tol=1e-12)
    glum = GeneralizedLinearRegressor(family=glums, gradient_tol=1e-10).fit(X, response)
    gaps["statsmodels"].append(np.abs((ours.coef_ - theirs.params.to_numpy()[1:]) / se).max())
    gaps["glum"].append(np.abs((ours.coef_ - glum.coef_) / se).max())

# %%
# The elastic net of glum is on the same scale of ``alpha``, and so are standard errors that do not
# trust the law:

ours = DeepGLMRegressor("poisson", hidden_layer_sizes=(), alpha=0.1, l1_ratio=0.5, tol=1e-9).fit(
    X, y
)
glum = GeneralizedLinearRegressor(family="poisson", alpha=0.1, l1_ratio=0.5, gradient_tol=1e-9)
glum.fit(X, y)
print(
    "elastic net:",
    np.abs(ours.coef_ - glum.coef_).max(),
    "apart;",
    (ours.coef_ == 0).sum(),
    "zeros",
)

ours = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
glum = GeneralizedLinearRegressor(family="poisson", gradient_tol=1e-10).fit(X, y)
robust = ours.inference(X, y, cov_type="HC1").bse.to_numpy()
print("robust standard errors:", np.abs(robust / glum.std_errors(X, y) - 1).max(), "of them apart")

# %%
# A thousandth of a standard error would be invisible in any table. These are far below.

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
rows = np.arange(len(models))
for name, marker, height in (("statsmodels", "o", -0.12), ("glum", "s", 0.12)):
    ax.plot(np.maximum(gaps[name], 1e-14), rows + height, marker, label=name)
ax.axvline(1e-3, color="grey", ls="--")
ax.text(1.2e-3, 0, "visible", color="grey", va="center")
ax.set(
    xscale="log", xlim=(1e-14, 1e-1), xlabel="largest difference to this package, standard errors"
)
ax.set_yticks(rows, models)
ax.invert_yaxis()
ax.legend(loc="lower right")
plt.show()

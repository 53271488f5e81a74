"""
Which law do doctor visits follow?
==================================

A model of the mean can fit and the law be wrong. Quantile residuals (Dunn and Smyth 1996) see it:
if the law is right they are standard normal, for counts too, where all other residuals lie in
bands.
"""

# %%
# Three laws for the same counts, the same columns, one of them around a network.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm
from statsmodels.datasets import randhie

from glmnet_nn import DeepGLMRegressor, NegativeBinomial

data = randhie.load_pandas()
X, y = data.exog, data.endog
laws = {
    "Poisson": DeepGLMRegressor("poisson", hidden_layer_sizes=()),
    "Poisson, network": DeepGLMRegressor("poisson", random_state=0),
    "negative binomial": DeepGLMRegressor(
        NegativeBinomial("log", alpha="estimate"), hidden_layer_sizes=()
    ),
}
residuals = {
    name: np.sort(model.fit(X, y).residuals(X, y, kind="quantile", random_state=0))
    for name, model in laws.items()
}

# %%
# How many lie beyond the limits that a normal variable leaves once in a hundred times?

for name, r in residuals.items():
    print(f"{name:18} {np.mean(np.abs(r) > norm.ppf(0.995)):.1%}")

# %%
# The answer: hidden layers do not mend a law, for the variance is not in the mean. The negative
# binomial law is near the line.

figure, ax = plt.subplots(figsize=(6, 6), layout="constrained")
quantiles = norm.ppf((np.arange(len(y)) + 0.5) / len(y))
for (name, r), style in zip(residuals.items(), ("-", "--", "-"), strict=True):
    ax.plot(quantiles, np.clip(r, -8, 8), style, lw=2, label=name)
ax.plot([-4, 4], [-4, 4], color="black", lw=0.8)
ax.set(xlabel="normal quantile", ylabel="quantile residual", ylim=(-6, 8))
ax.legend()
plt.show()

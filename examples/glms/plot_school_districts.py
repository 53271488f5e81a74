"""
Which districts have more pupils above the median than their poverty says?
==========================================================================

In 1998 the pupils of 303 Californian school districts were tested in mathematics. For each
district there are two counts: pupils above and below the national median. A binomial GLM takes
both, as ``cbind(above, below)`` in R.
"""

# %%
# Two columns of y are successes and failures.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from statsmodels.datasets import star98

from glmnet_nn import DeepGLMRegressor

data = star98.load_pandas()
columns = {"LOWINC": "low income", "PERMINTE": "minority teachers", "PTRATIO": "pupils a teacher"}
X, y = data.exog[list(columns)].rename(columns=columns), data.endog
glm = DeepGLMRegressor("binomial", hidden_layer_sizes=()).fit(X, y)

# %%
# Districts differ by more than chance and these columns: the dispersion is far above 1, so the
# standard errors are multiplied by its root (quasi-binomial).

results = glm.inference(X, y, dispersion="pearson")
print(results.summary())

# %%
# Standardised residuals, on the scale of that dispersion, tell which districts stand out. The
# curve is the share expected as the share of poor pupils varies, with the rest at its mean, and a
# 95 % interval of that mean.

pupils = y.sum(axis=1).to_numpy()
share = y.iloc[:, 0].to_numpy() / pupils
residual = glm.residuals(X, y, kind="deviance") / np.sqrt(results.scale)

grid = pd.DataFrame(np.tile(X.mean(), (60, 1)), columns=X.columns)
grid["low income"] = np.linspace(0, 95, 60)
low, high = glm.predict_interval(grid, kind="mean", inference=results).T

figure, ax = plt.subplots(figsize=(9, 5), layout="constrained")
points = ax.scatter(
    X["low income"],
    share,
    s=np.sqrt(pupils),
    c=residual,
    cmap="RdBu",
    vmin=-3,
    vmax=3,
    edgecolor="grey",
    linewidth=0.4,
)
ax.plot(grid["low income"], glm.predict(grid), color="black")
ax.fill_between(grid["low income"], low, high, color="black", alpha=0.2)
ax.set(xlabel="pupils of low income, %", ylabel="share above the national median", ylim=(0, 1))
figure.colorbar(points, label="deviance residual, in standard deviations")
plt.show()

# %%
# The answer, in numbers:

for district in np.argsort(-residual)[:3]:
    expected = glm.predict(X.iloc[[district]])[0]
    poor = X["low income"].iloc[district]
    print(
        f"district {district:3d}: {share[district]:.0%} above the median, "
        f"{expected:.0%} expected, {poor:.0f} % poor"
    )

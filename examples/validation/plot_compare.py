"""
Is the network better than the GLM, or lucky?
=============================================

Four ways to predict visits to a doctor, by the same folds and the same deviance. The difference
of two models has a standard error of its own, much smaller than those of the two deviances: the
hard rows are hard for all.
"""

# %%
# Two thousand person-years. A formula of statsmodels and any estimator of scikit-learn may stand
# in the list.

import matplotlib.pyplot as plt
import numpy as np
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold

from glmnet_nn import DeepGLMRegressor, compare, nonlinearity_test

data = sm.datasets.randhie.load_pandas().data.iloc[::10].reset_index(drop=True)
X, y = data.drop(columns="mdvis"), data["mdvis"]
glm = DeepGLMRegressor("poisson", hidden_layer_sizes=())
models = {
    "GLM": glm,
    "network": DeepGLMRegressor("poisson", random_state=0),
    "GLM of three columns": smf.glm(
        "mdvis ~ lncoins + physlm + np.log(disea + 1)", data, family=sm.families.Poisson()
    ),
    "boosted trees": HistGradientBoostingRegressor(loss="poisson", max_iter=60, random_state=0),
}
found = compare(models, X, y, cv=KFold(5, shuffle=True, random_state=0))
print(found.table[["deviance", "se", "d2", "slope", "balance", "fit_time"]].round(3).to_string())

# %%
# Is there anything for hidden layers to find? A score test asks without fitting a network; robust,
# since these counts are overdispersed.

print(nonlinearity_test(glm.fit(X, y), X, y, robust=True, random_state=0))

# %%
# The answer: the deviance of each model less that of the GLM, with intervals of 95 %.

others = [name for name in models if name != "GLM"]
tests = [found.difference(name, "GLM") for name in others]
figure, ax = plt.subplots(figsize=(8.5, 3.5), layout="constrained")
rows = np.arange(len(others))
middle = np.array([test.difference for test in tests])
ax.errorbar(middle, rows, xerr=[1.96 * test.se for test in tests], fmt="o")
ax.axvline(0, color="black", lw=0.8)
ax.set_yticks(rows, others)
ax.set(
    xlabel="held-out deviance less that of the GLM (left is better)", ylim=(-0.6, len(others) - 0.4)
)
plt.show()

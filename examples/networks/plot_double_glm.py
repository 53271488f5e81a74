"""
Do rich households vary more?
=============================

Engel's 235 Belgian households (1857): spending on food against income. A GLM has one dispersion;
a double GLM has a second model, for log phi, so that intervals widen where the data do.
"""

# %%
# A Normal law with a straight line for the mean. The dispersion, the variance here, is a power of
# income: its exponent is the coefficient in the second table. At 2, the standard deviation would
# be proportional to income.

import matplotlib.pyplot as plt
import numpy as np
from statsmodels.datasets import engel

from glmnet_nn import DeepGLMRegressor, DoubleGLMRegressor

data = engel.load_pandas().data
X, y = data[["income"]].assign(log_income=np.log(data["income"])), data["foodexp"]
double = DoubleGLMRegressor(
    DeepGLMRegressor("normal", hidden_layer_sizes=(), store_covariance=True),
    mean_features=["income"],
    dispersion_features=["log_income"],
).fit(X, y)
single = DeepGLMRegressor("normal", hidden_layer_sizes=(), store_covariance=True)
single.fit(X[["income"]], y)
print(double.inference(X, y).summary())

# %%
# Of 90 % intervals one household in ten should lie outside, among the poor as among the rich.

intervals = {
    "GLM": single.predict_interval(X[["income"]], coverage=0.9),
    "double GLM": double.predict_interval(X, coverage=0.9),
}
thirds = np.array_split(np.argsort(data["income"].to_numpy()), 3)
for name, (low, high) in ((name, ends.T) for name, ends in intervals.items()):
    out = ((y < low) | (y > high)).to_numpy()
    print(
        f"{name:11} outside, from poor to rich:", [f"{out[third].mean():.0%}" for third in thirds]
    )

# %%
# The answer: they do, nearly in proportion. (The three richest households follow no law here.)

figure, ax = plt.subplots(figsize=(8.5, 5), layout="constrained")
order = np.argsort(data["income"].to_numpy())
ax.plot(data["income"], y, ".", color="grey", ms=5)
for name, ends in intervals.items():
    for k, end in enumerate(ends[order].T):
        color = {"GLM": "tab:orange", "double GLM": "tab:blue"}[name]
        label = f"{name}: 90 % interval" if k == 0 else None
        ax.plot(data["income"].to_numpy()[order], end, color=color, label=label)
ax.set(
    xlabel="income (francs)", ylabel="spending on food (francs)", xlim=(300, 3000), ylim=(0, 2000)
)
ax.legend(loc="upper left")
plt.show()

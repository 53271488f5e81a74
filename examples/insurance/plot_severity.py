r"""
What will the claims of this portfolio cost?
============================================

The amount of a claim has a Gamma law here, and of a policy with several claims only the sum is
known. The mean of :math:`n` claims has the dispersion :math:`\phi / n`: the number of claims is the
weight.
"""

# %%
# Claims of 50,000 policies, of which the truth is known: a shape of 2, that is :math:`\phi = 1/2`.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from insurance_datasets import MOTOR_TRUE_SEV_PARAMS, load_motor

from glmnet_nn import DeepGLMRegressor

data = load_motor(n_policies=50_000, seed=42)
claimed = data[data["claim_count"] > 0]
X = pd.DataFrame(
    {
        "vehicle_group": claimed["vehicle_group"],
        "driver_age_young": (claimed["driver_age"] < 25).astype(float),
    }
)
n, mean = claimed["claim_count"], claimed["incurred"] / claimed["claim_count"]
glm = DeepGLMRegressor("gamma", link="log", hidden_layer_sizes=())
glm.fit(X, mean, sample_weight=n)
results = glm.inference(X, mean, sample_weight=n, weight_type="var")
truth = pd.Series(MOTOR_TRUE_SEV_PARAMS).rename({"intercept": "Intercept"})
print(results.summary_frame().assign(truth=truth).round(4).to_string())
print(f"phi = {results.scale:.3f}, in truth 0.5")

# %%
# The total of the same policies and claims, if they happened again. Each sample draws the
# parameters once for all rows, so that what is not known of them moves the total as a whole; its
# spread is larger than that of independent claims.

single = X.loc[X.index.repeat(n)]  # a row for each claim
law = glm.predict_distribution(single, inference=results)
totals = glm.sample_y(single, n_samples=2000, inference=results, random_state=0).sum(axis=0)
independent = np.sqrt(law.var().sum())
print(f"expected {law.mean().sum():.4g}, observed {claimed['incurred'].sum():.4g}")
print(f"standard deviation {totals.std():.3g}; of independent claims it would be {independent:.3g}")

# %%
# The answer, as a law.

figure, ax = plt.subplots(figsize=(8.5, 4.5), layout="constrained")
ax.hist(totals / 1e6, bins=40, density=True, color="tab:blue", alpha=0.5, label="samples")
grid = np.linspace(totals.min(), totals.max(), 200) / 1e6
sd = independent / 1e6
center = law.mean().sum() / 1e6
ax.plot(
    grid,
    np.exp(-(((grid - center) / sd) ** 2) / 2) / sd / np.sqrt(2 * np.pi),
    "k--",
    label="parameters taken as known",
)
ax.axvline(claimed["incurred"].sum() / 1e6, color="tab:red", label="observed")
ax.set(xlabel="total of the claims, millions", yticks=[])
ax.legend()
plt.show()

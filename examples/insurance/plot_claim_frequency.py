"""
Does a GLM find the true relativities?
======================================

The package ``insurance-datasets`` makes a motor portfolio from known parameters, so that
estimates can be held against the truth: 50,000 policies, for part of a year some of them, and
5,000 claims.
"""

# %%
# The columns of the true model. What a year would have brought is multiplied by the time exposed:
# ``exposure``.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from insurance_datasets import MOTOR_TRUE_FREQ_PARAMS, load_motor

from glmnet_nn import DeepGLMRegressor

data = load_motor(n_policies=50_000, seed=42)
age = data["driver_age"]
X = pd.DataFrame(
    {
        "vehicle_group": data["vehicle_group"],
        "driver_age_young": np.clip((30 - age) / 5, 0, 1),  # 1 below 25, 0 from 30 on
        "driver_age_old": (age >= 70).astype(float),
        "ncd_years": data["ncd_years"],
        "has_convictions": (data["conviction_points"] > 0).astype(float),
        **{f"area_{band}": (data["area"] == band).astype(float) for band in "BCDEF"},
    }
)
glm = DeepGLMRegressor("poisson", hidden_layer_sizes=())
glm.fit(X, data["claim_count"], exposure=data["exposure"])
results = glm.inference(X, data["claim_count"], exposure=data["exposure"])
truth = pd.Series(MOTOR_TRUE_FREQ_PARAMS).rename({"intercept": "Intercept"})
table = results.summary_frame().assign(truth=truth[results.params.index])
print(table.round(3).to_string())

# %%
# The truth should lie in 95 of 100 intervals of 95 %. As a joint question (the Wald test that all
# twelve are true):

names = list(results.params.index)
print(results.wald_test((np.eye(len(names)), truth[names].to_numpy())))

# %%
# The relativities: estimates with intervals, and the truth as crosses.

figure, ax = plt.subplots(figsize=(8.5, 5.5), layout="constrained")
names = names[1:]
rows = np.arange(len(names))
low, high = np.exp(results.conf_int().to_numpy()[1:]).T
middle = np.exp(results.params.to_numpy()[1:])
ax.errorbar(middle, rows, xerr=[middle - low, high - middle], fmt="o", label="estimate, 95 %")
ax.plot(np.exp(truth[names]), rows, "x", color="tab:red", ms=9, mew=2, label="truth")
ax.axvline(1, color="black", lw=0.8)
ax.set_yticks(rows, names)
ax.invert_yaxis()
ax.set_xlabel("relativity: factor of the claim frequency")
ax.legend()
plt.show()

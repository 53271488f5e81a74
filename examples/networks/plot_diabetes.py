"""
How wide must an interval for diabetes progression be?
======================================================

A doctor wants to know how far the disease will go, and how sure that is. Two answers are often
confused: the interval of the mean of patients like this one, and the interval in which *this*
patient will lie.
"""

# %%
# A small network with a Normal output, fitted so that standard errors can be taken from it: many
# starts, a small ridge, an optimum that is one (``fit_for_inference``). Three quarters of the
# patients are fitted.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from glmnet_nn import DeepGLMRegressor

data = load_diabetes(as_frame=True, scaled=False)
X = data.data[["bmi", "bp", "s5"]].rename(
    columns={"bp": "blood pressure", "s5": "log triglycerides"}
)
X_fit, X_new, y_fit, y_new = train_test_split(X, data.target, random_state=1)

net = DeepGLMRegressor("normal", hidden_layer_sizes=(1,), random_state=0)
net.fit_for_inference(X_fit, y_fit)
results = net.inference(X_fit, y_fit)
print(results.average_partial_effects().summary_frame().round(2).to_string())

# %%
# Of 90 % intervals nine in ten new patients should lie inside.

low, high = net.predict_interval(X_new, coverage=0.9, inference=results).T
inside = (low < y_new) & (y_new < high)
print(f"{inside.mean():.0%} of {len(y_new)} new patients lie in their 90 % interval")

# %%
# Both intervals as body mass grows, with the other columns at their mean: the mean is known to
# about ten points, a patient to ninety.

grid = pd.DataFrame(np.tile(X.mean(), (80, 1)), columns=X.columns)
grid["bmi"] = np.linspace(18, 40, 80)
observation = net.predict_interval(grid, coverage=0.9, inference=results)
mean = net.predict_interval(grid, coverage=0.9, kind="mean", inference=results)

figure, ax = plt.subplots(figsize=(9, 5), layout="constrained")
ax.scatter(X_new["bmi"], y_new, c=np.where(inside, "tab:grey", "tab:red"), s=14)
ax.fill_between(grid["bmi"], *observation.T, alpha=0.15, label="90 % of patients")
ax.fill_between(grid["bmi"], *mean.T, alpha=0.5, label="90 % interval of the mean")
ax.plot(grid["bmi"], net.predict(grid), color="black", lw=1)
ax.set(xlabel="body mass index", ylabel="progression after a year")
ax.legend(loc="upper left")
plt.show()

"""
Which of two tariffs should be used?
====================================

A GLM and a network price the same motor policies. Six pictures that an actuary draws before one
of them goes to work, of policies that neither has seen. Each comes with its table in
:mod:`glmnet_nn.validation`.
"""

# %%
# The network (an ensemble of three) is given the age of the driver as it is; so is the GLM, as a
# straight line.

import matplotlib.pyplot as plt
import numpy as np
from insurance_datasets import load_motor

from glmnet_nn import DeepGLMRegressor
from glmnet_nn.validation import (
    ActualExpectedDisplay,
    AutocalibrationDisplay,
    DoubleLiftDisplay,
    LiftDisplay,
    LorenzDisplay,
    MurphyDisplay,
    gini_table,
    murphy_decomposition,
)

data = load_motor(n_policies=60_000, seed=3)
X = data[["driver_age", "vehicle_group", "ncd_years"]].assign(
    convictions=(data["conviction_points"] > 0).astype(float),
    city=data["area"].isin(["E", "F"]).astype(float),
)
claims, years = data["claim_count"], data["exposure"]
fit = np.arange(len(X)) % 10 < 7
glm = DeepGLMRegressor("poisson", hidden_layer_sizes=())
net = DeepGLMRegressor("poisson", n_estimators=3, random_state=0)
for model in (glm, net):
    model.fit(X[fit], claims[fit], exposure=years[fit])

# %%
# Rates of the policies that were not fitted, weighted by the time exposed. The score is the
# deviance: miscalibration less discrimination plus uncertainty.

new = ~fit
y, weight = claims[new] / years[new], years[new].to_numpy()
mu = {"network": net.predict(X[new]), "GLM": glm.predict(X[new])}
print(murphy_decomposition(y, mu, "poisson", sample_weight=weight).round(5).to_string())
table = gini_table(y, mu, sample_weight=weight, reference="GLM")
print(table[["gini", "se", "difference", "difference_se"]].round(4).to_string())

# %%
# The pictures. Calibration and lift of the network; then both models where they disagree (double
# lift), by age, in their parts of the score, and by how far they tell risks apart.

figure, axes = plt.subplots(3, 2, figsize=(12, 14), layout="constrained")
options = {"sample_weight": weight}
AutocalibrationDisplay.from_predictions(y, mu["network"], **options, ax=axes[0, 0])
LiftDisplay.from_predictions(y, mu["network"], **options, ax=axes[0, 1])
DoubleLiftDisplay.from_predictions(y, mu, **options, ax=axes[1, 0])
ActualExpectedDisplay.from_predictions(y, mu, X[new]["driver_age"], **options, ax=axes[1, 1])
MurphyDisplay.from_predictions(y, mu, "poisson", **options, ax=axes[2, 0])
LorenzDisplay.from_predictions(y, mu["network"], base=mu["GLM"], **options, ax=axes[2, 1])
plt.show()

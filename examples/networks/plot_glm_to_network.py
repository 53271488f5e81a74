"""
How much network do motor claims call for?
==========================================

A skip connection puts the GLM inside the network: eta = x beta + network(x). Under a strong
penalty nothing of the network is left, and the model *is* the GLM. As the penalty falls, the
network takes over what the GLM cannot say. Cross-validation tells where to stop.
"""

# %%
# A portfolio of which the truth is known (package ``insurance-datasets``): young and old drivers
# have more claims, which a straight line cannot say. The strengths are multiples of the default
# penalty, from one that leaves the GLM alone.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from insurance_datasets import load_motor
from sklearn.model_selection import KFold

from glmnet_nn import DeepGLMRegressor, glm_to_net_path

data = load_motor(n_policies=30_000, seed=1)
X = data[["driver_age", "ncd_years", "vehicle_group"]].assign(
    convictions=(data["conviction_points"] > 0).astype(float)
)
y, years = data["claim_count"], data["exposure"]
net = DeepGLMRegressor("poisson", hidden_layer_sizes=(4,), skip_connection=True, random_state=0)
folds = KFold(3, shuffle=True, random_state=0)
path = glm_to_net_path(net, X, y, exposure=years, n_strengths=4, cv=folds, rule="min")
print(path.table[["train_deviance", "validation_deviance", "se", "df", "is_glm"]].round(4))

# %%
# The training deviance always says: more. The validation deviance falls and turns. Its standard
# error is that of claims, most of which no model foresees; the rule of one standard error,
# ``rule="1se"``, would keep the GLM.

print(f"chosen: strength {path.strength:.3g}")
figure, ax = plt.subplots(figsize=(8.5, 5), layout="constrained")
path.plot(ax=ax)
plt.show()

# sphinx_gallery_thumbnail_number = 2

# %%
# What did the network add? The claims of an average policy by the age of the driver. (In truth
# they fall by 42 % from 25 to 30, and rise by 35 % at 70.)

glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y, exposure=years)
age = np.linspace(17, 80, 64)
policy = pd.DataFrame(np.tile(X.mean(), (len(age), 1)), columns=X.columns)
policy["driver_age"] = age
figure, ax = plt.subplots(figsize=(8.5, 5), layout="constrained")
ax.plot(age, glm.predict(policy), label="GLM")
ax.plot(age, path.best_estimator.predict(policy), label="chosen network")
ax.set(xlabel="age of the driver", ylabel="claims a year")
ax.legend()
plt.show()

"""
How many networks should be averaged?
=====================================

Networks that differ in nothing but the random start predict different means for the same person.
An ensemble averages on the mean, so that totals stay, and its deviance falls with the number of
members: soon to where more do not help.
"""

# %%
# Twelve networks, from half of the doctor visits.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split
from statsmodels.datasets import randhie

from glmnet_nn import DeepGLMRegressor

data = randhie.load_pandas()
X, X_new, y, y_new = train_test_split(data.exog, data.endog, test_size=0.5, random_state=0)
model = DeepGLMRegressor("poisson", n_estimators=12, random_state=0).fit(X, y)
glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
print(f"total of the rows fitted: {y.sum():.0f}, fitted {model.predict(X).sum():.3f}")

# %%
# The deviance of new rows for every size, averaged over draws of members.

rng = np.random.default_rng(0)
means = np.array([member.predict(X_new) for member in model.estimators_])
sizes = np.arange(1, len(means) + 1)


def deviance(mu):
    return model.family_.unit_deviance(y_new.to_numpy(), mu).mean()


curve = [
    np.mean([deviance(means[rng.choice(len(means), size, False)].mean(axis=0)) for _ in range(40)])
    for size in sizes
]

# %%
# How far apart are single networks, person by person? The coefficient of variation says it.

variation = model.coefficient_of_variation(X_new)
print("half of the people vary by less than", f"{np.median(variation):.1%},")
print("one in a hundred by more than", f"{np.quantile(variation, 0.99):.1%}")

# %%
# The answer: five do nearly what twelve do. One network is an unlucky or a lucky draw (points).

figure, ax = plt.subplots(figsize=(8.5, 5), layout="constrained")
ax.plot(np.ones(len(means)), [deviance(mu) for mu in means], "o", alpha=0.4, label="one network")
ax.plot(sizes, curve, "-s", label="average of members")
ax.axhline(deviance(glm.predict(X_new)), color="black", ls="--", label="GLM")
ax.set(xlabel="members", ylabel="deviance of new rows", xticks=sizes)
ax.legend()
plt.show()

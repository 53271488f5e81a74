"""
Can a network find what nobody told it?
=======================================

In the portfolio of ``insurance-datasets`` young drivers have many more claims, old ones some
more, and a raw column of ages does not tell. A GLM needs to be told the shape. A network is given
the column as it is.
"""

# %%
# Seven tenths of 60,000 policies are fitted. The same columns for both; only the hidden layers
# differ.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from insurance_datasets import MOTOR_TRUE_FREQ_PARAMS as TRUE
from insurance_datasets import load_motor

from glmnet_nn import DeepGLMRegressor

data = load_motor(n_policies=60_000, seed=3)
areas = pd.get_dummies(data["area"], prefix="area", drop_first=True, dtype=float)
X = data[["driver_age", "vehicle_group", "ncd_years"]].join(areas)
X["convictions"] = (data["conviction_points"] > 0).astype(float)
fit = np.arange(len(X)) % 10 < 7

glm = DeepGLMRegressor("poisson", hidden_layer_sizes=())
net = DeepGLMRegressor("poisson", n_estimators=3, random_state=0)
for model in (glm, net):
    model.fit(X[fit], data["claim_count"][fit], exposure=data["exposure"][fit])

# %%
# The truth, to judge by: the expected claims of every policy.

age = data["driver_age"]
eta = (
    TRUE["intercept"]
    + TRUE["vehicle_group"] * X["vehicle_group"]
    + TRUE["driver_age_young"] * np.clip((30 - age) / 5, 0, 1)
    + TRUE["driver_age_old"] * (age >= 70)
    + TRUE["ncd_years"] * X["ncd_years"]
    + TRUE["has_convictions"] * X["convictions"]
    + sum(TRUE[name] * X[name] for name in areas)
)
rates = {"truth": np.exp(eta), "GLM": glm.predict(X), "network": net.predict(X)}

# %%
# Policies that were not fitted. Of the deviance that the truth takes from a constant rate, how
# much does each model take?

new = data[~fit]
years, claims = new["exposure"].to_numpy(), new["claim_count"].to_numpy()
constant = data["claim_count"][fit].sum() / data["exposure"][fit].sum()


def deviance(rate):
    return net.family_.unit_deviance(claims, rate * years).sum()


gain = {name: deviance(constant) - deviance(rate[~fit]) for name, rate in rates.items()}
for name in gain:
    print(f"{name:8} {gain[name] / gain['truth']:.0%}")

# %%
# Claims a year by the age of the driver, averaged over the new policies of that age. The bars are
# what was observed.

groups = pd.cut(new["driver_age"], [16, *range(20, 86, 3)])
by_age = pd.DataFrame({name: rate[~fit] * years for name, rate in rates.items()}, index=new.index)
by_age = by_age.assign(observed=claims, years=years).groupby(groups, observed=True).sum()
middle = [interval.mid for interval in by_age.index]
figure, ax = plt.subplots(figsize=(9, 5), layout="constrained")
ax.bar(middle, by_age["observed"] / by_age["years"], width=2.6, color="0.88", label="observed")
for name, style in {"truth": "k-", "GLM": "--", "network": "-"}.items():
    ax.plot(middle, by_age[name] / by_age["years"], style, lw=2, label=name)
ax.set(xlabel="age of the driver", ylabel="claims a year")
ax.legend()
plt.show()

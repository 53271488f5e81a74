"""
Frequency times severity, or one Tweedie model?
===============================================

The cost of a policy is 0 for most, and a sum of claims for some. It can be modelled in two parts,
the number of claims and the amount of one, or at once by the Tweedie law, which has a mass at 0.
"""

# %%
# A year of cost is modelled: cost over exposure, with the exposure as weight.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from insurance_datasets import load_motor

from glmnet_nn import DeepGLMRegressor, Tweedie
from glmnet_nn.validation import gini_table

data = load_motor(n_policies=40_000, seed=5)
age = data["driver_age"]
X = pd.DataFrame(
    {
        "young": np.clip((30 - age) / 5, 0, 1),
        "old": (age >= 70).astype(float),
        "vehicle_group": data["vehicle_group"],
        "ncd_years": data["ncd_years"],
        "convictions": (data["conviction_points"] > 0).astype(float),
    }
).join(pd.get_dummies(data["area"], prefix="area", drop_first=True, dtype=float))
fit = np.arange(len(X)) % 2 == 0
years, claims, cost = data["exposure"], data["claim_count"], data["incurred"]

frequency = DeepGLMRegressor("poisson", hidden_layer_sizes=())
frequency.fit(X[fit], claims[fit], exposure=years[fit])
claimed = fit & (claims > 0)
severity = DeepGLMRegressor("gamma", link="log", hidden_layer_sizes=())
severity.fit(X[claimed], (cost / claims)[claimed], sample_weight=claims[claimed])

# %%
# The Tweedie model, of a power between 1 (Poisson) and 2 (Gamma): that of Gamma claims of shape 2
# is :math:`(2 + 2) / (2 + 1)`.

tweedie = DeepGLMRegressor(Tweedie("log", power=4 / 3), hidden_layer_sizes=())
tweedie.fit(X[fit], (cost / years)[fit], sample_weight=years[fit])

# %%
# The other half of the policies: totals, and how far each model tells risks apart (Gini index,
# with its standard error).

new = ~fit
premium = {
    "two parts": frequency.predict(X[new]) * severity.predict(X[new]),
    "Tweedie": tweedie.predict(X[new]),
}
for name, rate in premium.items():
    print(
        f"{name:10} expected over observed cost {(rate * years[new]).sum() / cost[new].sum():.3f}"
    )
table = gini_table(cost[new] / years[new], premium, sample_weight=years[new], reference="two parts")
print(table[["gini", "se", "difference", "difference_se"]].round(4).to_string())

# %%
# The answer: for premiums it makes next to no difference here, some 2 % at most for nearly all
# policies. Two parts tell more: which column makes claims frequent, and which dear.

effects = pd.DataFrame(
    {"frequency": frequency.coef_, "severity": severity.coef_, "Tweedie": tweedie.coef_},
    index=X.columns,
)
print(effects.assign(sum=effects["frequency"] + effects["severity"]).round(3).to_string())
change = 100 * (premium["Tweedie"] / premium["two parts"] - 1)
figure, ax = plt.subplots(figsize=(8.5, 5), layout="constrained")
drawn = ax.hexbin(premium["two parts"], change, xscale="log", gridsize=40, mincnt=1, bins="log")
ax.axhline(0, color="black", lw=0.8)
ax.set(xlabel="premium in two parts", ylabel="Tweedie premium above it, %")
figure.colorbar(drawn, label="policies")
plt.show()

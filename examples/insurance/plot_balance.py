"""
Do the premiums pay for the claims?
===================================

A GLM with its canonical link keeps the total: expected claims add up to those observed. A network
that is trained by mini-batches does not, unless something is done. ``balance`` says what.
"""

# %%
# Short trainings, of ten seeds each, on a motor portfolio; how far off is the total of the
# policies fitted?

import matplotlib.pyplot as plt
import numpy as np
from insurance_datasets import load_motor

from glmnet_nn import DeepGLMRegressor

data = load_motor(n_policies=6_000, seed=0)
X = data[["driver_age", "vehicle_group", "ncd_years", "conviction_points"]]
y, years = data["claim_count"], data["exposure"]
missed = {}
for balance in (None, "shift"):
    ratios = []
    for seed in range(10):
        net = DeepGLMRegressor(
            "poisson", hidden_layer_sizes=(8,), max_iter=4, balance=balance, random_state=seed
        ).fit(X, y, exposure=years)
        ratios.append(net.predict(X, exposure=years).sum() / y.sum() - 1)
    missed[str(balance)] = np.array(ratios)
    mean, worst = np.abs(ratios).mean(), np.abs(ratios).max()
    print(f"{balance!s:6} misses by {mean:.2%} on average, {worst:.2%} at worst")

# %%
# A shift multiplies all premiums by one factor (under the log link), and changes no relativity. It
# is the default under the log and identity links, ``balance="auto"``. ``balance="refit"`` fits the
# output layer anew, as a GLM of the last hidden outputs: then each of these is in balance.

print(DeepGLMRegressor("poisson", max_iter=4, random_state=0).fit(X, y, exposure=years).balance_)

# %%
# The answer: premiums of a network without a shift are wrong by up to some percents, those of the
# default by nothing.

figure, ax = plt.subplots(figsize=(8.5, 3.5), layout="constrained")
for row, ratios in enumerate(missed.values()):
    ax.plot(100 * ratios, np.full(len(ratios), row), "o", alpha=0.5)
ax.axvline(0, color="black", lw=0.8)
ax.set_yticks([0, 1], ["balance=None", 'balance="shift"'])
ax.set(xlabel="expected over observed claims, % off", ylim=(-0.6, 1.6))
plt.show()

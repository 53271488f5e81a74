"""
How sure are we of what keeps people from the doctor?
=====================================================

The RAND health insurance experiment gave families insurance plans at random, and counted how
often each person saw a doctor in a year. A Poisson GLM says what each column does. How certain is
it? That depends on whether one believes that the counts are Poisson counts.
"""

# %%
# A model without hidden layers is the classical GLM. ``inference`` has its standard errors, under
# statsmodels' names.

import matplotlib.pyplot as plt
import numpy as np
from statsmodels.datasets import randhie

from glmnet_nn import DeepGLMRegressor, NegativeBinomial

names = {
    "lncoins": "coinsurance rate (log)",
    "idp": "deductible for each person",
    "lpi": "incentive payment (log)",
    "fmde": "maximum expenditure (log)",
    "physlm": "physical limitation",
    "disea": "chronic diseases",
    "hlthg": "health good",
    "hlthf": "health fair",
    "hlthp": "health poor",
}
data = randhie.load_pandas()
X, y = data.exog.rename(columns=names), data.endog
poisson = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
results = poisson.inference(X, y)
print(results.summary())

# %%
# Pearson's chi-square over its degrees of freedom should be near 1. It is more than 6: counts of
# one person vary far more than Poisson counts, and the standard errors above are too small.

print(f"{results.pearson_chi2 / results.df_resid:.1f}")

# %%
# Three honest answers: a covariance that does not use the variance of the law (robust), a variance
# that is a multiple of it (quasi-Poisson), and another law (negative binomial, whose alpha is
# estimated along).

negative_binomial = DeepGLMRegressor(
    NegativeBinomial("log", alpha="estimate"), hidden_layer_sizes=()
).fit(X, y)
answers = {
    "Poisson": results,
    "quasi-Poisson": poisson.inference(X, y, dispersion="pearson"),
    "robust": poisson.inference(X, y, cov_type="HC1"),
    "negative binomial": negative_binomial.inference(X, y),
}
print(f"alpha = {negative_binomial.family_.alpha:.2f}")

# %%
# Relativities, the factors by which a column multiplies the expected number of visits, with 95 %
# intervals. (Of the columns in logs, for one unit of the log.) Health "fair" is beyond doubt for
# the Poisson law, and for no other.

figure, ax = plt.subplots(figsize=(9, 5.5), layout="constrained")
rows = np.arange(X.shape[1])
for k, (name, answer) in enumerate(answers.items()):
    low, high = np.exp(answer.conf_int().to_numpy()[1:]).T
    middle = np.exp(answer.params.to_numpy()[1:])
    at = rows + 0.18 * (k - 1.5)
    ax.errorbar(middle, at, xerr=[middle - low, high - middle], fmt="o", ms=4, label=name)
ax.axvline(1, color="black", lw=0.8)
ax.set(yticks=rows, yticklabels=X.columns, xlabel="relativity", xscale="log")
ax.set_xticks([0.8, 0.9, 1.0, 1.2, 1.4], ["0.8", "0.9", "1.0", "1.2", "1.4"], minor=False)
ax.minorticks_off()
ax.invert_yaxis()
ax.legend()
plt.show()

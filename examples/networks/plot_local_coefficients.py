"""
Is a year of marriage worth the same early and late?
====================================================

A GLM has one coefficient for a column. A network has one for each row: the slope of its linear
predictor there. In Fair's survey of marriages (1978) the question is whether there was an affair,
and how the odds change with each year married.
"""

# %%
# The GLM's answer: the same factor for every year, with its interval.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from statsmodels.datasets import fair

from glmnet_nn import DeepGLMClassifier, LocalImportanceDisplay

data = fair.load_pandas().data[::2]
X, y = data[["rate_marriage", "age", "yrs_married", "religious"]], data["affairs"] > 0
glm = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y)
everywhere = glm.inference(X, y).local_coef(X[:1]).relativities().loc[(0, "yrs_married")]
print(everywhere.round(3).to_string())

# %%
# The network's answer is a factor for each number of years, here for a woman of 27 in a good
# marriage. Its standard errors hold after ``fit_for_inference``.

net = DeepGLMClassifier(hidden_layer_sizes=(2,), random_state=0).fit_for_inference(X, y)
results = net.inference(X, y)
years = np.linspace(0.5, 23, 40)
rows = pd.DataFrame({"rate_marriage": 4.0, "age": 27.0, "yrs_married": years, "religious": 2.0})
odds = results.local_coef(rows).relativities().xs("yrs_married", level="column")

# sphinx_gallery_thumbnail_number = 2

# %%
# Which columns matter, in which direction, and how much that differs from woman to woman?

LocalImportanceDisplay.from_estimator(net, X)
plt.show()

# %%
# The answer: the first years nearly double the odds, the last hardly change them. The GLM's factor
# is that of the eighth year.

figure, ax = plt.subplots(figsize=(8.5, 5), layout="constrained")
low, high = odds.columns[-2:]
ax.fill_between(years, odds[low], odds[high], alpha=0.25)
ax.plot(years, odds["odds ratio"], label="network, 95 % interval")
ax.axhline(everywhere["odds ratio"], color="tab:orange", label="GLM")
ax.axhspan(*everywhere.iloc[-2:], color="tab:orange", alpha=0.25)
ax.axhline(1, color="black", lw=0.8)
ax.set(xlabel="years married", ylabel="odds ratio of one year more", yscale="log")
ax.set_yticks([1, 1.2, 1.5, 2, 3], ["1", "1.2", "1.5", "2", "3"])
ax.minorticks_off()
ax.legend()
plt.show()

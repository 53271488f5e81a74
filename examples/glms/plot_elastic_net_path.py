"""
How many of 64 columns does a model of diabetes need?
=====================================================

Ten measurements of 442 patients, their squares and products make 64 columns for the progression
of diabetes within a year. The lasso fits the GLM at a whole sequence of penalties; cross-
validation says where on the path to stop.
"""

# %%
# ``rule="min"`` takes the least held-out deviance, ``rule="1se"`` the strongest penalty within one
# standard error of it.

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold
from sklearn.preprocessing import PolynomialFeatures

from glmnet_nn import ElasticNetGLMCV
from glmnet_nn.elastic_net import ElasticNetCVDisplay, ElasticNetPathDisplay

data = load_diabetes(as_frame=True, scaled=False)
products = PolynomialFeatures(2, include_bias=False).set_output(transform="pandas")
X, y = products.fit_transform(data.data).drop(columns="sex^2"), data.target
X = (X - X.mean()) / X.std()  # coefficients that can be compared
model = ElasticNetGLMCV(
    "gamma",
    link="log",
    l1_ratio=1.0,
    cv=KFold(10, shuffle=True, random_state=0),
    rule="1se",
).fit(X, y)
for alpha in (model.alpha_min_, model.alpha_1se_):
    row = model.cv_results_.set_index("alpha").loc[alpha]
    print(f"alpha {alpha:.4f}: {row['df']:.0f} columns, deviance {row['mean_deviance']:.4f}")

# %%
# The columns that are left, with the Gamma law and the log link: a standard deviation more of a
# column multiplies the progression by exp of its coefficient.

for name, effect in zip(model.feature_names_in_, model.coef_, strict=True):
    if effect:
        print(f"{name:12}{effect:10.5f}")

# %%
# The path on the left, what held-out patients say on the right.

figure, axes = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
ElasticNetPathDisplay.from_estimator(model, ax=axes[0])
ElasticNetCVDisplay.from_estimator(model, ax=axes[1])
plt.show()

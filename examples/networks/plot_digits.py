"""
Does a network know when it cannot read a digit?
================================================

Ten classes and a softmax output: the Multinoulli law. A classifier should be right, and its
probabilities should be: of the digits that it is 70 % sure of, 70 % should be what it says.
"""

# %%
# 1,797 images of 8 by 8 pixels; a third is held out. The classifier takes labels and chooses the
# law by their number.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from glmnet_nn import DeepGLMClassifier

digits = load_digits()
X, X_new, y, y_new = train_test_split(
    digits.data, digits.target, test_size=1 / 3, random_state=0, stratify=digits.target
)
net = DeepGLMClassifier(hidden_layer_sizes=(32,), random_state=0).fit(X, y)
print(net.family_, f"{net.score(X_new, y_new):.1%} of new digits are read")

# %%
# Is it as sure as it may be? The default penalty is a prior that 1,200 images do not outweigh in a
# network of 2,410 parameters: it is right more often than it says. With a tenth of that penalty it
# nearly says what it is worth.

bold = DeepGLMClassifier(hidden_layer_sizes=(32,), alpha=net.alpha_[0] / 10, random_state=0)
for name, model in {"default penalty": net, "a tenth": bold.fit(X, y)}.items():
    probability = model.predict_proba(X_new)
    sure, right = probability.max(axis=1), model.predict(X_new) == y_new
    print(
        f"{name:16} says {sure.mean():.1%}, is right in {right.mean():.1%}; "
        f"log loss {log_loss(y_new, probability):.3f}"
    )

# %%
# In five groups, by the probability of the class that is chosen:

for group in np.array_split(np.argsort(sure), 5):
    print(f"says {sure[group].mean():.3f}, is right in {right[group].mean():.3f}")

# %%
# The digits it is least sure of, with the two classes that it hesitates between. Most of them are
# hard for anyone.

hardest = np.argsort(sure)[:10]
figure, axes = plt.subplots(2, 5, figsize=(9, 4.6), layout="constrained")
for ax, row in zip(axes.flat, hardest, strict=True):
    first, second = np.argsort(-probability[row])[:2]
    ax.imshow(X_new[row].reshape(8, 8), cmap="gray_r")
    ax.set_title(
        f"{first}: {probability[row, first]:.0%}, {second}: {probability[row, second]:.0%}\n"
        f"is a {y_new[row]}",
        fontsize=9,
        color="black" if right[row] else "tab:red",
    )
    ax.set_axis_off()
plt.show()

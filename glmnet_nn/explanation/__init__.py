"""What a model does with each column: local coefficients in tables and figures."""

from glmnet_nn.explanation.display import (
    InteractionProfileDisplay,
    LocalCoefDisplay,
    LocalImportanceDisplay,
    LocalInteractionsDisplay,
)
from glmnet_nn.explanation.importance import local_importance
from glmnet_nn.explanation.interactions import (
    interaction_profile,
    local_interactions,
    local_profile,
)

__all__ = [
    "InteractionProfileDisplay",
    "LocalCoefDisplay",
    "LocalImportanceDisplay",
    "LocalInteractionsDisplay",
    "interaction_profile",
    "local_importance",
    "local_interactions",
    "local_profile",
]

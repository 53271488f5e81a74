"""From the GLM to the network around it, penalty by penalty."""

from glmnet_nn.nesting.display import NetworkPathDisplay
from glmnet_nn.nesting.path import glm_to_net_path
from glmnet_nn.nesting.results import NetworkPath

__all__ = ["NetworkPath", "NetworkPathDisplay", "glm_to_net_path"]

"""From a table of any library to numbers: one stage at the door, fitted with the model."""

from glmnet_nn.tables.coding import TableCoding
from glmnet_nn.tables.frames import as_frame

__all__ = ["TableCoding", "as_frame"]

"""Files that hold data and no code: values as JSON, arrays beside it, written whole or not."""

from glmnet_nn.storage.archive import read_archive, remove_unfinished, write_archive
from glmnet_nn.storage.values import PlainDecoder, PlainEncoder

__all__ = ["PlainDecoder", "PlainEncoder", "read_archive", "remove_unfinished", "write_archive"]

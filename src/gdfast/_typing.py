"""Names of the array types that several modules take and return."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Doubles: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[Any]  # float32 or float64
Ints: TypeAlias = NDArray[Any]  # int32 or int64
Flags: TypeAlias = NDArray[np.bool_]

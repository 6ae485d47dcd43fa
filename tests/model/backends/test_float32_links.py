"""The exponential of XGBoost's scores is that of the C library, bit for bit."""

from __future__ import annotations

import ctypes
import ctypes.util
import platform

import numpy as np
import pytest

from nbship.model.backends.float32_links import expf


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="expf of another C library may round differently")
def test_it_is_that_of_the_c_library() -> None:
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    library.expf.restype, library.expf.argtypes = ctypes.c_float, [ctypes.c_float]
    random = np.random.default_rng(0)
    edges = [0.0, -0.0, 88.7, 88.72283, 88.72284, -87.33655, -103.97, -104.0, 1e-30, 3e38, -3e38, np.inf, -np.inf]
    numbers = np.concatenate([random.normal(0, 3, 40_000), random.uniform(-105, 90, 20_000), edges]).astype(np.float32)
    expected = np.array([library.expf(number) for number in numbers.tolist()], dtype=np.float32)
    np.testing.assert_array_equal(expf(numbers), expected)

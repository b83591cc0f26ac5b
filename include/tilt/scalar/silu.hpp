// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/scalar/sigmoid.hpp>

namespace tilt {

/// SiLU or swish, x·σ(x) (Elfwing et al. 2018, arXiv 1702.03118). The bound, far below where σ is 0, is there for −∞·0.
template <class T> TILT_HD T silu(const T& x) { return max(x, constant<T>(-1e30)) * sigmoid(x); }

}  // namespace tilt

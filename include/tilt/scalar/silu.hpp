// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/scalar/sigmoid.hpp>

namespace tilt {

/// x·σ(x) (Elfwing et al. 2017, arXiv 1702.03118).
template <class T> TILT_HD T silu(const T& x) { return x * sigmoid(x); }

}  // namespace tilt

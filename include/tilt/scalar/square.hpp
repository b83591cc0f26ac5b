// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/scalar/scalar.hpp>

namespace tilt {

/// x².
template <class T> TILT_HD T square(const T& x) { return x * x; }

}  // namespace tilt

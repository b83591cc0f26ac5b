// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tilt {

/// The library's version, semantic (semver.org). The build reads it from here.
inline constexpr const char* version = "0.1.0";

}  // namespace tilt

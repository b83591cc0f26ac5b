// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdexcept>
#include <string>

namespace tilt {

/// Base of everything that the library throws.
struct error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What a user gave cannot be used. The message is one sentence: the file (and line) or option, the reason, the remedy.
struct input_error : error {
  using error::error;
};

/// A number that is not finite appeared where training needs a finite one.
struct numeric_error : error {
  using error::error;
};

}  // namespace tilt

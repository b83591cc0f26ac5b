// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <string>

#include "session.hpp"

namespace tilt::program {

// A backend is one file, backend_<name>.cpp, which defines these two; backends.cpp lists those that were compiled in.
std::unique_ptr<session> open_eigen(const compute& machine, const model_folder& folder);
std::string describe_eigen();

std::unique_ptr<session> open_reference(const compute& machine, const model_folder& folder);
std::string describe_reference();

}  // namespace tilt::program

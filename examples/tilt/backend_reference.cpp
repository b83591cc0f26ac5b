// SPDX-License-Identifier: Apache-2.0
// Everything that runs on the reference backend, instantiated here and nowhere else.
#include <tilt/tensor/reference.hpp>

#include "backends.hpp"
#include "session_on.hpp"

namespace tilt::program {

std::unique_ptr<session> open_reference(const compute& machine, const model_folder& folder) {
  if (machine.threads > 1) throw input_error("--threads: the reference backend has one thread; leave it away, or take --backend eigen");
  return open_as<reference_backend>(machine.dtype, folder);
}

std::string describe_reference() { return "plain loops in standard C++, one thread; slow, the specification"; }

}  // namespace tilt::program

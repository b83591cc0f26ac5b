// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "backends.hpp"
#include "frontier_plan.hpp"

namespace tilt::program {

/// `tilt demo --full`: the comparison in a folder, its tables on standard output, and the page that shows them. Returns the exit status.
int run_full_demo(const frontier_job& job, const backend_entry& backend, const std::string& output, index threads);

}  // namespace tilt::program

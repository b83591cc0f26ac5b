// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "../tilt/frontier_report.hpp"

namespace tilt::program {

/// docs/dpo-vs-ppo.md: what was done, and the tables and sentences that came of it. `figure`: where the picture lies, from the page.
std::string page_of(const frontier_job& job, const frontier_report& report, const std::string& figure);

}  // namespace tilt::program

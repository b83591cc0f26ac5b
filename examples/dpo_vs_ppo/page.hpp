// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

#include "../tilt/frontier_report.hpp"

namespace tilt::program {

/// What the page tells of the enumerable world. `figure`: where the picture lies, from the page.
struct world_part {
  const frontier_report* report = nullptr;
  std::string figure = {};
};
/// What it tells of a given model.
struct model_part {
  const frontier_report* report = nullptr;
  std::string figure = {};
  std::string name = {};
  index weights = 0;
};

/// docs/dpo-vs-ppo.md: what was done, and the tables and sentences that came of it.
std::string page_of(const std::optional<world_part>& world, const std::optional<model_part>& model);

}  // namespace tilt::program

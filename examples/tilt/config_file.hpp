// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace tilt::program {

/// The keys of a configuration file with their values, in order.
using config_entries = std::vector<std::pair<std::string, nlohmann::json>>;

/// Reads a JSON object or a YAML mapping. Plain YAML scalars become what JSON would have: null, true, false, numbers, else strings.
/// Throws input_error with the line of what cannot be read, or the key that stands there twice.
config_entries read_config(const std::string& path);

}  // namespace tilt::program

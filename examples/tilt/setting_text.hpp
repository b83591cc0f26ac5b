// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

namespace tilt::program {

inline std::string quoted(const std::string& text) { return "\"" + text + "\""; }

/// A number as --help shows it.
inline std::string plain(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

/// A file's value as the command line would have it.
inline std::string text_of(const nlohmann::json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

}  // namespace tilt::program

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <string>
#include <tilt/error.hpp>
#include <utility>
#include <vector>

namespace tilt::program {

/// An option and the values that it is to take, as texts.
struct grid_axis {
  std::string option;
  std::vector<std::string> values;
};

/// "beta=0.05,0.1" as an axis. Throws input_error.
inline grid_axis grid_axis_of(const std::string& text) {
  const auto refuse = [&](const char* what) {
    throw input_error("--grid: \"" + text + "\" " + what + "; give an option and its values, as in beta=0.05,0.1,0.5");
  };
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) refuse("names no option");
  grid_axis axis{text.substr(0, equals), {}};
  axis.option.erase(0, axis.option.find_first_not_of('-'));
  std::replace(axis.option.begin(), axis.option.end(), '-', '_');
  for (std::size_t begin = equals + 1; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    axis.values.push_back(text.substr(begin, end - begin));
    if (axis.values.back().empty()) refuse("has an empty value");
    if (std::count(axis.values.begin(), axis.values.end(), axis.values.back()) > 1) refuse("has a value twice");
    begin = end + 1;
  }
  return axis;
}

/// One point of a grid: a value for each axis, in the order of the axes.
struct grid_cell {
  std::vector<std::pair<std::string, std::string>> options;

  /// "beta=0.1,learning_rate=1e-6"; a slash, which no folder's name may have, is written %2F.
  std::string name() const {
    std::string text;
    for (const auto& [option, value] : options) {
      if (!text.empty()) text += ',';
      text += option;
      text += '=';
      for (const char c : value)
        if (c == '/')
          text += "%2F";
        else
          text += c;
    }
    return text;
  }
  /// The value on an axis.
  const std::string& operator[](const std::string& option) const {
    for (const auto& [name, value] : options)
      if (name == option) return value;
    throw error("grid: a cell has no option " + option);
  }
};

/// All cells, the last axis fastest.
inline std::vector<grid_cell> cells_of(const std::vector<grid_axis>& axes) {
  std::vector<grid_cell> cells(1);
  for (const grid_axis& axis : axes) {
    std::vector<grid_cell> longer;
    for (const grid_cell& cell : cells)
      for (const std::string& value : axis.values) {
        longer.push_back(cell);
        longer.back().options.emplace_back(axis.option, value);
      }
    cells = std::move(longer);
  }
  return cells;
}

}  // namespace tilt::program

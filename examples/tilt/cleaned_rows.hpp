// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tilt/check/finding.hpp>
#include <tilt/io/example_rows.hpp>
#include <vector>

namespace tilt::program {

/// What `--fix` leaves of a file, and what it says of it.
class cleaned_rows {
 public:
  /// All rows but those of the lines that are dropped, each with the checks that say so.
  cleaned_rows(const example_file& file, std::map<index, std::vector<std::string_view>> dropped)
      : array_(file.array), dropped_(std::move(dropped)) {
    for (const example_row& row : file.rows) {
      if (dropped_.contains(row.line)) continue;
      if (array_) bytes_ += kept_ > 0 ? ",\n" : "[\n";
      bytes_ += file.bytes(row);
      if (!array_) bytes_ += '\n';
      ++kept_;
    }
    if (array_) bytes_ += "\n]\n";
  }

  index kept() const { return kept_; }
  /// Those of the file, in its order.
  const std::string& bytes() const { return bytes_; }

  nlohmann::ordered_json json(const std::string& name) const {
    nlohmann::ordered_json lines = nlohmann::ordered_json::array();
    for (const auto& [line, checks] : dropped_) lines.push_back({{"line", line}, {"checks", checks}});
    return {{"file", name}, {"kept", kept_}, {"dropped", lines}};
  }

  std::string text(const std::string& name) const {
    std::map<std::string_view, index> reasons;
    for (const auto& [line, checks] : dropped_)
      for (const std::string_view c : checks) ++reasons[c];
    std::string listed, out = name;
    for (const check_description& c : check_table)
      if (const auto found = reasons.find(c.name); found != reasons.end())
        listed.append(listed.empty() ? " (" : ", ").append(c.name).append(" ").append(std::to_string(found->second));
    out.append(": ").append(std::to_string(kept_)).append(" rows kept, ").append(std::to_string(dropped_.size())).append(" dropped");
    out.append(listed).append(listed.empty() ? "\n" : ")\n");
    for (const auto& [line, checks] : dropped_) {
      out.append("  ").append(array_ ? "example " : "line ").append(std::to_string(line)).append(":");
      for (const std::string_view c : checks) out.append(" ").append(c);
      out.append("\n");
    }
    return out;
  }

 private:
  bool array_;
  std::map<index, std::vector<std::string_view>> dropped_;
  std::string bytes_;
  index kept_ = 0;
};

}  // namespace tilt::program

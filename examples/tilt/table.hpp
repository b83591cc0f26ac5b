// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "progress.hpp"

namespace tilt::program {

/// A number with so many decimals.
inline std::string decimal(double value, int digits = 3) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}
/// "0.123 ± 0.004".
inline std::string with_error(double value, double error, int digits = 3) {
  return decimal(value, digits) + " ± " + decimal(error, digits);
}

/// A table of text for a terminal or a file: a header, rows, columns as wide as their widest cell. A column whose cells are all numbers
/// (they begin with a digit or a sign) stands to the right.
///
///   table t({"method", "beta", "reward"});
///   t.row({"dpo", "0.1", with_error(1.234, 0.01)});
///   std::fputs(t.text().c_str(), stdout);
class table {
 public:
  explicit table(std::vector<std::string> header) : header_(std::move(header)) {}

  /// Missing cells are empty.
  table& row(std::vector<std::string> cells) {
    cells.resize(header_.size());
    rows_.push_back(std::move(cells));
    return *this;
  }
  /// A thin line between the rows before and after.
  table& rule() {
    rows_.emplace_back();
    return *this;
  }

  std::string text() const {
    std::vector<std::size_t> widths(header_.size());
    std::vector<bool> right(header_.size(), true);
    for (std::size_t c = 0; c < header_.size(); ++c) {
      widths[c] = columns(header_[c]);
      for (const auto& r : rows_)
        if (!r.empty()) {
          widths[c] = std::max(widths[c], columns(r[c]));
          if (!r[c].empty() && !numeric(r[c])) right[c] = false;
        }
    }
    std::string line = " ";
    for (const std::size_t w : widths) {
      for (std::size_t i = 0; i < w; ++i) line += "─";
      line += "  ";
    }
    line.erase(line.size() - 2);
    std::string text = cells(header_, widths, right) + line + "\n";
    for (const auto& r : rows_) text += r.empty() ? line + "\n" : cells(r, widths, right);
    return text;
  }

  /// The same in Markdown.
  std::string markdown() const {
    std::string text = "|", line = "|";
    for (const auto& h : header_) text += " " + h + " |", line += "---|";
    text += "\n" + line + "\n";
    for (const auto& r : rows_) {
      if (r.empty()) continue;
      text += "|";
      for (const auto& cell : r) text += " " + cell + " |";
      text += "\n";
    }
    return text;
  }

  /// The same in HTML; a line between rows is a class of the row after it.
  std::string html() const {
    const auto line = [](const std::vector<std::string>& values, const char* cell, const char* row) {
      std::string text = "<tr";
      text.append(row).append(">");
      for (const auto& v : values) text.append("<").append(cell).append(">").append(v).append("</").append(cell).append(">");
      return text.append("</tr>\n");
    };
    std::string text = "<table>\n" + line(header_, "th", "");
    bool after_rule = false;
    for (const auto& r : rows_) {
      if (!r.empty()) text += line(r, "td", after_rule ? " class=\"group\"" : "");
      after_rule = r.empty();
    }
    return text.append("</table>\n");
  }

  void print(std::FILE* out = stdout) const { std::fputs(text().c_str(), out); }

 private:
  static bool numeric(std::string_view cell) {
    if (cell.starts_with("−")) return true;
    const char first = cell[0];
    return (first >= '0' && first <= '9') || first == '-' || first == '+' || first == '.';
  }
  static std::string cells(const std::vector<std::string>& values, const std::vector<std::size_t>& widths, const std::vector<bool>& right) {
    std::string line = " ";
    for (std::size_t c = 0; c < values.size(); ++c) {
      const std::string blank(widths[c] - columns(values[c]), ' ');
      line += right[c] ? blank + values[c] : values[c] + blank;
      line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line + "\n";
  }

  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace tilt::program

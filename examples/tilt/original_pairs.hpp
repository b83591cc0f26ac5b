// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <tilt/io/example_rows.hpp>
#include <tilt/scalar/philox.hpp>
#include <vector>

namespace tilt::program {

/// Pairs of a file that are mixed into each round's own.
class original_pairs {
 public:
  /// Throws input_error with the line of what is no pair and no ranking.
  explicit original_pairs(const std::string& path) : file_(read_example_rows(path)) {
    for (const example_row& row : file_.rows) {
      const std::string where = path + ":" + std::to_string(row.line);
      if (!row.read) throw input_error(where + ": " + row.fault + "; repair or remove it");
      if (row.read->kind != example_kind::pair && row.read->kind != example_kind::ranked)
        throw input_error(where + ": is no pair of chosen and rejected, and no ranking; remove it");
    }
  }

  /// Lines, in the file's order, that are the share of all together with `own` others: a draw without replacement, of the stream `round` of
  /// the seed; all of them where there are too few.
  std::vector<std::string> drawn(std::size_t own, double share, std::uint64_t seed, std::uint64_t round) const {
    const auto wanted = static_cast<std::size_t>(std::llround(share / (1 - share) * static_cast<double>(own)));
    std::vector<std::size_t> order(file_.rows.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const philox draws(seed, round);
    std::vector<double> keys;
    for (std::size_t i = 0; i < order.size(); ++i) keys.push_back(uniform(draws, i));
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return keys[a] != keys[b] ? keys[a] < keys[b] : a < b; });
    order.resize(std::min(wanted, order.size()));
    std::sort(order.begin(), order.end());
    std::vector<std::string> lines;
    for (const std::size_t i : order) lines.push_back(nlohmann::ordered_json::parse(file_.bytes(file_.rows[i])).dump() + "\n");
    return lines;
  }

 private:
  example_file file_;
};

}  // namespace tilt::program

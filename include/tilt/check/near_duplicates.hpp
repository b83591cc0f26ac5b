// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <tilt/check/min_hash.hpp>
#include <tilt/check/similarity.hpp>
#include <unordered_map>

namespace tilt {

struct near_duplicate_options {
  double similarity = 0.8;                ///< Jaccard coefficient from which two sets count as nearly the same
  std::size_t bands = 25, band_rows = 5;  ///< of a signature: sets at 0.8 are compared with probability 0.99995, at 0.4 with 0.23
  std::size_t comparisons = 16;           ///< of one set within a bucket
  std::uint64_t seed = 0;
};

/// A set and the earlier one that it nearly equals.
struct near_duplicate {
  std::size_t set, earlier;
  double similarity;  ///< exact
};

/// Sets that nearly equal an earlier one: candidates by MinHash in bands (see candidate_probability), each verified by its exact Jaccard
/// coefficient. So nothing is accused wrongly, and a pair at similarity s is missed with probability (1 − sʳ)ᵇ. In a bucket a set meets at
/// most `comparisons` others, those that are no duplicates of one another: no pass is quadratic. Empty sets are no duplicates. O(sets · (size · bands · rows + comparisons)).
inline std::vector<near_duplicate> find_near_duplicates(std::span<const std::vector<std::uint64_t>> sets,
                                                        const near_duplicate_options& options = {}) {
  const min_hash hash(options.bands * options.band_rows, options.seed);
  std::vector<std::uint32_t> signatures(sets.size() * hash.functions());
  for (std::size_t i = 0; i < sets.size(); ++i)
    hash.signature(sets[i], std::span(signatures).subspan(i * hash.functions(), hash.functions()));

  constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::vector<near_duplicate> found;
  std::vector<std::size_t> earlier(sets.size(), none);
  for (std::size_t band = 0; band < options.bands; ++band) {
    std::unordered_map<std::uint64_t, std::vector<std::size_t>> buckets;
    for (std::size_t i = 0; i < sets.size(); ++i) {
      if (sets[i].empty()) continue;
      std::uint64_t key = band;
      for (std::size_t r = 0; r < options.band_rows; ++r)
        key = mixed(key * 0x9E3779B97F4A7C15u + signatures[i * hash.functions() + band * options.band_rows + r]);
      std::vector<std::size_t>& firsts = buckets[key];
      const auto compared = firsts.begin() + static_cast<std::ptrdiff_t>(std::min(firsts.size(), options.comparisons));
      bool stands_for_itself = std::find(firsts.begin(), compared, earlier[i]) == compared;
      for (auto other = firsts.begin(); other != compared && earlier[i] == none; ++other)
        if (const double similarity = jaccard(sets[i], sets[*other]); similarity >= options.similarity) {
          found.push_back({i, *other, similarity});
          earlier[i] = *other;
          stands_for_itself = false;
        }
      if (stands_for_itself) firsts.push_back(i);
    }
  }
  std::sort(found.begin(), found.end(), [](const near_duplicate& a, const near_duplicate& b) { return a.set < b.set; });
  return found;
}

}  // namespace tilt

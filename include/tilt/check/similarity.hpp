// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/check/words.hpp>

namespace tilt {

namespace detail {
/// How many elements two sorted sequences have in common, repeats counted as often as both have them.
inline std::size_t common_count(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b) {
  std::size_t count = 0, i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (a[i] == b[j])
      ++count, ++i, ++j;
    else if (a[i] < b[j])
      ++i;
    else
      ++j;
  }
  return count;
}

/// Runs of three characters, sorted, repeats included; of a shorter text, the text.
inline std::vector<std::uint64_t> character_trigrams(std::string_view text) {
  std::vector<std::uint64_t> grams, characters;
  each_character(text, [&](char32_t c, std::string_view) { characters.push_back(c); });
  for (std::size_t i = 0; i + 3 <= characters.size(); ++i)
    grams.push_back(characters[i] << 42 | characters[i + 1] << 21 | characters[i + 2]);
  if (grams.empty() && !characters.empty()) grams.push_back(text_hash(text));
  std::sort(grams.begin(), grams.end());
  return grams;
}
}  // namespace detail

/// Jaccard's coefficient of two sets (see as_set): |A ∩ B| / |A ∪ B| in [0, 1]; 1 for two empty ones.
inline double jaccard(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b) {
  const std::size_t common = detail::common_count(a, b), all = a.size() + b.size() - common;
  return all == 0 ? 1 : static_cast<double>(common) / static_cast<double>(all);
}

/// How alike two texts are in [0, 1], by Dice's coefficient of their character trigrams with repeats, 2|A ∩ B| / (|A| + |B|), of the texts
/// with white space collapsed: 1 for equal ones. One changed letter costs at most 3 trigrams on each side. O(n log n), where the edit
/// distance is quadratic.
inline double text_similarity(std::string_view a, std::string_view b) {
  const std::vector<std::uint64_t> x = detail::character_trigrams(collapsed(a)), y = detail::character_trigrams(collapsed(b));
  if (x.empty() && y.empty()) return 1;
  return 2 * static_cast<double>(detail::common_count(x, y)) / static_cast<double>(x.size() + y.size());
}

}  // namespace tilt

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tilt::program {

/// How many letters must be put in, left out, changed or swapped with their neighbour to turn a into b (the distance of Damerau and
/// Levenshtein, each letter touched once).
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = std::min(now[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(now);
  }
  return last[b.size()];
}

/// Whether every word of `given` is a word of `name`; words are what dashes and underscores separate.
inline bool has_words_of(std::string_view name, std::string_view given) {
  const auto word_of = [](std::string_view& rest) {
    rest.remove_prefix(std::min(rest.find_first_not_of("-_"), rest.size()));
    const std::string_view word = rest.substr(0, rest.find_first_of("-_"));
    rest.remove_prefix(word.size());
    return word;
  };
  while (true) {
    const std::string_view wanted = word_of(given);
    if (wanted.empty()) return true;
    std::string_view words = name, word;
    do word = word_of(words);
    while (!word.empty() && word != wanted);
    if (word.empty()) return false;
  }
}

/// The known name that is closest to the given one; the first of equals. Empty where none resembles it: more than half of it would have to
/// be changed.
inline std::string nearest(std::string_view given, const std::vector<std::string>& known) {
  std::string best;
  std::size_t least = static_cast<std::size_t>(-1);
  for (const std::string& name : known) {
    std::size_t distance = 2 * edit_distance(given, name);
    if (name.starts_with(given) || given.starts_with(name) || has_words_of(name, given)) distance = std::min<std::size_t>(distance, 3);
    if (distance < least) best = name, least = distance;
  }
  return least <= given.size() ? best : "";
}

/// "did you mean NAME?", or, where nothing resembles it, another remedy.
inline std::string did_you_mean(std::string_view given, const std::vector<std::string>& known, const std::string& otherwise) {
  const std::string name = nearest(given, known);
  return name.empty() ? otherwise : "did you mean " + name + "?";
}

}  // namespace tilt::program

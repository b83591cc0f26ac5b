// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace tilt::program {

/// A text's words, between blanks.
inline std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string w; in >> w;) words.push_back(w);
  return words;
}

/// How often the text has the keyword, which is not empty.
inline double keyword_count(const std::string& text, const std::string& keyword) {
  double count = 0;
  for (std::size_t at = text.find(keyword); at != std::string::npos; at = text.find(keyword, at + keyword.size())) ++count;
  return count;
}

/// The share of different ones among the pairs of words that follow each other; 0 of fewer than two words.
inline double distinct_2(const std::string& text) {
  const std::vector<std::string> words = words_of(text);
  if (words.size() < 2) return 0;
  std::set<std::pair<std::string, std::string>> different;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) different.emplace(words[i], words[i + 1]);
  return static_cast<double>(different.size()) / static_cast<double>(words.size() - 1);
}

}  // namespace tilt::program

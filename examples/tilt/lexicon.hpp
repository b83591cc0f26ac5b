// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <tilt/check/words.hpp>
#include <unordered_set>

#include "text_io.hpp"

namespace tilt::program {

/// Words that mark a text: whether it has one of them, as a whole word, in whatever case.
class lexicon {
 public:
  /// A word a line; blank lines are passed over. Throws input_error with the line.
  explicit lexicon(const std::string& path) {
    line_reader lines(path);
    for (std::string line; lines.next(line);) {
      if (collapsed(line).empty()) continue;
      const auto words = words_of(line);
      if (words.size() != 1) throw input_error(lines.where() + ": is not one word; write a word a line");
      words_.insert(words[0]);
    }
    if (words_.empty()) throw input_error(path + ": has no words; write a word a line");
  }
  /// Mild insults and threats, in English. It knows no context: a text that has none may be unkind, and one that has some may be fair.
  lexicon() {
    for (const char* word :
         {"stupid", "idiot", "idiots", "idiotic", "moron",   "morons", "dumb",   "dumbass",  "fool",      "fools",      "loser", "losers",
          "ugly",   "hate",  "hates",  "hated",   "kill",    "kills",  "killed", "killing",  "die",       "damn",       "hell",  "crap",
          "shit",   "bitch", "ass",    "asshole", "bastard", "scum",   "trash",  "pathetic", "worthless", "disgusting", "shut"})
      words_.insert(text_hash(word));
  }

  bool marks(std::span<const std::uint64_t> words_of_text) const {
    return std::any_of(words_of_text.begin(), words_of_text.end(), [&](std::uint64_t w) { return words_.count(w) > 0; });
  }

 private:
  std::unordered_set<std::uint64_t> words_;
};

}  // namespace tilt::program

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tilt/io/unicode.hpp>
#include <vector>

namespace tilt {

/// A hash of 64 bits that is the same on every machine: FNV-1a (Fowler, Noll & Vo), then SplitMix64's finaliser (Steele et al. 2014), as
/// FNV's low bits alone are weak.
constexpr std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}
constexpr std::uint64_t text_hash(std::string_view text, std::uint64_t seed = 0) {
  std::uint64_t h = 0xCBF29CE484222325u ^ mixed(seed);
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return mixed(h);
}

namespace detail {
/// Scripts written without spaces between words; each of their characters counts as a word.
constexpr bool stands_alone(char32_t c) {
  return (c >= 0x0E00 && c <= 0x0EFF) || (c >= 0x1000 && c <= 0x109F) || (c >= 0x1780 && c <= 0x17FF) || (c >= 0x2E80 && c <= 0x30FF) ||
         (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF);
}
}  // namespace detail

/// Hashes of a text's words in order: runs of letters, marks and digits, in lower case; in scripts without spaces, characters. O(length).
inline std::vector<std::uint64_t> words_of(std::string_view text) {
  std::vector<std::uint64_t> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(text_hash(word));
    word.clear();
  };
  detail::each_character(text, [&](char32_t c, std::string_view) {
    if (c < 0x80) {
      if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')
        word.push_back(static_cast<char>(c));
      else if (c >= 'A' && c <= 'Z')
        word.push_back(static_cast<char>(c + 32));
      else
        end_word();
    } else if (detail::is_word_character(c)) {
      if (detail::stands_alone(c)) end_word();
      detail::append_utf8(word, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
      if (detail::stands_alone(c)) end_word();
    } else {
      end_word();
    }
  });
  end_word();
  return words;
}

/// Hashes of all runs of n words, in order, repeats included. Empty where there are fewer words.
inline std::vector<std::uint64_t> ngrams(std::span<const std::uint64_t> words, std::size_t n) {
  std::vector<std::uint64_t> grams;
  for (std::size_t i = 0; i + n <= words.size(); ++i) {
    std::uint64_t h = n;
    for (std::size_t k = 0; k < n; ++k) h = mixed(h * 0x9E3779B97F4A7C15u + words[i + k]);
    grams.push_back(h);
  }
  return grams;
}

/// The distinct ones, sorted: a set on which overlap is counted by merging.
inline std::vector<std::uint64_t> as_set(std::vector<std::uint64_t> hashes) {
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  return hashes;
}

/// A text with its runs of white space made one space, and none at its ends: what two texts must share to count as the same.
inline std::string collapsed(std::string_view text) {
  std::string out;
  bool gap = false;
  detail::each_character(text, [&](char32_t c, std::string_view bytes) {
    if (detail::is_white_space(c)) {
      gap = true;
      return;
    }
    if (gap && !out.empty()) out += ' ';
    gap = false;
    out += bytes;
  });
  return out;
}

namespace detail {
/// Lower case, straight apostrophes, white space collapsed.
inline std::string plain_speech(std::string_view text) {
  std::string straight;
  each_character(text, [&](char32_t c, std::string_view bytes) {
    if (c == 0x2019 || c == 0x2018 || c == 0x60)
      straight += '\'';
    else
      straight += bytes;
  });
  return lowercased(collapsed(straight));
}
}  // namespace detail

}  // namespace tilt

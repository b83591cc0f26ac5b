// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tilt::detail {

/// Bytes of the well-formed UTF-8 sequence at the front of `text`, or 0 if there is none (Unicode 15, table 3-7).
inline std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) { return i < text.size() && byte(i) >= low && byte(i) <= high; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) return continues(1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF) && continues(2) ? 3 : 0;
  if (first >= 0xF0 && first <= 0xF4) return continues(1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF) && continues(2) && continues(3) ? 4 : 0;
  return 0;
}

/// Offset of the first byte that is not part of well-formed UTF-8; the size if all is well.
inline std::size_t utf8_fault(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t n = utf8_length(text.substr(at));
    if (n == 0) return at;
    at += n;
  }
  return at;
}

/// The code point of a well-formed sequence of n bytes.
inline char32_t code_point(std::string_view text, std::size_t n) {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  if (n == 1) return byte(0);
  if (n == 2) return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
  if (n == 3) return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
}

inline void append_utf8(std::string& to, char32_t c) {
  const auto put = [&](char32_t byte) { to.push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  }
}

/// A text as part of a sentence for people: control characters, line breaks among them, become question marks.
inline std::string one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  return text;
}

/// The text with each ill-formed part (the longest start of a sequence that could have gone on, or one byte) replaced by U+FFFD.
inline std::string repaired_utf8(std::string_view bytes) {
  std::string out;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t n = utf8_length(bytes.substr(at));
    if (n > 0) {
      out.append(bytes.substr(at, n));
      at += n;
      continue;
    }
    out += "\xEF\xBF\xBD";
    std::size_t bad = 1;  // take in further bytes as long as some continuation would make them well-formed
    static constexpr std::string_view continuations[] = {"\x80", "\x90", "\xA0", "\x80\x80", "\x90\x80", "\xA0\x80"};
    for (std::size_t longer = 2; longer <= 3 && at + longer <= bytes.size(); ++longer) {
      bool possible = false;
      for (const std::string_view tail : continuations) possible |= utf8_length(std::string(bytes.substr(at, longer)) + std::string(tail)) > longer;
      if (!possible) break;
      bad = longer;
    }
    at += bad;
  }
  return out;
}

}  // namespace tilt::detail

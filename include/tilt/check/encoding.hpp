// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdio>
#include <tilt/check/finding.hpp>
#include <tilt/check/rows.hpp>

namespace tilt {

namespace detail {

/// The byte that is this character in Windows-1252, or in Latin-1 where that has none; -1 for ASCII and all others.
constexpr int byte_in_windows_1252(char32_t c) {
  constexpr std::array<char32_t, 32> upper = {0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
                                              0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
                                              0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};
  if (c >= 0x80 && c <= 0xFF) return static_cast<int>(c);
  for (std::size_t i = 0; i < upper.size(); ++i)
    if (upper[i] == c) return static_cast<int>(0x80 + i);
  return -1;
}

/// How many characters at the front are the bytes of one UTF-8 character read as Windows-1252 or Latin-1; 0: they are not.
inline std::size_t misread_length(std::span<const char32_t> text) {
  std::string bytes;
  for (std::size_t i = 0; i < std::min<std::size_t>(text.size(), 4); ++i) {
    const int b = text[i] < 0x80 ? -1 : byte_in_windows_1252(text[i]);
    if (b < 0) break;
    bytes.push_back(static_cast<char>(b));
  }
  const std::size_t n = utf8_length(bytes);
  return n >= 2 ? n : 0;
}

/// An HTML entity, or \n, \uXXXX, written out, at the front: its length, 0 if there is none.
inline std::size_t escape_length(std::string_view text) {
  for (const std::string_view entity : {"&amp;", "&quot;", "&lt;", "&gt;", "&nbsp;", "&apos;", "&#39;", "&#x27;"})
    if (text.starts_with(entity)) return entity.size();
  if (!text.starts_with("\\u") || text.size() < 6) return 0;
  for (std::size_t i = 2; i < 6; ++i) {
    const char c = text[i];
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) return 0;
  }
  return 6;
}

}  // namespace detail

/// What is damaged in a text's characters, as a clause; empty if nothing is. Found: the replacement character U+FFFD; UTF-8 that was read
/// as Windows-1252 or Latin-1 ("Ã©", "â€™"), where the characters before U+00C4 or the dashes and quotes of U+2000 to U+2FFF must appear
/// once, others twice, since "é”—" may be meant; control characters but for tab and line ends; U+FEFF and noncharacters; HTML entities and
/// \uXXXX that were never decoded. O(length).
inline std::string encoding_damage(std::string_view text) {
  std::vector<char32_t> characters;
  std::size_t escapes = 0, replaced = 0, controls = 0, misread = 0, doubtful = 0;
  std::string escape;
  char32_t control = 0;
  for (std::size_t at = 0; at < text.size(); ++at)
    if (text[at] == '&' || text[at] == '\\')
      if (const std::size_t n = detail::escape_length(text.substr(at)); n > 0 && ++escapes == 1) escape = text.substr(at, n);
  detail::each_character(text, [&](char32_t c, std::string_view) { characters.push_back(c); });
  const std::span<const char32_t> all(characters);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const char32_t c = all[i];
    if (c < 0x80) {
      if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F) ++controls, control = c;
    } else if (const std::size_t n = detail::misread_length(all.subspan(i)); n > 0) {
      const bool certain = c == 0xC2 || c == 0xC3 || c == 0xE2 || c == 0xEF || c == 0xF0;
      ++(certain ? misread : doubtful);
      i += n - 1;
    } else if (c == 0xFFFD) {
      ++replaced;
    } else if (c < 0xA0 || c == 0xFEFF || (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF)) {
      ++controls, control = c;
    }
  }
  if (doubtful > 1) misread += doubtful;
  std::string what;
  const auto add = [&](std::size_t count, const std::string& of) {
    if (count == 0) return;
    if (!what.empty()) what += ", ";
    what += of;
    if (count > 1) what += " (", what += std::to_string(count), what += " times)";
  };
  char code[16];
  std::snprintf(code, sizeof code, "U+%04X", static_cast<unsigned>(control));
  add(replaced, "the replacement character U+FFFD");
  add(misread, "UTF-8 read as Latin-1");
  add(controls, std::string("the control character ").append(code));
  add(escapes, std::string("an escape left in, ").append(escape));
  return what;
}

/// Where a JSON text has the escape of half a surrogate pair ("\ud83d" alone), which stands for no character: the offset of its backslash,
/// npos if there is none. O(length).
inline std::size_t unpaired_surrogate(std::string_view json) {
  const auto unit = [&](std::size_t at) -> unsigned {
    unsigned value = 0;
    if (at + 6 > json.size() || json[at] != '\\' || json[at + 1] != 'u' ||
        std::sscanf(std::string(json.substr(at + 2, 4)).c_str(), "%4x", &value) != 1)
      return 0;
    return value;
  };
  for (std::size_t at = json.find('\\'); at != std::string_view::npos && at + 1 < json.size(); at = json.find('\\', at)) {
    const unsigned first = unit(at);
    if (first >= 0xD800 && first <= 0xDFFF) {
      const unsigned second = unit(at + 6);
      if (first >= 0xDC00 || second < 0xDC00 || second > 0xDFFF) return at;
      at += 12;
    } else {
      at += 2;
    }
  }
  return std::string_view::npos;
}

/// encoding: prompts and answers whose characters are damaged.
inline void check_encoding(std::span<const checked_row> rows, std::vector<finding>& out) {
  for (const checked_row& row : rows) {
    const auto look = [&](const std::string& name, std::string_view text) {
      const std::string damage = encoding_damage(text);
      if (damage.empty()) return;
      std::string what = name;
      what += " has ";
      what += damage;
      out.push_back({"encoding", row.line(), std::move(what)});
    };
    look("the prompt", row.prompt);
    for (const checked_answer& a : row.answers) look(a.name, a.text);
  }
}

}  // namespace tilt

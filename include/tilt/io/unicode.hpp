// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <tilt/error.hpp>
#include <tilt/io/utf8.hpp>
#include <utf8proc.h>

namespace tilt::detail {

/// Calls each(code point, its bytes) for every character of well-formed UTF-8.
template <class Each> void each_character(std::string_view text, const Each& each) {
  for (std::size_t at = 0, n; at < text.size(); at += n) {
    n = utf8_length(text.substr(at));
    each(code_point(text.substr(at), n), text.substr(at, n));
  }
}

inline char32_t first_character(std::string_view text) { return code_point(text, utf8_length(text)); }

/// Bytes of the last character of well-formed UTF-8.
inline std::size_t last_length(std::string_view text) {
  std::size_t n = 1;
  while (n < text.size() && (static_cast<unsigned char>(text[text.size() - n]) & 0xC0) == 0x80) ++n;
  return n;
}
inline char32_t last_character(std::string_view text) { return first_character(text.substr(text.size() - last_length(text))); }

/// Unicode's White_Space.
constexpr bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

inline utf8proc_category_t category_of(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

/// Part of a word: a letter, mark, decimal digit, letter-like number or symbol, connecting punctuation, joiner.
inline bool is_word_character(char32_t c) {
  const bool enclosed = (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
  switch (category_of(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: return enclosed || c == 0x200C || c == 0x200D;
  }
}

inline std::string lowercased(std::string_view text) {
  std::string out;
  each_character(text, [&](char32_t c, std::string_view) {
    if (c == 0x130) out += "i\xCC\x87";  // İ is the one letter whose lowercase is two characters
    else append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  });
  return out;
}

inline std::string without_accents(std::string_view text) {
  std::string out;
  each_character(text, [&](char32_t c, std::string_view bytes) {
    const auto category = category_of(c);
    if (category != UTF8PROC_CATEGORY_MN && category != UTF8PROC_CATEGORY_MC && category != UTF8PROC_CATEGORY_ME) out += bytes;
  });
  return out;
}

/// A Unicode normalisation form, by utf8proc's options.
inline std::string normalized_form(std::string_view text, int options) {
  utf8proc_uint8_t* mapped = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()), &mapped,
                                 static_cast<utf8proc_option_t>(options));
  if (size < 0) throw error("a text could not be normalised (" + std::string(utf8proc_errmsg(size)) + ")");
  const std::unique_ptr<utf8proc_uint8_t, void (*)(void*)> owner(mapped, std::free);
  return {reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size)};
}

}  // namespace tilt::detail

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <map>
#include <tilt/io/utf8.hpp>

namespace tilt::detail {

/// GPT-2's alphabet: every byte as a visible character. Printable Latin-1 stands for itself, the others follow from U+0100 on.
class byte_alphabet {
 public:
  byte_alphabet() {
    char32_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const bool visible = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      const char32_t c = visible ? byte : next++;
      append_utf8(character_[byte], c);
      byte_[c] = static_cast<unsigned char>(byte);
    }
  }

  std::string encode(std::string_view bytes) const {
    std::string out;
    out.reserve(2 * bytes.size());
    for (const char c : bytes) out += character_[static_cast<unsigned char>(c)];
    return out;
  }
  /// The bytes that a token's characters stand for; its own bytes if one of them is not of the alphabet.
  std::string decode(std::string_view token) const {
    std::string out;
    for (std::size_t at = 0; at < token.size();) {
      const std::size_t n = utf8_length(token.substr(at));
      const auto found = n == 0 ? byte_.end() : byte_.find(code_point(token.substr(at), n));
      if (found == byte_.end()) return std::string(token);
      out.push_back(static_cast<char>(found->second));
      at += n;
    }
    return out;
  }

  static const byte_alphabet& instance() {
    static const byte_alphabet alphabet;
    return alphabet;
  }

 private:
  std::array<std::string, 256> character_;
  std::map<char32_t, unsigned char> byte_;
};

}  // namespace tilt::detail

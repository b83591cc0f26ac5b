// SPDX-License-Identifier: Apache-2.0
#pragma once
#define PCRE2_CODE_UNIT_WIDTH 8
#include <memory>
#include <pcre2.h>
#include <string>
#include <string_view>
#include <tilt/error.hpp>
#include <utility>
#include <vector>

namespace tilt::detail {

/// A compiled regular expression over UTF-8 with Unicode classes. Matching is const and safe from several threads at once.
class pattern {
 public:
  /// An expression in the dialect of tokenizer.json (Oniguruma's, as Ruby has it).
  explicit pattern(const std::string& expression) : pattern(translated(expression), PCRE2_UCP | PCRE2_MULTILINE, expression) {}

  /// A pattern that matches a text literally.
  static pattern literal(const std::string& text) { return pattern(text, PCRE2_LITERAL, text); }

  /// Calls found(begin, end) for each match that is not empty, from the left. The text must be well-formed UTF-8.
  template <class Found> void each_match(std::string_view text, const Found& found) const {
    const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> data(pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
    PCRE2_SIZE from = 0;
    while (from < text.size()) {
      const auto match = [&](std::uint32_t options) {
        return pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY | options, data.get(), nullptr);
      };
      int result = match(0);
      if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_JIT);  // the interpreter's memory can grow
      if (result == PCRE2_ERROR_NOMATCH) return;
      if (result < 0) throw input_error("a regular expression of the tokenizer gives up on a text (PCRE2 error " + std::to_string(result) + "); leave the text out");
      const PCRE2_SIZE* const range = pcre2_get_ovector_pointer(data.get());
      found(static_cast<std::size_t>(range[0]), static_cast<std::size_t>(range[1]));
      from = range[1];
    }
  }

  /// The text with `by` in place of every match.
  std::string replaced(const std::string& text, const std::string& by) const {
    std::string out;
    std::size_t done = 0;
    each_match(text, [&](std::size_t begin, std::size_t end) {
      out.append(text, done, begin - done).append(by);
      done = end;
    });
    return out.append(text, done);
  }

 private:
  pattern(const std::string& expression, std::uint32_t options, const std::string& given) {
    std::size_t at = 0;
    code_.reset(compile(expression, options, at), pcre2_code_free);
    if (code_ == nullptr) throw input_error("the regular expression '" + given + "' is not supported (at character " + std::to_string(at) + ")");
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // without a compiler for this machine matching is only slower
  }
  static pcre2_code* compile(const std::string& expression, std::uint32_t options, std::size_t& fault_at) {
    const std::unique_ptr<pcre2_compile_context, void (*)(pcre2_compile_context*)> context(pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
    pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
    int fault = 0;
    return pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(), PCRE2_UTF | options, &fault, &fault_at, context.get());
  }

  /// The same expression for PCRE2, whose \s, \w and \b mean other characters and whose \p{Script} means script extensions. What the
  /// two dialects read differently otherwise is refused: intersections and nested classes, a possessive {m,n}+, \h and \H.
  static std::string translated(const std::string& given) {
    const std::string word = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\xB2\xB3\xB9\xBC-\xBE)", in_word = "[" + word + "]";
    const auto refuse = [&](const std::string& what) -> std::string { throw input_error("the regular expression '" + given + "' uses " + what + ", which is not supported"); };
    std::string out;
    bool in_class = false;
    for (std::size_t i = 0; i < given.size(); ++i) {
      const char c = given[i], next = i + 1 < given.size() ? given[i + 1] : '\0';
      if (c == '\\') {
        ++i;
        switch (next) {
          case 's': out += R"(\p{White_Space})"; break;
          case 'S': out += R"(\P{White_Space})"; break;
          case 'w': out += in_class ? word : in_word; break;
          case 'W': out += in_class ? refuse("\\W inside a class") : "[^" + word + "]"; break;
          case 'b': out += in_class ? "\\b" : "(?:(?<=" + in_word + ")(?!" + in_word + ")|(?<!" + in_word + ")(?=" + in_word + "))"; break;
          case 'B': out += "(?:(?<=" + in_word + ")(?=" + in_word + ")|(?<!" + in_word + ")(?!" + in_word + "))"; break;
          case 'h':
          case 'H': refuse(std::string("\\") + next); break;
          case 'p':
          case 'P': {
            const std::size_t end = given.find('}', i);
            if (i + 1 >= given.size() || given[i + 1] != '{' || end == std::string::npos) refuse("\\p without a name in braces");
            const std::string name = given.substr(i + 2, end - i - 2), script = std::string("\\") + next + "{sc:" + name + "}";
            std::size_t ignored = 0;
            const std::unique_ptr<pcre2_code, void (*)(pcre2_code*)> known(compile(script, 0, ignored), pcre2_code_free);
            out += known != nullptr && name.size() > 2 ? script : given.substr(i - 1, end - i + 2);
            i = end;
            break;
          }
          default: out += {c, next};
        }
      } else if (in_class) {
        if (c == '[' && next != ':') refuse("a class inside a class");
        if (c == '&' && next == '&') refuse("an intersection of classes");
        const std::size_t end = c == '[' ? given.find(":]", i) : std::string::npos;
        if (end != std::string::npos) {
          out += given.substr(i, end + 2 - i);
          i = end + 1;
        } else {
          if (c == ']') in_class = false;
          out += c;
        }
      } else {
        if (c == '[') in_class = true;
        if (c == '}' && next == '+') refuse("a possessive {m,n}+");
        out += c;
      }
    }
    return out;
  }

  std::shared_ptr<pcre2_code> code_;
};

}  // namespace tilt::detail

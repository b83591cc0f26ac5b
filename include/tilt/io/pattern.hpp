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
  explicit pattern(const std::string& expression) {
    int fault = 0;
    PCRE2_SIZE at = 0;
    pcre2_code* const code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(), PCRE2_UTF | PCRE2_UCP, &fault, &at, nullptr);
    if (code == nullptr) throw input_error("the regular expression '" + expression + "' is not supported (at character " + std::to_string(at) + ")");
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without a compiler for this machine matching is only slower
    code_.reset(code, pcre2_code_free);
  }

  /// Calls found(begin, end) for each match that is not empty, from the left. The text must be well-formed UTF-8.
  template <class Found> void each_match(std::string_view text, const Found& found) const {
    const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> data(pcre2_match_data_create_from_pattern(code_.get(), nullptr), pcre2_match_data_free);
    PCRE2_SIZE from = 0;
    while (from < text.size()) {
      const int result = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, data.get(), nullptr);
      if (result == PCRE2_ERROR_NOMATCH) return;
      if (result < 0) throw error("a regular expression could not be matched (PCRE2 error " + std::to_string(result) + ")");
      const PCRE2_SIZE* const range = pcre2_get_ovector_pointer(data.get());
      found(static_cast<std::size_t>(range[0]), static_cast<std::size_t>(range[1]));
      from = range[1];
    }
  }

  /// A pattern that matches a text literally.
  static pattern literal(std::string_view text) {
    std::string expression;
    for (const char c : text) {
      if (std::string_view("\\^$.[|()?*+{}]").find(c) != std::string_view::npos) expression += '\\';
      expression += c;
    }
    return pattern(expression);
  }

 private:
  std::shared_ptr<pcre2_code> code_;
};

}  // namespace tilt::detail

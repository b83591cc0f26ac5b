// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

namespace tilt::detail {

/// A Jinja program without the layout that prints nothing, so that two that print the same in the same way compare equal: no comments, no white
/// space within tags but in their strings, one kind of quotes, message['role'] for message.role, and text between tags as it is printed
/// with trim_blocks and lstrip_blocks, which transformers sets. A quotation mark inside a string is the byte 1. O(n).
class template_program {
 public:
  static std::string of(std::string_view source) { return template_program(source).out_; }

 private:
  explicit template_program(std::string_view source) {
    if (source.ends_with('\n')) source.remove_suffix(1);  // the file's last line break is none of the template's
    char kind = 0, right = 0;                              // of the tag before
    std::size_t at = 0;
    while (true) {
      std::size_t begin = source.find('{', at);
      while (begin != std::string_view::npos && (begin + 1 >= source.size() || std::string_view("{%#").find(source[begin + 1]) == std::string_view::npos))
        begin = source.find('{', begin + 1);
      const bool tag = begin != std::string_view::npos;
      const char next_kind = tag ? source[begin + 1] : 0, left = tag && begin + 2 < source.size() ? source[begin + 2] : 0;
      text(source.substr(at, tag ? begin - at : begin), at == 0, kind, right, next_kind, left);
      if (!tag) return;
      const std::size_t end = end_of_tag(source, begin);
      if (end == std::string_view::npos) {  // never closed, and so no program
        out_ += source.substr(begin);
        return;
      }
      kind = next_kind;
      right = source[end - 3];
      const std::size_t skipped = left == '-' || left == '+' ? 3 : 2;
      if (kind != '#' && end - begin >= skipped + 2) {
        (out_ += '{') += kind;
        expression(source.substr(begin + skipped, end - begin - skipped - 2 - (right == '-' ? 1 : 0)));
        (out_ += kind == '{' ? '}' : kind) += '}';
      }
      at = end;
    }
  }

  static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
  static bool is_block(char kind) { return kind == '%' || kind == '#'; }

  void text(std::string_view data, bool first, char kind_before, char right_before, char kind_after, char left_after) {
    if (right_before == '-' && kind_before != 0)
      while (!data.empty() && is_space(data.front())) data.remove_prefix(1);
    if (left_after == '-') {
      while (!data.empty() && is_space(data.back())) data.remove_suffix(1);
    } else if (is_block(kind_after) && left_after != '+') {  // lstrip_blocks
      std::size_t indent = data.size();
      while (indent > 0 && (data[indent - 1] == ' ' || data[indent - 1] == '\t')) --indent;
      if (indent > 0 ? data[indent - 1] == '\n' : first) data = data.substr(0, indent);
    }
    if (is_block(kind_before) && right_before != '-' && right_before != '+' && data.starts_with('\n')) data.remove_prefix(1);  // trim_blocks
    out_ += data;
  }

  /// Behind the closing brackets of the tag at `begin`.
  static std::size_t end_of_tag(std::string_view source, std::size_t begin) {
    const char kind = source[begin + 1], close = kind == '{' ? '}' : kind;
    char quote = 0;
    for (std::size_t i = begin + 2; i + 1 < source.size(); ++i) {
      const char c = source[i];
      if (quote != 0) {
        if (c == '\\') ++i;
        if (c == quote) quote = 0;
      } else if (kind != '#' && (c == '\'' || c == '"')) {
        quote = c;
      } else if (c == close && source[i + 1] == '}') {
        return i + 2;
      }
    }
    return std::string_view::npos;
  }

  void expression(std::string_view code) {
    char quote = 0;
    for (std::size_t i = 0; i < code.size(); ++i) {
      const char c = code[i];
      if (quote == 0) {
        const std::string_view rest = code.substr(i);
        const auto names = [rest](std::string_view key) {
          return rest.starts_with(key) && (rest.size() == key.size() || (!std::isalnum(static_cast<unsigned char>(rest[key.size()])) && rest[key.size()] != '_'));
        };
        if (is_space(c)) continue;
        if (c == '\'' || c == '"') quote = c;
        if (names(".role")) {
          out_ += "['role']";
          i += 4;
        } else if (names(".content")) {
          out_ += "['content']";
          i += 7;
        } else {
          out_ += quote != 0 ? '\'' : c;
        }
      } else if (c == quote) {
        quote = 0;
        out_ += '\'';
      } else if (c == '\\' && i + 1 < code.size()) {
        const char escaped = code[++i];
        if (escaped == 'n') out_ += '\n';
        else if (escaped == '\'') out_ += '\1';
        else if (escaped == '"' || escaped == '\\') out_ += escaped;
        else (out_ += c) += escaped;
      } else {
        out_ += c == '\'' ? '\1' : c;
      }
    }
  }

  std::string out_;
};

/// Whether a program is of a form: equal to it, where ⋯ stands for anything and … for something within a string, which goes to `held`.
inline bool program_matches(std::string_view form, std::string_view program, std::vector<std::string>& held) {
  static constexpr std::string_view anything = "⋯", something = "…";
  held.clear();
  bool free = false, holding = false;
  while (true) {
    const std::size_t wildcard = std::min(form.find(anything), form.find(something));
    const std::string_view fixed = form.substr(0, wildcard);
    std::size_t at = 0;
    if (wildcard == std::string_view::npos) {  // the last part stands at the end
      if (program.size() < fixed.size() || !program.ends_with(fixed)) return false;
      at = program.size() - fixed.size();
    } else {
      at = free ? program.find(fixed) : 0;
      if (at == std::string_view::npos || !program.substr(at).starts_with(fixed)) return false;
    }
    if (!free && at != 0) return false;
    if (holding) {
      std::string inside(program.substr(0, at));
      if (inside.find('\'') != std::string::npos) return false;
      for (char& c : inside)
        if (c == '\1') c = '\'';
      held.push_back(inside);
    }
    if (wildcard == std::string_view::npos) return true;
    program.remove_prefix(at + fixed.size());
    free = true;
    holding = form.substr(wildcard).starts_with(something);
    form.remove_prefix(wildcard + (holding ? something : anything).size());
  }
}

}  // namespace tilt::detail

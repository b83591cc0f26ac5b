// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/io/byte_level.hpp>
#include <tilt/io/normalizer.hpp>

namespace tilt::detail {

/// Cuts a normalised text into the pieces within which tokens are merged: the "pre_tokenizer" of a tokenizer.json.
class pre_tokenizer {
 public:
  pre_tokenizer() = default;
  explicit pre_tokenizer(const nlohmann::json& json) { add(json); }

  /// `first`: whether the text is the beginning of what was given (Metaspace may care).
  std::vector<std::string> operator()(std::string text, bool first) const {
    std::vector<std::string> pieces;
    if (!text.empty()) pieces.push_back(std::move(text));
    for (const step& s : steps_) {
      std::vector<std::string> cut;
      for (std::size_t i = 0; i < pieces.size(); ++i) std::visit([&](const auto& what) { apply(what, std::move(pieces[i]), first && i == 0, cut); }, s);
      pieces = std::move(cut);
    }
    return pieces;
  }

 private:
  enum class behaviour { removed, isolated, with_previous, with_next, contiguous };
  struct split {
    pattern what;
    behaviour how;
    bool invert;
  };
  struct byte_level {
    bool add_prefix_space;
  };
  struct metaspace {
    std::string replacement, scheme;
    bool cut;
  };
  using step = std::variant<split, byte_level, metaspace>;

  static constexpr const char* gpt2_pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

  /// Words, and what is neither word nor space. This part of the original has another dialect, whose words include the joiners.
  static constexpr const char* whitespace_pattern =
      R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}\s]+)";

  static behaviour behaviour_of(const std::string& name) {
    if (name == "Removed") return behaviour::removed;
    if (name == "Isolated") return behaviour::isolated;
    if (name == "MergedWithPrevious") return behaviour::with_previous;
    if (name == "MergedWithNext") return behaviour::with_next;
    if (name == "Contiguous") return behaviour::contiguous;
    throw input_error("the split behaviour '" + name + "' is not supported");
  }

  void add(const nlohmann::json& json) {
    if (json.is_null()) return;
    const std::string type = json.at("type");
    if (type == "Sequence") {
      for (const auto& inner : json.at("pretokenizers")) add(inner);
    } else if (type == "ByteLevel") {
      // Its optional space comes before its own cut.
      if (json.value("add_prefix_space", false)) steps_.push_back(byte_level{true});
      if (json.value("use_regex", true)) steps_.push_back(split{pattern(gpt2_pattern), behaviour::isolated, false});
      steps_.push_back(byte_level{false});
    } else if (type == "Split") {
      steps_.push_back(split{pattern_of(json.at("pattern")), behaviour_of(json.at("behavior")), json.value("invert", false)});
    } else if (type == "Digits") {
      steps_.push_back(split{pattern(json.value("individual_digits", false) ? "\\p{N}" : "\\p{N}+"), behaviour::isolated, false});
    } else if (type == "Punctuation") {
      steps_.push_back(split{pattern("[!-/:-@\\[-`{-~\\p{P}]"), behaviour_of(json.value("behavior", "Isolated")), false});
    } else if (type == "Whitespace") {
      steps_.push_back(split{pattern(whitespace_pattern), behaviour::removed, true});
    } else if (type == "WhitespaceSplit") {
      steps_.push_back(split{pattern("\\s"), behaviour::removed, false});
    } else if (type == "Metaspace") {
      const bool old_space = json.value("add_prefix_space", true);
      steps_.push_back(metaspace{json.value("replacement", "\xE2\x96\x81"), json.value("prepend_scheme", old_space ? "always" : "never"), json.value("split", true)});
    } else {
      throw input_error("the pre_tokenizer '" + type + "' is not supported; Sequence, ByteLevel, Split, Digits, Punctuation, Whitespace, WhitespaceSplit and Metaspace are");
    }
  }

  static void apply(const split& s, std::string text, bool, std::vector<std::string>& out) {
    struct part {
      std::size_t begin, end;
      bool match;
    };
    std::vector<part> parts;
    std::size_t done = 0;
    s.what.each_match(text, [&](std::size_t begin, std::size_t end) {
      if (begin > done) parts.push_back({done, begin, s.invert});
      parts.push_back({begin, end, !s.invert});
      done = end;
    });
    if (done < text.size()) parts.push_back({done, text.size(), s.invert});
    std::vector<part> kept;
    bool carry = false;  // the last kept part waits for its next
    for (const part& p : parts) {
      const bool adjacent = !kept.empty() && kept.back().end == p.begin;
      switch (s.how) {
        case behaviour::removed:
          if (!p.match) kept.push_back(p);
          break;
        case behaviour::isolated:
          kept.push_back(p);
          break;
        case behaviour::contiguous:
          if (adjacent && kept.back().match == p.match) kept.back().end = p.end;
          else kept.push_back(p);
          break;
        case behaviour::with_previous:
          if (p.match && adjacent && !kept.back().match) kept.back().end = p.end, kept.back().match = true;
          else kept.push_back(p);
          break;
        case behaviour::with_next:
          if (!p.match && carry) kept.back().end = p.end;
          else kept.push_back(p);
          carry = p.match;
          break;
      }
    }
    for (const part& p : kept) out.push_back(text.substr(p.begin, p.end - p.begin));
  }
  static void apply(const byte_level& b, std::string text, bool, std::vector<std::string>& out) {
    if (b.add_prefix_space) out.push_back(text.starts_with(' ') ? std::move(text) : ' ' + text);
    else out.push_back(byte_alphabet::instance().encode(text));
  }
  static void apply(const metaspace& m, std::string text, bool first, std::vector<std::string>& out) {
    std::string spaced;
    for (const char c : text) c == ' ' ? spaced += m.replacement : spaced += c;
    if ((m.scheme == "always" || (m.scheme == "first" && first)) && !spaced.starts_with(m.replacement)) spaced = m.replacement + spaced;
    if (!m.cut) {
      out.push_back(std::move(spaced));
      return;
    }
    std::size_t begin = 0;
    for (std::size_t at = spaced.find(m.replacement, 1); at != std::string::npos; at = spaced.find(m.replacement, at + 1)) {
      out.push_back(spaced.substr(begin, at - begin));
      begin = at;
    }
    out.push_back(spaced.substr(begin));
  }

  std::vector<step> steps_;
};

}  // namespace tilt::detail

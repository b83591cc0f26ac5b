// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/io/byte_level.hpp>
#include <tilt/io/normalizer.hpp>

namespace tilt::detail {

/// Turns the texts of tokens back into a text: the "decoder" of a tokenizer.json.
class token_decoder {
 public:
  token_decoder() = default;
  explicit token_decoder(const nlohmann::json& json) { add(json); }

  std::string operator()(std::vector<std::string> tokens) const {
    for (const step& s : steps_) tokens = std::visit([&](const auto& what) { return apply(what, std::move(tokens)); }, s);
    std::string text;
    for (std::size_t i = 0; i < tokens.size(); ++i) text += (steps_.empty() && i > 0 ? " " : "") + tokens[i];
    return text;
  }

 private:
  struct byte_level {};
  struct byte_fallback {};
  struct fuse {};
  struct replace {
    pattern what;
    std::string by;
  };
  struct strip {
    std::string what;
    std::size_t start, stop;
  };
  struct metaspace {
    std::string replacement;
    bool drops_first;
  };
  using step = std::variant<byte_level, byte_fallback, fuse, replace, strip, metaspace>;
  using texts = std::vector<std::string>;

  void add(const nlohmann::json& json) {
    if (json.is_null()) return;
    const std::string type = json.at("type");
    if (type == "Sequence") {
      for (const auto& inner : json.at("decoders")) add(inner);
    } else if (type == "ByteLevel") {
      steps_.push_back(byte_level{});
    } else if (type == "ByteFallback") {
      steps_.push_back(byte_fallback{});
    } else if (type == "Fuse") {
      steps_.push_back(fuse{});
    } else if (type == "Replace") {
      steps_.push_back(replace{pattern_of(json.at("pattern")), json.at("content")});
    } else if (type == "Strip") {
      steps_.push_back(strip{json.at("content"), json.at("start"), json.at("stop")});
    } else if (type == "Metaspace") {
      const bool old_space = json.value("add_prefix_space", true);
      steps_.push_back(metaspace{json.value("replacement", "\xE2\x96\x81"), json.value("prepend_scheme", old_space ? "always" : "never") != "never"});
    } else {
      throw input_error("the decoder '" + type + "' is not supported; Sequence, ByteLevel, ByteFallback, Fuse, Replace, Strip and Metaspace are");
    }
  }

  static texts apply(const byte_level&, texts tokens) {
    std::string bytes;
    for (const std::string& t : tokens) bytes += byte_alphabet::instance().decode(t);
    return {repaired_utf8(bytes)};
  }
  /// Runs of <0xNN> become the text that their bytes spell, or a U+FFFD for each if they spell none.
  static texts apply(const byte_fallback&, texts tokens) {
    texts out;
    std::string run;
    const auto flush = [&] {
      if (run.empty()) return;
      if (utf8_fault(run) == run.size()) {
        out.push_back(run);
      } else {
        for (std::size_t i = 0; i < run.size(); ++i) out.push_back("\xEF\xBF\xBD");
      }
      run.clear();
    };
    for (std::string& t : tokens) {
      const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
      if (t.size() == 6 && t.starts_with("<0x") && t.back() == '>' && digit(t[3]) >= 0 && digit(t[4]) >= 0) {
        run.push_back(static_cast<char>(digit(t[3]) * 16 + digit(t[4])));
      } else {
        flush();
        out.push_back(std::move(t));
      }
    }
    flush();
    return out;
  }
  static texts apply(const fuse&, texts tokens) {
    std::string all;
    for (const std::string& t : tokens) all += t;
    return {all};
  }
  static texts apply(const replace& r, texts tokens) {
    for (std::string& t : tokens) t = r.what.replaced(t, r.by);
    return tokens;
  }
  static texts apply(const strip& s, texts tokens) {
    for (std::string& t : tokens) {
      for (std::size_t i = 0; i < s.start && t.starts_with(s.what); ++i) t.erase(0, s.what.size());
      for (std::size_t i = 0; i < s.stop && t.ends_with(s.what); ++i) t.resize(t.size() - s.what.size());
    }
    return tokens;
  }
  static texts apply(const metaspace& m, texts tokens) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::string out;
      for (std::size_t at = 0; at < tokens[i].size();) {
        if (tokens[i].compare(at, m.replacement.size(), m.replacement) == 0) {
          if (!(i == 0 && at == 0 && m.drops_first)) out += ' ';
          at += m.replacement.size();
        } else {
          out += tokens[i][at++];
        }
      }
      tokens[i] = out;
    }
    return tokens;
  }

  std::vector<step> steps_;
};

}  // namespace tilt::detail

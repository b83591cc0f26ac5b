// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <zlib.h>
#include <algorithm>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <tilt/io/file.hpp>
#include <tilt/io/utf8.hpp>
#include <tilt/scalar/config.hpp>
#include <utility>
#include <vector>

namespace tilt {

struct message {
  std::string role, content;
  friend bool operator==(const message&, const message&) = default;
};

/// A part of an example: a text, or the messages of a conversation.
struct example_part {
  std::string text;
  std::vector<message> messages;
  bool conversational = false;
};

enum class example_kind {
  pair,        ///< prompt, chosen, rejected
  labelled,    ///< prompt, completion, and whether it is desirable
  completion,  ///< prompt, completion
  ranked,      ///< prompt and responses, the best first
  text,        ///< completion alone: a text, or a whole conversation
  ids          ///< token ids as they stand
};

/// One row of a data set, before tokenising.
struct example {
  example_kind kind = example_kind::text;
  example_part prompt = {}, chosen = {}, rejected = {}, completion = {};
  bool label = true;
  std::vector<token> ids = {};
  index line = 0;                            ///< in its file, from 1; of an array, the element's number
  std::vector<example_part> responses = {};  ///< of a ranking
  std::vector<double> scores = {};           ///< of a pair (chosen, rejected) or of a ranking's responses; empty: none are given
  double weight = 1;                         ///< in the loss
  double win_probability = 1;                ///< of a pair: that the chosen response is the better one
  double margin = 0;                         ///< of a pair: by how much a reward model is to set the chosen response ahead
};

namespace detail {

/// A file's text, unpacked if it is gzipped.
inline std::string read_text(const std::filesystem::path& path) {
  const mapped_file file(path);
  const std::string_view raw = file.text();
  if (!raw.starts_with("\x1f\x8b")) return std::string(raw);
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> zip(gzopen(path.c_str(), "rb"), gzclose);
  if (!zip) throw input_error(path.string() + ": cannot be unpacked; is it a gzip file?");
  std::string text;
  char buffer[1 << 16];
  for (int n; (n = gzread(zip.get(), buffer, sizeof buffer)) != 0;) {
    if (n < 0) throw input_error(path.string() + ": is a damaged gzip file; get it again");
    text.append(buffer, static_cast<std::size_t>(n));
  }
  int state = Z_OK;
  gzerror(zip.get(), &state);
  if (state != Z_OK && state != Z_STREAM_END) throw input_error(path.string() + ": is a damaged gzip file; get it again");
  return text;
}

/// Turns a row's JSON into an example; faults name the place.
class example_reader {
 public:
  example_reader(const nlohmann::json& row, std::string place) : row_(row), place_(std::move(place)) {}

  example read() const {
    if (!row_.is_object())
      refuse("is not a JSON object", "write each example as {\"prompt\": …, \"chosen\": …, \"rejected\": …} or another known shape");
    example e;
    if (has("ids")) {
      e.kind = example_kind::ids;
      if (!row_["ids"].is_array()) refuse("'ids' is not a list of token ids", "write them as [1, 2, 3]");
      for (const auto& id : row_["ids"]) {
        if (!id.is_number_integer() || id < 0 || id > std::numeric_limits<token>::max())
          refuse("'ids' has an entry that is not a token's id", "write token ids as [1, 2, 3]");
        e.ids.push_back(id.get<token>());
      }
    } else if (has("chosen") || has("rejected")) {
      e.kind = example_kind::pair;
      e.chosen = part("chosen");
      e.rejected = part("rejected");
      if (has("prompt"))
        e.prompt = part("prompt");
      else if (has("conversations"))
        e.prompt = conversation("conversations");
      else
        split_prompt(e);
      if (!e.prompt.conversational && begin_alike(e.chosen.messages, e.rejected.messages))
        split_prompt(e);  // some repeat as a text what the conversations begin with
      same_form(e.prompt, e.chosen);
      same_form(e.prompt, e.rejected);
      if (has("score_chosen") || has("score_rejected")) e.scores = {number("score_chosen"), number("score_rejected")};
      if (has("margin")) e.margin = number("margin");
      if (has("win_probability")) e.win_probability = number("win_probability");
      if (!(e.win_probability >= 0 && e.win_probability <= 1))
        refuse("'win_probability' is not between 0 and 1", "write how probable it is that the chosen response is the better one");
    } else if (has("responses")) {
      read_ranking(e);
    } else if (has("completion")) {
      e.kind = has("label") ? example_kind::labelled : example_kind::completion;
      e.prompt = part("prompt");
      e.completion = part("completion");
      same_form(e.prompt, e.completion);
      if (e.kind == example_kind::labelled) e.label = flag("label");
    } else if ((has("messages") || has("conversations")) &&
               (has("label") || has("kto_tag"))) {  // one conversation, its last message judged
      e.kind = example_kind::labelled;
      e.prompt = conversation(has("messages") ? "messages" : "conversations");
      if (e.prompt.messages.size() < 2) refuse("the conversation has no answer", "give at least a question and an answer");
      e.completion.conversational = true;
      e.completion.messages.push_back(std::move(e.prompt.messages.back()));
      e.prompt.messages.pop_back();
      e.label = flag(has("label") ? "label" : "kto_tag");
    } else if (has("messages") || has("conversations")) {
      e.completion = conversation(has("messages") ? "messages" : "conversations");
    } else if (has("text")) {
      e.completion = part("text");
      if (e.completion.conversational) refuse("'text' is not a text", "write a string, or name the column 'messages'");
    } else {
      refuse("has none of the columns chosen/rejected, responses, completion, text, messages or ids, but " + columns(),
             "see docs/command-line.md for the shapes of data");
    }
    if (has("weight")) e.weight = number("weight");
    if (!(e.weight >= 0)) refuse("'weight' is negative", "write 0 or more");
    return e;
  }

 private:
  [[noreturn]] void refuse(const std::string& what, const std::string& remedy) const {
    throw input_error(place_ + ": " + what + "; " + remedy);
  }
  /// The names of those that there are, at most six.
  std::string columns() const {
    if (row_.empty()) return "no columns at all";
    std::string names;
    int count = 0;
    for (const auto& [name, value] : row_.items()) {
      if (++count > 6) return names + ", …";
      names += (names.empty() ? "" : ", ") + name;
    }
    return names;
  }
  bool has(const char* key) const { return row_.contains(key) && !row_[key].is_null(); }

  bool flag(const char* key) const {
    const auto& value = row_[key];
    if (value.is_boolean()) return value.get<bool>();
    if (value.is_number_integer() && (value == 0 || value == 1)) return value == 1;
    refuse(std::string("'") + key + "' is neither true nor false",
           "write true for a desirable completion and false for an undesirable one");
  }

  double number(const char* key) const { return number(key, has(key) ? row_[key] : nlohmann::json()); }
  double number(const char* key, const nlohmann::json& value) const {
    if (!value.is_number()) refuse(std::string("'") + key + "' is missing or not a number", "write one such as 0.5");
    return value.get<double>();
  }

  /// Responses, the best first; or in any order with scores, by which they are then ordered.
  void read_ranking(example& e) const {
    e.kind = example_kind::ranked;
    e.prompt = part("prompt");
    const auto& list = row_["responses"];
    if (!list.is_array() || list.size() < 2) refuse("'responses' is not a list of two or more", "write them as a list, the best first");
    for (const auto& one : list) {
      e.responses.push_back(part_of("responses", one));
      same_form(e.prompt, e.responses.back());
    }
    if (!has("scores")) return;
    if (!row_["scores"].is_array() || row_["scores"].size() != list.size())
      refuse("'scores' is not a number for each response", "write a list as long as 'responses'");
    std::vector<std::pair<double, example_part>> ordered;
    for (std::size_t k = 0; k < list.size(); ++k) ordered.emplace_back(number("scores", row_["scores"][k]), std::move(e.responses[k]));
    std::stable_sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (std::size_t k = 0; k < list.size(); ++k) {
      e.scores.push_back(ordered[k].first);
      e.responses[k] = std::move(ordered[k].second);
    }
  }

  example_part part(const char* key) const {
    if (!has(key)) refuse(std::string("the column '") + key + "' is missing", "add it, or give data of another shape");
    return part_of(key, row_[key]);
  }
  example_part part_of(const char* key, const nlohmann::json& value) const {
    example_part p;
    if (value.is_string()) {
      p.text = value;
    } else if (value.is_array() || value.is_object()) {
      p.conversational = true;
      if (value.is_object())
        p.messages.push_back(one_message(key, value));
      else
        for (const auto& m : value) p.messages.push_back(one_message(key, m));
    } else {
      refuse(std::string("'") + key + "' is neither a text nor a list of messages", "write a string or [{\"role\": …, \"content\": …}]");
    }
    return p;
  }
  example_part conversation(const char* key) const {
    example_part p = part(key);
    if (!p.conversational) refuse(std::string("'") + key + "' is not a list of messages", "write [{\"role\": …, \"content\": …}, …]");
    if (std::string_view(key) == "conversations" && has("system") && row_["system"].is_string() &&
        row_["system"] != "")  // ShareGPT's own column
      p.messages.insert(p.messages.begin(), {"system", row_["system"].get<std::string>()});
    return p;
  }
  message one_message(const char* key, const nlohmann::json& m) const {
    const auto text = [&](const char* a, const char* b) -> std::string {
      for (const char* const name : {a, b})
        if (m.is_object() && m.contains(name) && m[name].is_string()) return m[name];
      refuse(std::string("a message of '") + key + "' has no '" + a + "'", "write messages as {\"role\": …, \"content\": …}");
    };
    std::string role = text("role", "from");
    if (role == "human") role = "user";
    if (role == "gpt") role = "assistant";
    return {role, text("content", "value")};
  }

  void same_form(const example_part& prompt, const example_part& answer) const {
    if (prompt.conversational != answer.conversational)
      refuse("mixes a text with a conversation", "give prompt and answers in the same form");
  }

  static bool begin_alike(std::span<const message> a, std::span<const message> b) {
    return !a.empty() && !b.empty() && a.front() == b.front();
  }

  /// TRL's rule for a prompt that is not given apart: the longest common beginning, of characters or of messages; a space at its end
  /// goes to the answers; if one answer begins the other, it is the last common element that does.
  void split_prompt(example& e) const {
    same_form(e.chosen, e.rejected);
    e.prompt = {{}, {}, e.chosen.conversational};
    if (e.chosen.conversational) {
      auto &a = e.chosen.messages, &b = e.rejected.messages;
      const std::size_t n = common(a.size(), b.size(), [&](std::size_t i) { return a[i] == b[i]; });
      e.prompt.messages.assign(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n));
      a.erase(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n));
      b.erase(b.begin(), b.begin() + static_cast<std::ptrdiff_t>(n));
    } else {
      std::string &a = e.chosen.text, &b = e.rejected.text;
      const std::size_t shorter = std::min(a.size(), b.size());
      std::size_t cut = 0;
      while (cut < shorter && a[cut] == b[cut]) ++cut;
      const bool differ = cut < shorter;
      if (!differ && cut > 0) --cut;
      while (cut > 0 && (starts_within(a, cut) || starts_within(b, cut))) --cut;  // no character is cut
      if (differ && cut > 0 && a[cut - 1] == ' ') --cut;
      e.prompt.text = a.substr(0, cut);
      a.erase(0, cut);
      b.erase(0, cut);
    }
  }
  static bool starts_within(const std::string& text, std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  }
  template <class Equal> static std::size_t common(std::size_t a, std::size_t b, const Equal& equal) {
    const std::size_t shorter = std::min(a, b);
    for (std::size_t i = 0; i < shorter; ++i)
      if (!equal(i)) return i;
    return shorter > 0 ? shorter - 1 : 0;
  }

  const nlohmann::json& row_;
  std::string place_;
};

/// Throws input_error for a table: its first line, from `first` on, names columns instead of being JSON, and no line of JSON follows.
inline void refuse_table(std::string_view text, std::size_t first, const std::string& name) {
  const std::size_t end = std::min(text.find_first_of("\r\n", first), text.size()), next = text.find_first_not_of(" \t\r\n", end);
  const std::string_view header = text.substr(first, end - first);
  const auto apart = [&header](char separator) { return header.find(separator) != std::string_view::npos; };
  const char* const kind = apart('\t') ? "TSV" : apart(',') || apart(';') ? "CSV" : nullptr;
  if (next != std::string_view::npos && text[next] == '{') return;
  if (kind == nullptr || header.find_first_of("{}[]: ") != std::string_view::npos) return;  // text has spaces
  throw input_error(
      name + ":" + std::to_string(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(first), '\n') + 1) + ": looks like " +
      kind + "; give JSONL, a line such as {\"prompt\": …, \"chosen\": …, \"rejected\": …} for each example, or a JSON array of them");
}

}  // namespace detail

/// The rows of a JSONL file or of a JSON array, gzipped or not, in TRL's shapes (prompt/chosen/rejected, chosen/rejected, prompt/
/// completion with or without label, text, messages, conversational or plain), ShareGPT's, prompt/responses (a ranking, the best
/// first, or in any order with scores), or {"ids": […]}. Pairs may have score_chosen, score_rejected, win_probability and margin, all but ids a weight. Throws input_error with file
/// and line.
inline std::vector<example> read_examples(const std::filesystem::path& path) {
  std::string text = detail::read_text(path);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);  // a byte-order mark
  const std::string name = path.string();
  std::vector<example> examples;
  const auto place = [&](index line) { return name + ":" + std::to_string(line); };
  if (const std::size_t fault = detail::utf8_fault(text); fault != text.size())
    throw input_error(place(static_cast<index>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(fault), '\n')) + 1) +
                      ": is not valid UTF-8; convert the file to UTF-8");
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) throw input_error(name + ": is empty; give at least one example");
  detail::refuse_table(text, first, name);
  const auto parse = [&](std::string_view part, index line) {
    try {
      return nlohmann::json::parse(part);
    } catch (const nlohmann::json::parse_error& fault) {
      throw input_error(place(line) + ": is not valid JSON, from byte " + std::to_string(fault.byte) +
                        " of the line on; repair or remove it");
    } catch (const nlohmann::json::exception&) {
      throw input_error(place(line) + ": has a number that is too large; repair or remove the line");
    }
  };
  if (text[first] == '[') {
    nlohmann::json all;
    try {
      all = nlohmann::json::parse(text);
    } catch (const nlohmann::json::exception& e) {
      const auto* const fault = dynamic_cast<const nlohmann::json::parse_error*>(&e);
      if (fault == nullptr) throw input_error(name + ": has a number that is too large; repair the array");
      const auto at = static_cast<std::ptrdiff_t>(std::min<std::size_t>(fault->byte, text.size()));
      throw input_error(place(static_cast<index>(std::count(text.begin(), text.begin() + at, '\n')) + 1) +
                        ": is not valid JSON; repair the array");
    }
    index number = 0;
    for (const auto& row : all) {
      ++number;
      examples.push_back(detail::example_reader(row, name + ", example " + std::to_string(number)).read());
      examples.back().line = number;
    }
  } else {
    index line = 0;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      const std::string_view part = std::string_view(text).substr(begin, end - begin);
      begin = end + 1;
      ++line;
      if (part.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      const nlohmann::json row = parse(part, line);
      examples.push_back(detail::example_reader(row, place(line)).read());
      examples.back().line = line;
    }
  }
  if (examples.empty()) throw input_error(name + ": has no examples; give at least one");
  return examples;
}

}  // namespace tilt

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <tilt/io/examples.hpp>

namespace tilt {

/// One row of a file: where its bytes stand, and the example, or why there is none.
struct example_row {
  index line = 0;                  ///< from 1; of an array, the element's number
  std::size_t begin = 0, end = 0;  ///< in the file's text
  std::optional<example> read = {};
  std::string fault = {};  ///< a clause, where `read` is empty
};

/// A file of examples with its bytes, for those who must look at every row although some cannot be read.
struct example_file {
  std::string text;  ///< unpacked, without a byte-order mark
  bool array = false;
  std::vector<example_row> rows;

  std::string_view bytes(const example_row& row) const { return std::string_view(text).substr(row.begin, row.end - row.begin); }
};

namespace detail {

inline void read_row(std::string_view bytes, example_row& row) {
  if (utf8_fault(bytes) != bytes.size()) {
    row.fault = "is not valid UTF-8";
    return;
  }
  const nlohmann::json parsed = nlohmann::json::parse(bytes, nullptr, false);
  if (parsed.is_discarded()) {
    row.fault = "is not valid JSON";
    return;
  }
  try {
    row.read = example_reader(parsed, "").read();
    row.read->line = row.line;
  } catch (const input_error& e) {
    row.fault = e.what();
    row.fault.erase(0, row.fault.find_first_not_of(": "));
    row.fault.erase(std::min(row.fault.find("; "), row.fault.size()));  // the reason, without the remedy
  }
}

/// Where each element of a JSON array that parses begins and ends.
template <class Each> void each_element(std::string_view array, const Each& each) {
  std::size_t depth = 0, begin = 0;
  bool in_string = false;
  for (std::size_t at = array.find('['); at < array.size(); ++at) {
    const char c = array[at];
    if (in_string) {
      if (c == '\\')
        ++at;
      else if (c == '"')
        in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '[' || c == '{') {
      if (++depth == 1) begin = at + 1;
    }
    const bool closing = c == ']' || c == '}';
    if (depth == 1 && (c == ',' || c == ']')) {
      std::size_t end = at;
      while (begin < end && std::string_view(" \t\r\n").find(array[begin]) != std::string_view::npos) ++begin;
      while (end > begin && std::string_view(" \t\r\n").find(array[end - 1]) != std::string_view::npos) --end;
      if (begin < end) each(begin, end);
      begin = at + 1;
    }
    if (closing && --depth == 0) return;
  }
}

}  // namespace detail

/// All rows of a JSONL file or a JSON array, gzipped or not, in the shapes of read_examples; a row that is no example keeps its fault.
/// Throws input_error for a file that cannot be opened or has no rows, and for an array that is no JSON as a whole.
inline example_file read_example_rows(const std::filesystem::path& path) {
  example_file file{detail::read_text(path), false, {}};
  std::string& text = file.text;
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  const std::string name = path.string();
  const auto add = [&](std::size_t begin, std::size_t end) {
    detail::read_row(std::string_view(text).substr(begin, end - begin), file.rows.back());
  };
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) throw input_error(name + ": is empty; give at least one example");
  detail::refuse_table(text, first, name);
  file.array = text[first] == '[';
  if (file.array) {
    if (!nlohmann::json::accept(text))
      throw input_error(name + ": is not valid JSON; repair the array, or give JSONL, of which each line is checked alone");
    detail::each_element(text, [&](std::size_t begin, std::size_t end) {
      file.rows.push_back({static_cast<index>(file.rows.size()) + 1, begin, end});
      add(begin, end);
    });
  } else {
    index line = 0;
    for (std::size_t begin = 0, end; begin < text.size(); begin = end + 1) {
      end = std::min(text.find('\n', begin), text.size());
      ++line;
      if (std::string_view(text).substr(begin, end - begin).find_first_not_of(" \t\r") == std::string_view::npos) continue;
      file.rows.push_back({line, begin, end});
      add(begin, end);
    }
  }
  if (file.rows.empty()) throw input_error(name + ": has no examples; give at least one");
  return file;
}

}  // namespace tilt

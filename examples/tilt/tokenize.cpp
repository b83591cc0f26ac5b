// SPDX-License-Identifier: Apache-2.0
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <tilt/io/tokenizer.hpp>
#include <vector>

#include "commands.hpp"
#include "settings.hpp"
#include "text_io.hpp"

namespace tilt::program {
namespace {

constexpr const char* more = R"(
  tilt tokenize --model SmolLM2 < text.txt > ids.txt
  tilt tokenize --model SmolLM2 --decode < ids.txt)";

struct tokenize_command {
  explicit tokenize_command(CLI::App& app) : options(app) {
    options.group("Files");
    options.add("model", model, "Hugging Face model folder, or its tokenizer.json", "FOLDER").also("model_name_or_path");
    options.add("data", data, "lines to convert [standard input]", "FILE").also("input");
    options.add("output", output, "file to write [standard output]", "FILE");
    options.group("Form");
    options.add("decode", decode, "ids in, text out");
    options.add("json", json, "a line of text is a JSON string, which may hold line ends; ids are a JSON list");
    options.add("special_tokens", special, "add those that stand around a text; take them away in decoding");
  }

  int run() {
    options.apply();
    options.require("model", "the folder whose tokenizer.json is used");
    const std::filesystem::path path = model;
    const tokenizer t(std::filesystem::is_directory(path) ? path / "tokenizer.json" : path);
    check_output(output, data);
    line_reader lines(data);
    result_writer results(output);
    for (std::string line; lines.next(line);) {
      try {
        results.write((decode ? decoded(t, line) : encoded(t, line)) + "\n");
      } catch (const input_error& e) { throw input_error(lines.where() + ": " + e.what()); }
    }
    results.finish();
    return 0;
  }

  std::string encoded(const tokenizer& t, const std::string& line) const {
    std::string text = line;
    if (json) {
      const nlohmann::json value = nlohmann::json::parse(line, nullptr, false);
      if (!value.is_string()) throw input_error("is not a JSON string; write one such as \"a text\", or leave --json away");
      text = value.get<std::string>();
    }
    const std::vector<token> ids = t.encode(text, special);
    if (json) return nlohmann::json(ids).dump();
    std::string numbers;
    for (const token id : ids) numbers += (numbers.empty() ? "" : " ") + std::to_string(id);
    return numbers;
  }

  std::string decoded(const tokenizer& t, const std::string& line) const {
    const std::string text = t.decode(numbers_in(line), special);
    return json ? nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) : text;
  }

  /// "1 2 3" and "[1, 2, 3]".
  static std::vector<token> numbers_in(const std::string& line) {
    std::vector<token> ids;
    for (std::size_t at = 0; at < line.size();) {
      const char c = line[at];
      if (c == ' ' || c == '\t' || c == ',' || c == '[' || c == ']' || c == '\r') {
        ++at;
        continue;
      }
      char* end = nullptr;
      const long value = std::strtol(line.c_str() + at, &end, 10);
      if (end == line.c_str() + at || value < 0 || value > 0x7fffffff)
        throw input_error("\"" + line.substr(at, 20) + "\" is no token id; write numbers such as 1 2 3");
      ids.push_back(static_cast<token>(value));
      at = static_cast<std::size_t>(end - line.c_str());
    }
    return ids;
  }

  settings options;
  std::string model, data, output;
  bool decode = false, json = false, special = true;
};

}  // namespace

void add_tokenize(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("tokenize", "Lines of text to token ids, and back");
  app.footer(more);
  const auto command = std::make_shared<tokenize_command>(app);
  app.callback([&chosen, command] { chosen = [command] { return command->run(); }; });
}

}  // namespace tilt::program

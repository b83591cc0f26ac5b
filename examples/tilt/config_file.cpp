// SPDX-License-Identifier: Apache-2.0
#include "config_file.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <tilt/error.hpp>

namespace tilt::program {
namespace {

using ordered = nlohmann::ordered_json;

std::string text_of(const std::string& path) {
  std::error_code code;
  if (std::filesystem::is_directory(path, code)) throw input_error(path + ": is a folder; give --config a JSON or YAML file");
  std::ifstream file(path, std::ios::binary);
  if (!file) throw input_error(path + ": cannot be opened (" + std::strerror(errno) + "); give --config a JSON or YAML file");
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A JSON text without objects that say a key twice, which the parser would pass over.
class key_check {
 public:
  explicit key_check(const std::string& path) : path_(path) {}
  bool operator()(int, ordered::parse_event_t event, ordered& value) {
    if (event == ordered::parse_event_t::object_start) seen_.emplace_back();
    if (event == ordered::parse_event_t::object_end) seen_.pop_back();
    if (event == ordered::parse_event_t::key && !seen_.back().insert(value.get<std::string>()).second)
      throw input_error(path_ + ": the key \"" + value.get<std::string>() + "\" stands there twice; leave one");
    return true;
  }

 private:
  std::string path_;
  std::vector<std::set<std::string>> seen_;
};

nlohmann::json value_of(const YAML::Node& node) {
  if (node.IsNull()) return nullptr;
  if (node.IsSequence()) {
    nlohmann::json list = nlohmann::json::array();
    for (const YAML::Node& item : node) list.push_back(value_of(item));
    return list;
  }
  if (node.IsMap()) {
    nlohmann::json object = nlohmann::json::object();
    for (const auto& item : node) object[item.first.Scalar()] = value_of(item.second);
    return object;
  }
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return text;  // quoted
  if (bool value; YAML::convert<bool>::decode(node, value)) return value;
  const nlohmann::json number = nlohmann::json::parse(text, nullptr, false);
  return number.is_number() ? number : nlohmann::json(text);
}

config_entries read_yaml(const std::string& path, const std::string& text) {
  YAML::Node root;
  try {
    root = YAML::Load(text);
  } catch (const YAML::Exception& e) {
    throw input_error(path + ":" + std::to_string(e.mark.line + 1) + ": is not YAML (" + e.msg + "); correct the line");
  }
  if (!root.IsMap()) throw input_error(path + ": holds no settings; write lines such as \"beta: 0.1\"");
  config_entries entries;
  std::set<std::string> seen;
  for (const auto& item : root) {
    const std::string key = item.first.IsScalar() ? item.first.Scalar() : std::string();
    const std::string where = path + ":" + std::to_string(item.first.Mark().line + 1);
    if (key.empty()) throw input_error(where + ": a key must be a name; write \"name: value\"");
    if (!seen.insert(key).second) throw input_error(where + ": the key \"" + key + "\" stands there twice; leave one");
    entries.emplace_back(key, value_of(item.second));
  }
  return entries;
}

config_entries read_json(const std::string& path, const std::string& text) {
  ordered root;
  try {
    root = ordered::parse(text, ordered::parser_callback_t(key_check(path)));
  } catch (const ordered::parse_error& e) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(std::min(e.byte, text.size())), '\n');
    throw input_error(path + ":" + std::to_string(line) + ": is not JSON; correct the line");
  }
  if (!root.is_object()) throw input_error(path + ": holds no settings; write an object such as {\"beta\": 0.1}");
  config_entries entries;
  for (const auto& [key, value] : root.items()) entries.emplace_back(key, nlohmann::json(value));
  return entries;
}

}  // namespace

config_entries read_config(const std::string& path) {
  const std::string text = text_of(path);
  const auto first = text.find_first_not_of(" \t\r\n");
  if (path.ends_with(".json") || (first != std::string::npos && text[first] == '{')) return read_json(path, text);
  return read_yaml(path, text);
}

}  // namespace tilt::program

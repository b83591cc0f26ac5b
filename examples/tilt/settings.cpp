// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <tilt/error.hpp>

#include "config_file.hpp"
#include "nearest.hpp"
#include "setting_text.hpp"
#include "trl_keys.hpp"

namespace tilt::program {
namespace {

bool is_usual(const nlohmann::json& value, const std::string& usual) {
  return value.is_null() || text_of(value) == usual || (value.is_number() && plain(value.get<double>()) == usual);
}

}  // namespace

std::vector<settings*>& settings::everywhere() {
  static std::vector<settings*> all;
  return all;
}

settings::settings(CLI::App& command) : command_(&command) {
  command.allow_extras();
  everywhere().push_back(this);
}

std::string settings::commands_with(const std::string& name, bool of_command_line) {
  constexpr std::size_t most = 4;
  std::vector<std::string> commands;
  for (const settings* some : everywhere()) {
    const std::vector<std::string> names = some->names(of_command_line);
    if (std::find(names.begin(), names.end(), name) != names.end()) commands.push_back("tilt " + some->command());
  }
  std::sort(commands.begin(), commands.end());
  std::string text;
  for (std::size_t i = 0; i < std::min(commands.size(), most); ++i) {
    const bool last = i + 1 == commands.size();
    text += (i == 0 ? "" : last ? " and " : ", ") + commands[i];
  }
  return commands.size() > most ? text + " and others" : text;
}

setting* settings::find(std::string_view name) {
  for (setting& s : all_)
    if (s.name == name || std::find(s.spellings.begin(), s.spellings.end(), name) != s.spellings.end()) return &s;
  return nullptr;
}

bool settings::given(std::string_view name) const {
  const auto found = std::find_if(all_.begin(), all_.end(), [name](const setting& s) { return s.name == name; });
  return found != all_.end() && found->given();
}

setting& settings::operator[](std::string_view name) {
  if (setting* s = find(name)) return *s;
  throw error("settings: there is no " + std::string(name));
}

void settings::set(setting& s, const std::string& source, const nlohmann::json& value) {
  s.source = source;
  s.value = value;
  try {
    if (s.read_json) return s.read_json(value);
    if (value.is_null()) {
      s.source.clear();
      if (s.read_null) s.read_null();
      return;
    }
    const nlohmann::json* single = &value;
    if (value.is_array()) {
      if (!s.is_list || value.size() != 1) throw input_error(value.dump() + " is a list; give one value");
      single = &value[0];
    }
    if (single->is_object()) throw input_error("is an object; give one value");
    s.read(text_of(*single));
  } catch (const input_error& e) { throw input_error(source + ": " + e.what()); }
}

void settings::apply_file(const std::string& path) {
  const std::string file = path.substr(path.find_last_of('/') + 1) + ": ";
  std::map<setting*, std::string> said;
  std::string passed_over;
  for (const auto& [key, value] : read_config(path)) {
    setting* s = find(key);
    if (s != nullptr && s->in_file) {
      if (const auto [before, first] = said.emplace(s, key); !first)
        throw input_error(file + key + " says the same as " + before->second + "; leave one");
      if (!s->from_command_line()) set(*s, file + key, value);
    } else if (!pass_over(file, key, value)) {
      passed_over += (passed_over.empty() ? "" : ", ") + key;
    }
  }
  if (!passed_over.empty()) std::fprintf(stderr, "tilt: %skeys without a meaning here: %s\n", file.c_str(), passed_over.c_str());
}

bool settings::pass_over(const std::string& file, const std::string& key, const nlohmann::json& value) {
  switch (look_up(key, value)) {
    case trl_key::listed:
      return false;
    case trl_key::usual:
      return true;
    case trl_key::refused:
      throw input_error(file + key + ": " + value.dump() + " is not to be had here; leave the key away, if its absence is what you want");
    case trl_key::unknown:
      break;
  }
  for (settings* other : everywhere()) {
    const setting* theirs = other->find(key);
    if (other == this || theirs == nullptr || !theirs->in_file) continue;
    if (is_usual(value, theirs->usual)) return true;
    throw input_error(file + key + " is an option of " + commands_with(key, false) + ", and tilt " + command() +
                      " does not use it; leave it away");
  }
  std::vector<std::string> known = names(false);
  const std::vector<std::string> trl = trl_key_names();
  known.insert(known.end(), trl.begin(), trl.end());
  const std::string near = nearest(key, known);
  throw input_error(file + "the key " + quoted(key) + " is not known; " +
                    (near.empty() ? "see tilt " + command() + " --help" : "did you mean " + quoted(near) + "?"));
}

void settings::apply() {
  if (setting* config = find("config"); config != nullptr && config->given()) {
    set(*config, config->source, config->value);
    apply_file(config_);
  }
  for (setting& s : all_) {
    if (!s.from_command_line() || s.name == "config") continue;
    const std::string source = s.source;
    set(s, source, s.value);
  }
}

void settings::refuse(std::string_view name, const std::string& reason) {
  const setting& s = (*this)[name];
  if (!s.given()) return;
  if (!s.from_command_line() && is_usual(s.value, s.usual)) return;
  throw input_error(s.source + ": " + reason + "; leave it away");
}

void settings::require(std::string_view name, const std::string& what) {
  if (!given(name))
    throw input_error("tilt " + command() + " needs " + option_of(name) + ", " + what + "; see tilt " + command() + " --help");
}

std::vector<std::pair<std::string, std::string>> settings::values(const std::vector<std::string>& aside) const {
  const auto normal = [](const nlohmann::json& value) {  // 0.10 and 1e-1 are the same
    const std::string text = text_of(value);
    const nlohmann::json number = nlohmann::json::parse(text, nullptr, false);
    return number.is_number() ? plain(number.get<double>()) : text;
  };
  std::vector<std::pair<std::string, std::string>> all;
  for (const setting& s : all_) {
    if (std::find(aside.begin(), aside.end(), s.name) != aside.end()) continue;
    std::string text = s.usual;
    if (s.given() && !s.value.is_array()) text = normal(s.value);
    if (s.given() && s.value.is_array()) {
      text.clear();
      for (const nlohmann::json& one : s.value) text += (text.empty() ? "" : " ") + normal(one);
    }
    if (s.on_command_line || s.given()) all.emplace_back(s.name, text);
  }
  return all;
}

std::string settings::reword(const std::string& error) {
  const auto colon = error.find(": ");
  if (colon == std::string::npos) return error;
  const setting* s = find(error.substr(0, colon));
  if (s == nullptr || (!s->given() && !s->on_command_line)) return error;
  return (s->given() ? s->source : option_of(s->name)) + error.substr(colon);
}

std::vector<std::string> settings::names(bool of_command_line) const {
  std::vector<std::string> names;
  for (const setting& s : all_) {
    if (of_command_line ? s.on_command_line : s.in_file) {
      names.push_back(s.name);
      names.insert(names.end(), s.spellings.begin(), s.spellings.end());
    }
    if (of_command_line && s.flag) names.push_back("no_" + s.name);
  }
  return names;
}

}  // namespace tilt::program

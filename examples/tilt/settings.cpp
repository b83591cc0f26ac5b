// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <tilt/error.hpp>

#include "config_file.hpp"
#include "nearest.hpp"
#include "trl_keys.hpp"

namespace tilt::program {
namespace {

/// All settings of the program, subcommand by subcommand: to say whose an option is.
std::vector<settings*>& everywhere() {
  static std::vector<settings*> all;
  return all;
}

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

double number_of(const std::string& text, const std::string& usual) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value))
    throw input_error(quoted(text) + " is not a number; give one such as " + usual);
  return value;
}

std::int64_t integer_of(const std::string& text, const std::string& usual) {
  const std::string remedy = " is not a whole number; give one such as " + usual;
  double value = 0;
  try {
    value = number_of(text, usual);
  } catch (const input_error&) { throw input_error(quoted(text) + remedy); }
  if (value != std::floor(value)) throw input_error(text + remedy);
  if (std::abs(value) > 9e15) throw input_error(text + " is too large; give a smaller number");
  return static_cast<std::int64_t>(value);
}

bool truth_of(const std::string& text) {
  if (text == "true" || text == "True" || text == "1") return true;
  if (text == "false" || text == "False" || text == "0") return false;
  throw input_error(quoted(text) + " is neither true nor false; give one of them");
}

std::string plain(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

/// A file's value as the command line would have it.
std::string text_of(const nlohmann::json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

bool is_usual(const nlohmann::json& value, const std::string& usual) {
  return value.is_null() || text_of(value) == usual || (value.is_number() && plain(value.get<double>()) == usual);
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void require_known(const std::string& text, const std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), text) == names.end())
    throw input_error(quoted(text) + " is not known; take one of " + joined(names) + " (nearest: " + nearest(text, names) + ")");
}

}  // namespace

std::string option_of(std::string_view name) {
  std::string option = "--" + std::string(name);
  std::replace(option.begin(), option.end(), '_', '-');
  return option;
}

settings::settings(CLI::App& command) : command_(&command) {
  command.allow_extras();
  everywhere().push_back(this);
}

setting& settings::insert(const char* name, std::function<void(const std::string&)> read, const std::string& help, const std::string& kind,
                          std::string usual) {
  setting& s = all_.emplace_back();
  s.name = name;
  s.read = std::move(read);
  s.usual = std::move(usual);
  const std::string full = help + (s.usual.empty() ? "" : " [" + s.usual + "]");
  if (kind.empty()) return s;
  command_
      ->add_option_function<std::string>(
          option_of(name),
          [&s](const std::string& text) {
            s.source = option_of(s.name);
            s.value = text;
          },
          full)
      ->type_name(kind)
      ->group(group_);
  return s;
}

setting& settings::add(const char* name, double& target, const std::string& help) {
  const std::string usual = plain(target);
  return insert(
      name, [&target, usual](const std::string& text) { target = number_of(text, usual == "0" ? "0.1" : usual); }, help, "X", usual);
}

setting& settings::add(const char* name, index& target, const std::string& help) {
  const std::string usual = std::to_string(target);
  return insert(
      name, [&target](const std::string& text) { target = static_cast<index>(integer_of(text, "8")); }, help, "N", usual);
}

setting& settings::add(const char* name, std::uint64_t& target, const std::string& help) {
  const auto read = [&target](const std::string& text) {
    const std::int64_t value = integer_of(text, "42");
    if (value < 0) throw input_error(text + " is negative; give 0 or more");
    target = static_cast<std::uint64_t>(value);
  };
  return insert(name, read, help, "N", std::to_string(target));
}

setting& settings::add(const char* name, std::string& target, const std::string& help, const char* kind, bool may_be_empty) {
  const auto read = [&target, may_be_empty](const std::string& text) {
    if (text.empty() && !may_be_empty) throw input_error("is empty; give a value or leave it away");
    target = text;
  };
  return insert(name, read, help, kind, target);
}

setting& settings::add(const char* name, bool& target, const std::string& help) {
  setting& s = insert(
      name, [&target](const std::string& text) { target = truth_of(text); }, help, "", target ? "true" : "false");
  s.flag = true;
  const auto note = [&s](const char* value, const std::string& source) {
    s.source = source;
    s.value = value;
  };
  const std::string option = option_of(name), opposite = "--no-" + option.substr(2);
  command_
      ->add_flag_callback(
          option, [note, option] { note("true", option); }, help + (target ? " [yes; no by " + opposite + "]" : " [no]"))
      ->group(group_);
  command_->add_flag_callback(opposite, [note, opposite] { note("false", opposite); })->group("");
  return s;
}

setting& settings::choice(const char* name, std::vector<std::string> names, const std::string& usual,
                          std::function<void(const std::string&)> take, const std::string& help) {
  const auto read = [names, take = std::move(take)](const std::string& text) {
    require_known(text, names);
    take(text);
  };
  return insert(name, read, help + ": " + joined(names), "NAME", usual);
}

setting& settings::choices(const char* name, std::vector<std::string> names, const std::string& usual,
                           std::function<void(const std::vector<std::string>&)> take, const std::string& help) {
  const auto read = [names, take = std::move(take)](const std::vector<std::string>& given) {
    for (std::size_t i = 0; i < given.size(); ++i) {
      require_known(given[i], names);
      for (std::size_t j = 0; j < i; ++j)
        if (given[i] == given[j]) throw input_error(quoted(given[i]) + " stands there twice; leave one");
    }
    take(given);
  };
  return insert_list(name, read, help + ": " + joined(names), "NAME...", usual);
}

setting& settings::add(const char* name, std::vector<double>& target, const std::string& help) {
  const auto read = [&target](const std::vector<std::string>& given) {
    target.clear();
    for (const std::string& text : given) target.push_back(number_of(text, "0.5"));
  };
  return insert_list(name, read, help, "X...", "");
}

setting& settings::insert_list(const char* name, std::function<void(const std::vector<std::string>&)> read, const std::string& help,
                               const std::string& kind, std::string usual) {
  setting& s = all_.emplace_back();
  s.name = name;
  s.usual = std::move(usual);
  s.read_json = [read = std::move(read)](const nlohmann::json& value) {
    if (value.is_null()) return;
    std::vector<std::string> given;
    for (const nlohmann::json& one : value.is_array() ? value : nlohmann::json::array({value})) {
      if (one.is_structured() || one.is_null()) throw input_error(value.dump() + " is no list of plain values; give one");
      given.push_back(text_of(one));
    }
    if (given.empty()) throw input_error("the list is empty; give a value or leave it away");
    read(given);
  };
  command_
      ->add_option_function<std::vector<std::string>>(
          option_of(name),
          [&s](const std::vector<std::string>& given) {
            s.source = option_of(s.name);
            s.value = given;
          },
          help + (s.usual.empty() ? "" : " [" + s.usual + "]"))
      ->expected(1, -1)
      ->type_name(kind)
      ->group(group_);
  return s;
}

setting& settings::file_only(const char* name, std::function<void(const nlohmann::json&)> read) {
  setting& s = all_.emplace_back();
  s.name = name;
  s.read_json = std::move(read);
  s.on_command_line = false;
  return s;
}

void settings::allow_config() {
  add("config", config_, "settings from a JSON or YAML file; keys as here or in TRL's DPOConfig, KTOConfig, SFTConfig", "FILE").in_file =
      false;
}

void settings::add_resume(bool& resume, std::string& from) {
  const auto read = [&resume, &from](const std::string& text) {
    resume = text != "false";
    from = text == "true" || text == "false" ? "" : text;
  };
  setting& s = insert("resume", read, "", "", "").also("resume_from_checkpoint");
  command_
      ->add_option_function<std::vector<std::string>>(
          "--resume",
          [&s](const std::vector<std::string>& given) {
            s.source = "--resume";
            s.value = given.empty() || given[0].empty() ? "true" : given[0];
          },
          "go on after a checkpoint, by default the last one in --output; from the beginning if there is none")
      ->expected(0, 1)
      ->type_name("[FOLDER]")
      ->group(group_);
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
    throw input_error(file + key + " is an option of tilt " + other->command() + ", and tilt " + command() +
                      " does not use it; leave it away");
  }
  std::vector<std::string> known = names(false);
  const std::vector<std::string> trl = trl_key_names();
  known.insert(known.end(), trl.begin(), trl.end());
  throw input_error(file + "the key " + quoted(key) + " is not known; did you mean " + quoted(nearest(key, known)) + "?");
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

std::string settings::reword(const std::string& error) {
  const auto colon = error.find(": ");
  if (colon == std::string::npos) return error;
  const setting* s = find(error.substr(0, colon));
  return s == nullptr || !s->given() ? error : s->source + error.substr(colon);
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

std::string unknown_argument(const CLI::App& command, const std::string& argument) {
  const std::string who = "tilt " + command.get_name();
  if (!argument.starts_with("-") || argument == "-")
    return who + ": the argument " + quoted(argument) + " stands alone; options come as --name value, see " + who + " --help";
  std::string name = argument.substr(0, argument.find('='));
  name.erase(0, name.find_first_not_of('-'));
  std::replace(name.begin(), name.end(), '-', '_');
  const std::string option = option_of(name);
  std::vector<std::string> known{"--help"};
  for (settings* some : everywhere()) {
    const std::vector<std::string> names = some->names(true);
    const bool own = some->command() == command.get_name();
    if (own)
      for (const std::string& n : names) known.push_back(option_of(n));
    else if (std::find(names.begin(), names.end(), name) != names.end())
      return option + ": is an option of tilt " + some->command() + ", and " + who + " does not use it; leave it away";
  }
  for (const CLI::Option* o : command.get_options())
    for (const std::string& n : o->get_lnames()) known.push_back("--" + n);
  return option + ": " + who + " has no such option; did you mean " + nearest(option, known) + "?";
}

std::vector<std::string> normalised(std::vector<std::string> arguments) {
  if (arguments.empty()) return arguments;
  settings* own = nullptr;
  for (settings* some : everywhere())
    if (some->command() == arguments[0]) own = some;
  if (own == nullptr) return arguments;
  for (std::string& argument : arguments) {
    if (!argument.starts_with("--")) continue;
    const auto end = argument.find('=');
    std::string name = argument.substr(2, end == std::string::npos ? end : end - 2);
    std::replace(name.begin(), name.end(), '-', '_');
    const std::vector<std::string> names = own->names(true);
    if (std::find(names.begin(), names.end(), name) == names.end()) continue;
    const std::string canonical = name.starts_with("no_") ? name : (*own)[name].name;
    argument = option_of(canonical) + (end == std::string::npos ? "" : argument.substr(end));
  }
  return arguments;
}

}  // namespace tilt::program

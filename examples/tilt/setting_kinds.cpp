// SPDX-License-Identifier: Apache-2.0
// What kinds of values a setting may have, and how each is read.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <tilt/error.hpp>

#include "nearest.hpp"
#include "setting_text.hpp"
#include "settings.hpp"

namespace tilt::program {
namespace {

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

std::int64_t count_of(const std::string& text, const std::string& usual) {
  const std::int64_t value = integer_of(text, usual);
  if (value < 0) throw input_error(text + " is negative; give 0 or more");
  return value;
}

bool truth_of(const std::string& text) {
  if (text == "true" || text == "True" || text == "1") return true;
  if (text == "false" || text == "False" || text == "0") return false;
  throw input_error(quoted(text) + " is neither true nor false; give one of them");
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void require_known(const std::string& text, const std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), text) == names.end())
    throw input_error(quoted(text) + " is not known; " + did_you_mean(text, names, "give one of these.") + " All: " + joined(names));
}

}  // namespace

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

setting& settings::count(const char* name, index& target, const std::string& help) {
  return insert(
      name, [&target](const std::string& text) { target = static_cast<index>(count_of(text, "8")); }, help, "N", std::to_string(target));
}

setting& settings::add(const char* name, std::uint64_t& target, const std::string& help) {
  return insert(
      name, [&target](const std::string& text) { target = static_cast<std::uint64_t>(count_of(text, "42")); }, help, "N",
      std::to_string(target));
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
                           std::function<void(const std::vector<std::string>&)> take, const std::string& help,
                           const std::map<std::string, std::string>& elsewhere) {
  const auto read = [names, elsewhere, take = std::move(take)](const std::vector<std::string>& given) {
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (const auto known = elsewhere.find(given[i]); known != elsewhere.end()) throw input_error(quoted(given[i]) + known->second);
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

setting& settings::add(const char* name, std::vector<std::string>& target, const std::string& help) {
  return insert_list(
      name, [&target](const std::vector<std::string>& given) { target = given; }, help, "TEXT...", "");
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
  add("config", config_,
      "settings from a JSON or YAML file; keys as here or in TRL's DPOConfig, KTOConfig, SFTConfig, RewardConfig, PPOConfig", "FILE")
      .in_file = false;
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

}  // namespace tilt::program

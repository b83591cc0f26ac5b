// SPDX-License-Identifier: Apache-2.0
// The command line as it was typed: spellings, and what no option takes.
#include <algorithm>
#include <vector>

#include "nearest.hpp"
#include "setting_text.hpp"
#include "settings.hpp"
#include "trl_keys.hpp"

namespace tilt::program {
namespace {

/// ", --data FILE for a file", of a subcommand that has such an option.
std::string data_option(const CLI::App& command) {
  for (const char* name : {"--data", "--train"})
    if (command.get_option_no_throw(name) != nullptr) return std::string(", a file as ") + name + " FILE";
  return "";
}

}  // namespace

std::string option_of(std::string_view name) {
  std::string option = "--" + std::string(name);
  std::replace(option.begin(), option.end(), '_', '-');
  return option;
}

std::string unknown_argument(const CLI::App& command, const std::string& argument) {
  const std::string who = "tilt " + command.get_name();
  if (!argument.starts_with("-") || argument == "-")
    return who + ": the argument " + quoted(argument) + " stands alone; options come as --name value" + data_option(command) + ", see " +
           who + " --help";
  std::string name = argument.substr(0, argument.find('='));
  name.erase(0, name.find_first_not_of('-'));
  std::replace(name.begin(), name.end(), '-', '_');
  const std::string option = option_of(name);
  if (name == "data" || name == "train")
    if (const std::string own = data_option(command); !own.empty())
      return option + ": " + who + " has no such option; give the data" + own.substr(1);
  std::vector<std::string> known{"--help"};
  for (settings* some : settings::everywhere()) {
    const std::vector<std::string> names = some->names(true);
    const bool own = some->command() == command.get_name();
    if (own)
      for (const std::string& n : names) known.push_back(option_of(n));
    else if (std::find(names.begin(), names.end(), name) != names.end())
      return option + ": is an option of " + settings::commands_with(name, true) + ", and " + who + " does not use it; leave it away";
  }
  if (const trl_key known_there = look_up(name, true); known_there != trl_key::unknown)
    return option + ": TRL has this option and tilt does not" +
           (known_there == trl_key::listed ? ", as it says how PyTorch is to run or what is done beside training; leave it away"
                                           : "; see " + who + " --help for what there is");
  for (const CLI::Option* o : command.get_options())
    for (const std::string& n : o->get_lnames()) known.push_back("--" + n);
  return option + ": " + who + " has no such option; " + did_you_mean(option, known, "see " + who + " --help");
}

std::vector<std::string> normalised(std::vector<std::string> arguments) {
  if (arguments.empty()) return arguments;
  settings* own = nullptr;
  for (settings* some : settings::everywhere())
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

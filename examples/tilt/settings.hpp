// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <CLI/App.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tilt/scalar/config.hpp>
#include <utility>
#include <vector>

namespace tilt::program {

/// One value that a user may set: `--batch-size 8` on the command line, `batch_size: 8` in a configuration file.
struct setting {
  std::string name;                                           ///< with underscores, as TRL has it
  std::vector<std::string> spellings = {};                    ///< further names: per_device_train_batch_size
  std::function<void(const std::string&)> read;               ///< throws input_error with the reason and the remedy alone
  std::function<void()> read_null = {};                       ///< a null in a file; otherwise that leaves the default
  std::function<void(const nlohmann::json&)> read_json = {};  ///< instead of `read`, for a file's value
  bool flag = false;
  bool on_command_line = true, in_file = true;
  bool is_list = false;       ///< a file may give a list of one
  std::string source = {};    ///< as the user wrote it, "--beta" or "run.json: beta"; empty: not given
  nlohmann::json value = {};  ///< its value there
  std::string usual = {};     ///< its default, as a text

  bool given() const { return !source.empty(); }
  bool from_command_line() const { return source.starts_with("--"); }
  setting& also(std::string spelling) {
    spellings.push_back(std::move(spelling));
    return *this;
  }
};

/// The settings of one subcommand: its options, the keys of its --config, and what of them the user gave. The command line goes before
/// the file, the file before the defaults.
class settings {
 public:
  explicit settings(CLI::App& command);
  /// All settings of the program, subcommand by subcommand: to say whose an option is.
  static std::vector<settings*>& everywhere();
  /// "tilt dpo, tilt kto and tilt sweep", those that have the option, or the first four of them and a word that there are others.
  static std::string commands_with(const std::string& name, bool of_command_line);
  settings(const settings&) = delete;
  settings& operator=(const settings&) = delete;

  /// The heading in --help under which the next ones stand.
  void group(std::string heading) { group_ = std::move(heading); }

  setting& add(const char* name, double& target, const std::string& help);
  setting& add(const char* name, index& target, const std::string& help);
  /// A number of things: 0 or more.
  setting& count(const char* name, index& target, const std::string& help);
  setting& add(const char* name, std::uint64_t& target, const std::string& help);
  setting& add(const char* name, std::string& target, const std::string& help, const char* kind = "TEXT", bool may_be_empty = false);
  setting& add(const char* name, bool& target, const std::string& help);  ///< --name and --no-name
  /// One of the names; `take` is called with it.
  setting& choice(const char* name, std::vector<std::string> names, const std::string& usual, std::function<void(const std::string&)> take,
                  const std::string& help);
  /// Some of the names, one or more; `take` is called with them. `elsewhere`: what to say to names that are not among them and that one
  /// may well expect there.
  setting& choices(const char* name, std::vector<std::string> names, const std::string& usual,
                   std::function<void(const std::vector<std::string>&)> take, const std::string& help,
                   const std::map<std::string, std::string>& elsewhere = {});
  /// One or more numbers.
  setting& add(const char* name, std::vector<double>& target, const std::string& help);
  /// One or more texts.
  setting& add(const char* name, std::vector<std::string>& target, const std::string& help);
  /// A key that only files have.
  setting& file_only(const char* name, std::function<void(const nlohmann::json&)> read);
  /// Adds --config.
  void allow_config();
  /// Adds --resume [FOLDER].
  void add_resume(bool& resume, std::string& from);

  /// After the command line was parsed: reads the file, then applies what was given. Lists a file's keys without a meaning on stderr.
  /// Throws input_error.
  void apply();

  setting& operator[](std::string_view name);
  bool given(std::string_view name) const;

  /// Throws for a setting that is given although `reason`, e.g. "the hinge loss does not use it". In a file its default is let pass,
  /// as TRL writes all of them.
  void refuse(std::string_view name, const std::string& reason);
  /// Throws for one that is missing.
  void require(std::string_view name, const std::string& what);
  /// `error` as it reads to the one who wrote the option: "beta: …" becomes "--beta: …".
  std::string reword(const std::string& error);

  /// What each one comes to, as a text from which the same value comes back: as it was given, or its default; all but `aside`.
  std::vector<std::pair<std::string, std::string>> values(const std::vector<std::string>& aside) const;

  std::string command() const { return command_->get_name(); }
  std::vector<std::string> names(bool of_command_line) const;

 private:
  setting& insert(const char* name, std::function<void(const std::string&)> read, const std::string& help, const std::string& kind,
                  std::string usual);
  setting& insert_list(const char* name, std::function<void(const std::vector<std::string>&)> read, const std::string& help,
                       const std::string& kind, std::string usual);
  setting* find(std::string_view name_or_spelling);
  void apply_file(const std::string& path);
  /// For a key that is no setting here: true if it changes nothing, false if it is to be listed; throws otherwise.
  bool pass_over(const std::string& file, const std::string& key, const nlohmann::json& value);
  void set(setting& which, const std::string& source, const nlohmann::json& value);

  CLI::App* command_;
  std::list<setting> all_;
  std::string group_ = "Options", config_;
};

/// "--batch-size" for batch_size.
std::string option_of(std::string_view name);

/// The sentence for an argument that no option of this subcommand takes: whose it is, or the nearest one.
std::string unknown_argument(const CLI::App& command, const std::string& argument);

/// Spells options in the program's way: --per_device_train_batch_size 4 becomes --batch-size 4.
std::vector<std::string> normalised(std::vector<std::string> arguments);

}  // namespace tilt::program

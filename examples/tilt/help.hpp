// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <string>

namespace tilt::program {

/// The text of --help: two columns, the second wrapped to the width of the terminal.
class help_format : public CLI::Formatter {
 public:
  help_format() { column_width(36); }

  std::string make_option(const CLI::Option* option, bool positional) const override {
    return two_columns("  " + make_option_name(option, positional) + make_option_opts(option), make_option_desc(option));
  }
  std::string make_subcommand(const CLI::App* command) const override {
    return two_columns("  " + command->get_name(), command->get_description());
  }

 private:
  static std::size_t width() {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 110;
    return std::clamp<std::size_t>(size.ws_col, 70, 140);
  }

  std::string two_columns(const std::string& left, const std::string& right) const {
    const std::size_t indent = get_column_width(), room = width() - indent;
    std::string text = left.size() + 2 > indent ? left + "\n" + std::string(indent, ' ') : left + std::string(indent - left.size(), ' ');
    std::size_t used = 0;
    for (std::size_t at = 0; at < right.size();) {
      const std::size_t end = std::min(right.find(' ', at), right.size());
      const std::string word = right.substr(at, end - at);
      if (used > 0 && used + 1 + word.size() > room) {
        text += "\n" + std::string(indent, ' ');
        used = 0;
      }
      text += (used > 0 ? " " : "") + word;
      used += word.size() + (used > 0 ? 1 : 0);
      at = end + 1;
    }
    return text + "\n";
  }
};

}  // namespace tilt::program

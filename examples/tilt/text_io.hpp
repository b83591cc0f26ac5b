// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <tilt/io/file.hpp>

namespace tilt::program {

/// Lines of a file, or of standard input where the path is empty or "-".
class line_reader {
 public:
  explicit line_reader(const std::string& path) : name_(path.empty() || path == "-" ? "standard input" : path) {
    if (name_ == path) file_ = std::make_unique<mapped_file>(path), rest_ = file_->text();
  }

  /// False at the end. Takes the line's end away.
  bool next(std::string& line) {
    ++number_;
    if (!file_) return static_cast<bool>(std::getline(std::cin, line));
    if (rest_.empty()) return false;
    const auto end = rest_.find('\n');
    line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return true;
  }
  const std::string& name() const { return name_; }
  /// "train.jsonl:3", of the last line.
  std::string where() const { return name_ + ":" + std::to_string(number_); }

 private:
  std::string name_;
  std::unique_ptr<mapped_file> file_;
  std::string_view rest_;
  long number_ = 0;
};

/// Whether two paths are of one file; an empty path is of none.
inline bool same_file(const std::string& a, const std::string& b) {
  std::error_code none;
  return !a.empty() && !b.empty() && std::filesystem::weakly_canonical(a, none) == std::filesystem::weakly_canonical(b, none);
}

/// Throws input_error where results would replace what they are made from, or would not be what the file's name says.
inline void check_output(const std::string& output, const std::string& data) {
  if (output.ends_with(".gz")) throw input_error("--output: " + output + " would not be packed; give a name without .gz");
  if (output != "-" && same_file(output, data)) throw input_error("--output: " + output + " is the data itself; give another place");
}

/// Where results go: a file, which is there whole or not at all, or standard output where the path is empty or "-".
class result_writer {
 public:
  explicit result_writer(const std::string& path) {
    if (!path.empty() && path != "-") file_ = std::make_unique<atomic_file>(path);
  }
  void write(const std::string& text) {
    if (file_)
      file_->write(text);
    else if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
      refuse();
  }
  /// Shows what was written so far; of a file, nothing until it is whole.
  void show() {
    if (!file_ && std::fflush(stdout) != 0) refuse();
  }
  void finish() {
    if (file_)
      file_->commit();
    else
      show();
  }

 private:
  [[noreturn]] static void refuse() {
    const std::string reason = std::strerror(errno);
    throw input_error("standard output: cannot be written (" + reason + "); make room, or give --output");
  }
  std::unique_ptr<atomic_file> file_;
};

}  // namespace tilt::program

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tilt/error.hpp>
#include <tilt/io/file.hpp>
#include <utility>
#include <vector>

namespace tilt::program {

/// Lines of a file that grows while a long piece of work is done: a run that goes on after a kill finds those that were whole, and makes the
/// others again. Once the work's own result is written, the file is to be removed.
class kept_lines {
 public:
  /// Reads what is there. The file is made by the first `append`, after a call of `begins`. Throws input_error.
  explicit kept_lines(std::filesystem::path path, std::function<void()> begins = {}) : path_(std::move(path)), begins_(std::move(begins)) {
    if (!std::filesystem::exists(path_)) return;
    const mapped_file file(path_);
    std::string_view rest = file.text();
    for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(end + 1))
      lines_.emplace_back(rest.substr(0, end));
    whole_ = file.text().size() - rest.size();
  }
  kept_lines(const kept_lines&) = delete;
  kept_lines& operator=(const kept_lines&) = delete;
  ~kept_lines() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  /// Those that were there.
  const std::vector<std::string>& lines() const { return lines_; }
  const std::filesystem::path& path() const { return path_; }

  /// Writes more lines, each with its end. They are on the disk when it returns. Throws input_error, which leaves no half of a line.
  void append(std::string_view text) {
    if (descriptor_ < 0) open();
    for (std::string_view rest = text; !rest.empty();) {
      const ::ssize_t written = ::write(descriptor_, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        const int reason = errno;
        cut();
        fail(reason);
      }
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fdatasync(descriptor_) != 0) fail(errno);
    whole_ += text.size();
  }

 private:
  void open() {
    if (begins_) begins_();
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (descriptor_ < 0 || !cut()) fail(errno);
  }
  /// Drops a line that was not finished.
  bool cut() const { return ::ftruncate(descriptor_, static_cast<::off_t>(whole_)) == 0; }
  [[noreturn]] void fail(int reason) const {
    throw input_error(path_.string() + ": cannot be written (" + std::strerror(reason) + "); free space, then --resume");
  }

  std::filesystem::path path_;
  std::function<void()> begins_;
  std::vector<std::string> lines_;
  std::size_t whole_ = 0;  // bytes of whole lines
  int descriptor_ = -1;
};

/// `count` values, of which `find(first, most)` gives one or more, at most `most`, from number `first` on. Those that are kept are not looked for
/// again, and what is found is kept, a line of JSON each; null: nothing is. Throws input_error where a line holds no such value.
template <class Value, class Find>
std::vector<Value> find_values(std::size_t count, std::size_t at_once, kept_lines* kept, const Find& find) {
  std::vector<Value> values;
  if (kept != nullptr)
    for (const std::string& line : kept->lines()) {
      const auto refuse = [&] {
        throw input_error(kept->path().string() + ":" + std::to_string(values.size() + 1) +
                          ": is not what was kept there; remove the file, and it is made again");
      };
      if (values.size() == count) refuse();
      try {
        values.push_back(nlohmann::json::parse(line).get<Value>());
      } catch (const nlohmann::json::exception&) { refuse(); }
    }
  while (values.size() < count) {
    std::vector<Value> more = find(values.size(), std::min(at_once, count - values.size()));
    if (kept != nullptr) {
      std::string text;
      for (const Value& v : more) text += nlohmann::json(v).dump() + "\n";
      kept->append(text);
    }
    std::move(more.begin(), more.end(), std::back_inserter(values));
  }
  return values;
}

}  // namespace tilt::program

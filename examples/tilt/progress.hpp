// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <tilt/scalar/config.hpp>
#include <utility>

namespace tilt::program {

/// Columns that a text takes on a terminal, if each of its characters takes one.
inline std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

/// "1:02:03", "4:05".
inline std::string clock_text(double seconds) {
  if (!(seconds < 1e7)) return "--:--";
  const auto whole = static_cast<long>(seconds + 0.5);
  char text[32];
  if (whole >= 3600)
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  else
    std::snprintf(text, sizeof text, "%ld:%02ld", whole / 60, whole % 60);
  return text;
}

struct progress_options {
  index first = 0;             ///< steps done before this run began
  double per_step = 1;         ///< units that a step stands for, in the rate
  const char* unit = "steps";  ///< what the rate counts
  std::FILE* out = stderr;
};

/// How far a piece of work is: on a terminal a bar that is drawn over, elsewhere a plain line now and then. Shows the rate, the time left
/// and a note.
///
///   progress bar("sft", steps);
///   for (index s = 1; s <= steps; ++s) bar.update(s, "loss 0.69");
///   bar.finish();                                                      // also done by the destructor
class progress {
 public:
  progress(std::string title, index total, progress_options options = {})
      : title_(std::move(title)), total_(std::max<index>(total, 0)), done_(options.first), options_(options), begun_(clock::now()),
        drawn_(begun_ - std::chrono::hours(1)) {
    terminal_ = isatty(fileno(options_.out)) != 0 && !is("TERM", "dumb");
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"})
      if (const char* value = std::getenv(name); value != nullptr && *value != '\0') {
        unicode_ = std::strstr(value, "UTF-8") != nullptr || std::strstr(value, "utf8") != nullptr;
        break;
      }
    if (terminal_)
      draw();
    else
      drawn_ = begun_;
  }
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  ~progress() { finish(); }

  /// `done` of the total are done; the note stands behind the numbers, and stays until the next one that is not empty.
  void update(index done, std::string_view note = {}) {
    done_ = done;
    if (!note.empty()) note_ = note;
    const double since = seconds(clock::now() - drawn_);
    if (since >= (terminal_ ? 0.1 : 5.0) || (terminal_ && done_ >= total_)) draw();
  }

  /// A line of its own, above the bar.
  void message(std::string_view text) {
    if (terminal_ && !finished_) std::fputs("\r\x1b[K", options_.out);
    std::fprintf(options_.out, "%.*s\n", static_cast<int>(text.size()), text.data());
    if (terminal_ && !finished_) draw();
    std::fflush(options_.out);
  }

  /// The last state stays on the screen.
  void finish() {
    if (std::exchange(finished_, true)) return;
    draw();
    if (terminal_) std::fputc('\n', options_.out);
    std::fflush(options_.out);
  }

  double elapsed() const { return seconds(clock::now() - begun_); }

 private:
  using clock = std::chrono::steady_clock;
  static double seconds(clock::duration d) { return std::chrono::duration<double>(d).count(); }
  static bool is(const char* variable, const char* value) {
    const char* found = std::getenv(variable);
    return found != nullptr && std::strcmp(found, value) == 0;
  }

  std::size_t width() const {
    winsize size{};
    return ioctl(fileno(options_.out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 100;
  }

  std::string bar(std::size_t length) const {
    const double share = total_ > 0 ? std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0) : 1.0;
    const auto full = static_cast<std::size_t>(std::lround(share * static_cast<double>(length)));
    std::string text;
    for (std::size_t i = 0; i < length; ++i) text += unicode_ ? (i < full ? "█" : "░") : (i < full ? "=" : ".");
    return text;
  }

  std::string numbers() const {
    const double passed = elapsed(), steps = static_cast<double>(done_ - options_.first);
    char text[128];
    int used = std::snprintf(text, sizeof text, "%td/%td", done_, total_);
    if (steps > 0 && passed > 0) {
      const double rate = steps * options_.per_step / passed;
      const int digits = rate < 10 ? 2 : rate < 100 ? 1 : 0;
      used += std::snprintf(text + used, sizeof text - static_cast<std::size_t>(used), "  %.*f %s/s", digits, rate, options_.unit);
      const bool over = done_ >= total_ || finished_;
      const double left = over ? passed : static_cast<double>(total_ - done_) * passed / steps;
      std::snprintf(text + used, sizeof text - static_cast<std::size_t>(used), over ? "  took %s" : "  ETA %s", clock_text(left).c_str());
    }
    return text;
  }

  void draw() {
    drawn_ = clock::now();
    const std::string tail = numbers() + (note_.empty() ? "" : "  " + note_);
    if (!terminal_) {
      std::fprintf(options_.out, "%s  %s\n", title_.c_str(), tail.c_str());
      std::fflush(options_.out);
      return;
    }
    const std::size_t room = width() - 1, taken = columns(title_) + columns(tail) + 4;
    std::string line = title_ + "  ";
    if (room > taken + 5) line += bar(std::min<std::size_t>(room - taken, 30)) + "  ";
    line += tail;
    while (columns(line) > room) {
      while ((static_cast<unsigned char>(line.back()) & 0xC0) == 0x80) line.pop_back();
      line.pop_back();
    }
    std::fprintf(options_.out, "\r%s\x1b[K", line.c_str());
    std::fflush(options_.out);
  }

  std::string title_, note_;
  index total_, done_;
  progress_options options_;
  clock::time_point begun_, drawn_;
  bool terminal_ = false, unicode_ = false, finished_ = false;
};

}  // namespace tilt::program

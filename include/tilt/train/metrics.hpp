// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <limits>
#include <string>
#include <string_view>
#include <tilt/error.hpp>
#include <tilt/scalar/config.hpp>
#include <vector>

namespace tilt {

struct metric {
  std::string_view name;
  double value = 0;
};

/// Named numbers, in order, without memory of their own: a line of a log. Names are literals.
class metric_list {
 public:
  void push(std::string_view name, double value) {
    if (size_ == entries_.size()) throw error("metrics: a line holds at most " + std::to_string(entries_.size()) + " of them");
    entries_[size_++] = {name, value};
  }
  void clear() { size_ = 0; }
  const metric* begin() const { return entries_.data(); }
  const metric* end() const { return entries_.data() + size_; }
  bool empty() const { return size_ == 0; }

  bool contains(std::string_view name) const {
    for (const metric& m : *this)
      if (m.name == name) return true;
    return false;
  }
  /// NaN where there is none of that name.
  double operator[](std::string_view name) const {
    for (const metric& m : *this)
      if (m.name == name) return m.value;
    return std::numeric_limits<double>::quiet_NaN();
  }

 private:
  std::array<metric, 40> entries_{};
  std::size_t size_ = 0;
};

/// Means that build up between two lines of a log. An objective lists its names once; then adding allocates nothing.
class meters {
 public:
  struct meter {
    std::string_view name;
    double sum = 0, count = 0;
  };

  void list(std::string_view name) { meters_.push_back({name}); }

  void add(std::string_view name, double value) {
    for (meter& m : meters_)
      if (m.name == name) {
        m.sum += value;
        ++m.count;
        return;
      }
    throw error("metrics: " + std::string(name) + " was not listed");
  }
  /// Appends the means of those that were added to.
  void report(metric_list& line) const {
    for (const meter& m : meters_)
      if (m.count > 0) line.push(m.name, m.sum / m.count);
  }
  void reset() {
    for (meter& m : meters_) m.sum = m.count = 0;
  }

  /// For checkpoints: the sums and counts, two a meter.
  std::vector<double> state() const {
    std::vector<double> values;
    for (const meter& m : meters_) values.insert(values.end(), {m.sum, m.count});
    return values;
  }
  void restore(const std::vector<double>& values) {
    if (values.size() != 2 * meters_.size()) throw input_error("checkpoint: it was written by a run with other metrics; resume with the same loss");
    for (std::size_t m = 0; m < meters_.size(); ++m) meters_[m].sum = values[2 * m], meters_[m].count = values[2 * m + 1];
  }

 private:
  std::vector<meter> meters_;
};

/// What one step of a run has to say. Valid until the next step.
struct step_report {
  index step = 0;              ///< steps done, 0 for an evaluation before the first
  double epoch = 0;
  bool logged = false;         ///< whether `metrics` closes a line of the log (every logging_steps)
  metric_list metrics;         ///< TRL's names, averaged since the last line; empty in step 0
  metric_list evaluation;      ///< the same with `eval_` before them understood; empty where there was none
  bool best = false;           ///< whether that evaluation was the best so far
  std::string_view checkpoint = {};  ///< the folder that was written, empty for none
  std::string_view stopped = {};     ///< why the run ends here before its time, empty if it does not
};

/// A line for people: `step 12  epoch 0.5  loss 0.6931  …`. Stream is anything with operator<<, std::ostream for one.
template <class Stream> Stream& operator<<(Stream& out, const step_report& report) {
  out << "step " << report.step << "  epoch " << report.epoch;
  for (const metric& m : report.metrics) out << "  " << m.name << ' ' << m.value;
  for (const metric& m : report.evaluation) out << "  eval_" << m.name << ' ' << m.value;
  if (!report.checkpoint.empty()) out << "  saved " << report.checkpoint;
  if (!report.stopped.empty()) out << "  stopped: " << report.stopped;
  return out;
}

}  // namespace tilt

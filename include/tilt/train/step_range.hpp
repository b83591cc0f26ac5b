// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <iterator>
#include <tilt/train/metrics.hpp>

namespace tilt {

/// The steps of a trainer's run, done as the iterator goes on: an input range whose elements are valid until the next increment.
template <class Trainer> class step_range {
 public:
  class iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using value_type = step_report;
    using difference_type = std::ptrdiff_t;
    explicit iterator(Trainer* owner) : owner_(owner) {}
    const step_report& operator*() const { return owner_->report_; }
    iterator& operator++() {
      owner_->advance();
      return *this;
    }
    void operator++(int) { owner_->advance(); }
    bool operator==(std::default_sentinel_t) const { return owner_->finished_; }

   private:
    Trainer* owner_;
  };

  explicit step_range(Trainer& owner) : owner_(&owner) {}
  iterator begin() const {
    owner_->advance();
    return iterator(owner_);
  }
  std::default_sentinel_t end() const { return {}; }

 private:
  Trainer* owner_;
};

}  // namespace tilt

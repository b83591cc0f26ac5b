// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string_view>
#include <tilt/loss/options.hpp>
#include <utility>
#include <vector>

#include "settings.hpp"

namespace tilt::program {

/// Hyper-parameters as they were given, for whichever loss is chosen in the end.
class loss_settings {
 public:
  explicit loss_settings(settings& s) : settings_(&s) {}

  void add_number(const char* name, double usual, const std::string& help) {
    value& v = values_.emplace_back(value{name, usual});
    settings_->add(name, v.number, help);
  }
  void add_flag(const char* name, bool usual, const std::string& help) {
    value& v = values_.emplace_back(value{name, usual ? 1.0 : 0.0});
    v.truth = usual;
    v.is_flag = true;
    settings_->add(name, v.truth, help);
  }

  /// L with what was given; throws for what L does not use.
  template <described_loss L> L make() const {
    L loss;
    for (const value& v : values_) {
      if (uses_option<L>(v.name)) set_option(loss, v.name, v.is_flag ? (v.truth ? 1.0 : 0.0) : v.number);
      else settings_->refuse(v.name, "the loss " + std::string(L::name) + " does not use it");
    }
    loss.check();
    return loss;
  }

 private:
  struct value {
    std::string_view name;
    double number = 0;
    bool truth = false, is_flag = false;
  };
  settings* settings_;
  std::list<value> values_;
};

}  // namespace tilt::program

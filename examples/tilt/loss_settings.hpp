// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <concepts>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <tilt/loss/losses.hpp>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "settings.hpp"

namespace tilt::program {

/// Losses of pairs and of rankings: a pair is a ranking of two.
using preference_losses = decltype(std::tuple_cat(pair_losses{}, list_losses{}));

/// For a command's loss_type: the losses of `Others`, which another command trains.
template <class Others> std::map<std::string, std::string> losses_elsewhere(const std::string& command, const std::string& data) {
  std::map<std::string, std::string> said;
  std::apply(
      [&](const auto&... loss) {
        ((said[std::string(loss.name)] = " is a loss of " + data + "; take tilt " + command + " --loss-type " + std::string(loss.name)),
         ...);
      },
      Others{});
  return said;
}

/// The losses of a list as options: --loss-type with their names, and every hyper-parameter that one of them has. A loss that joins the
/// library's list (tilt/loss/losses.hpp) is here without a further line.
template <class Losses> class loss_settings {
 public:
  /// `usual`: the default loss. `elsewhere`: see settings::choices.
  loss_settings(settings& s, std::string usual, const std::string& help, const std::map<std::string, std::string>& elsewhere)
      : settings_(&s), chosen_{usual} {
    std::vector<std::string> names;
    for_each([&](const auto& loss) { names.emplace_back(loss.name); });
    s.choices(
        "loss_type", names, usual, [this](const std::vector<std::string>& given) { chosen_ = given; }, help, elsewhere);
    for_each([this](const auto& loss) { this->add(loss); });
  }

  /// The chosen names, as they were given.
  const std::vector<std::string>& chosen() const { return chosen_; }

  /// use(loss) for each of these, with what was given; throws for what none of them uses.
  template <class Use> void make(const std::vector<std::string>& names, const Use& use) const {
    for (const value& v : values_) {
      std::string others;
      bool used = false;
      for (const std::string& name : names)
        with_loss<Losses>(name, [&]<class L>(const L&) {
          used = used || uses_option<L>(v.name);
          others += (others.empty() ? "" : ", ") + name;
        });
      if (!used) settings_->refuse(v.name, "the loss " + others + " does not use it");
    }
    for (const std::string& name : names)
      with_loss<Losses>(name, [&]<class L>(L loss) {
        for (const value& v : values_)
          if (uses_option<L>(v.name) && settings_->given(v.name)) set_option(loss, v.name, v.is_flag ? (v.truth ? 1.0 : 0.0) : v.number);
        loss.check();
        use(loss);
      });
  }

 private:
  struct value {
    std::string_view name;
    double number = 0;
    bool truth = false, is_flag = false;
  };

  template <class F> static void for_each(const F& f) {
    std::apply([&](const auto&... loss) { (f(loss), ...); }, Losses{});
  }

  template <class L> void add(const L& loss) {
    const auto one = [&](const auto& option) {
      if (std::any_of(values_.begin(), values_.end(), [&](const value& v) { return v.name == option.name; })) return;
      using member = std::remove_cvref_t<decltype(loss.*option.member)>;
      value& v = values_.emplace_back();
      v.name = option.name;
      const std::string name(option.name);
      if constexpr (std::same_as<member, bool>) {
        v.is_flag = true;
        v.truth = loss.*option.member;
        settings_->add(name.c_str(), v.truth, help_of(name));
      } else {
        v.number = static_cast<double>(loss.*option.member);
        settings_->add(name.c_str(), v.number, help_of(name));
      }
    };
    std::apply([&](const auto&... option) { (one(option), ...); }, L::options());
  }

  static std::string help_of(const std::string& name) {
    constexpr std::pair<const char*, const char*> known[] = {
        {"beta", "how firmly the reference holds the policy"},
        {"label_smoothing", "share of labels that are thought to be the wrong way round"},
        {"token_average", "divide log-ratios by the response's length, as TRL does"},
        {"desirable_weight", "weight of the responses that were called good"},
        {"undesirable_weight", "weight of the responses that were called bad"},
    };
    std::string text = "hyper-parameter";
    for (const auto& [key, words] : known)
      if (name == key) text = words;
    for_each([&]<class L>(const L&) {
      if (name == "beta" && L::name == "ipo") text += "; of ipo: tau";
    });
    if (std::tuple_size_v<Losses> == 1) return text;
    std::string users;
    std::size_t count = 0;
    for_each([&]<class L>(const L&) {
      if (!uses_option<L>(name)) return;
      users += (users.empty() ? "" : ", ") + std::string(L::name);
      ++count;
    });
    return count == std::tuple_size_v<Losses> ? text : text + " (" + users + ")";
  }

  settings* settings_;
  std::vector<std::string> chosen_;
  std::list<value> values_;
};

}  // namespace tilt::program

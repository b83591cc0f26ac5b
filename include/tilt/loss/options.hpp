// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <concepts>
#include <limits>
#include <string_view>
#include <tilt/exception.hpp>
#include <tilt/loss/ranges.hpp>
#include <tuple>
#include <type_traits>

namespace tilt {

/// A hyper-parameter under the name that a command line or a configuration file has for it. A loss lists its own:
/// `static constexpr auto options() { return std::tuple(loss_option{"beta", &dpo::beta}, …); }`
template <class L, class V> struct loss_option {
  std::string_view name;
  V L::*member;
};
template <class L, class V> loss_option(const char*, V L::*) -> loss_option<L, V>;

/// What a program needs to offer a loss: its name, the options it uses, and a check() that throws input_error on impossible ones.
template <class L>
concept described_loss = requires(const L& loss) {
  { L::name } -> std::convertible_to<std::string_view>;
  L::options();
  loss.check();
};

/// The names of the options that L uses, in L's order.
template <described_loss L> constexpr auto option_names() {
  return std::apply([](const auto&... option) { return std::array<std::string_view, sizeof...(option)>{option.name...}; }, L::options());
}

template <described_loss L> constexpr bool uses_option(std::string_view name) {
  for (const std::string_view own : option_names<L>())
    if (own == name) return true;
  return false;
}

namespace detail {
[[noreturn]] inline void refuse(std::string_view option, std::string_view reason, std::string_view remedy) {
  throw input_error({option, ": ", reason, "; ", remedy});
}
/// For check(): throws unless the value can be used. NaN never can, if `usable` is a comparison.
inline void require_usable(bool usable, std::string_view option, double value, std::string_view remedy) {
  if (!usable) throw input_error({option, ": ", number_text(value), " cannot be used; ", remedy});
}
inline void require_positive(std::string_view option, double value) {
  require_usable(value > 0 && value <= std::numeric_limits<double>::max(), option, value, "give a positive number");
}
inline void require_weight(std::string_view option, double value) {
  require_usable(value >= 0 && value <= std::numeric_limits<double>::max(), option, value, "give 0 or a positive number");
}
}  // namespace detail

/// Throws input_error if L does not use the option of this name: an option is never ignored in silence.
template <described_loss L> void require_option(std::string_view name) {
  if (!uses_option<L>(name))
    throw input_error({name, ": the loss ", L::name, " does not use it; leave it away, or choose a loss that does"});
}

/// Sets an option by name; 0 and 1 are false and true. Throws input_error if the loss does not use it.
template <described_loss L> void set_option(L& loss, std::string_view name, double value) {
  require_option<L>(name);
  const auto set = [&](const auto& option) {
    if (option.name != name) return;
    auto& member = loss.*option.member;
    using value_type = std::remove_reference_t<decltype(member)>;
    if constexpr (std::same_as<value_type, bool>) {
      detail::require_usable(value == 0 || value == 1, name, value, "give 0 or 1");
      member = value == 1;
    } else {
      member = static_cast<value_type>(value);
    }
  };
  std::apply([&](const auto&... option) { (set(option), ...); }, L::options());
}

}  // namespace tilt

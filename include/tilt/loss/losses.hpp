// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string_view>
#include <tuple>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/hinge.hpp>
#include <tilt/loss/ipo.hpp>
#include <tilt/loss/kto.hpp>

namespace tilt {

/// The library's losses, for programs that choose one at run time. A new loss is a line here.
using pair_losses = std::tuple<dpo, hinge, ipo>;
using labelled_losses = std::tuple<kto>;

/// Calls use(L{}) for the loss of this name, and tells whether there is one.
template <class Losses, class F> bool with_loss(std::string_view name, F&& use) {
  const auto try_one = [&]<class L>(const L& loss) { return L::name == name && (use(loss), true); };
  return std::apply([&](const auto&... loss) { return (try_one(loss) || ...); }, Losses{});
}

}  // namespace tilt

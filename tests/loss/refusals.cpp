// SPDX-License-Identifier: Apache-2.0
// Every option against every loss: an option that a loss uses can be set, and any other is an error that names both.
#include <algorithm>
#include <set>
#include <string>
#include <tilt/loss/losses.hpp>

#include "support/catch.hpp"

using namespace tilt;
using Catch::Matchers::Contains;

namespace {

using all_losses = decltype(std::tuple_cat(pair_losses{}, labelled_losses{}, list_losses{}));
template <class F> void for_each_loss(const F& f) {
  std::apply([&](const auto&... loss) { (f(loss), ...); }, all_losses{});
}

std::set<std::string_view> all_options() {
  std::set<std::string_view> names;
  for_each_loss([&]<class L>(const L&) {
    for (const auto name : option_names<L>()) names.insert(name);
  });
  return names;
}

}  // namespace

TEST_CASE("options against losses: used ones are set, unused ones refused by both names") {
  const auto options = all_options();
  CHECK(options.size() >= 15);
  std::size_t used = 0, refused = 0;
  for_each_loss([&]<class L>(const L& usual) {
    CHECK_NOTHROW(usual.check());
    for (const std::string_view option : options) {
      CAPTURE(L::name, option);
      L loss;
      if (uses_option<L>(option)) {
        // Set, and what was set is what the option reads.
        const bool truth = option == "token_average" || option == "odpo_log";
        CHECK_NOTHROW(set_option(loss, option, truth ? 0 : 0.375));
        double read = -1;
        const auto look = [&](const auto& o) {
          if (o.name == option) read = static_cast<double>(loss.*o.member);
        };
        std::apply([&](const auto&... o) { (look(o), ...); }, L::options());
        CHECK(read == (truth ? 0 : 0.375));
        CHECK_NOTHROW(loss.check());
        ++used;
      } else {
        CHECK_THROWS_AS(set_option(loss, option, 0.375), input_error);
        CHECK_THROWS_WITH(set_option(loss, option, 0.375),
                          Contains(std::string(option)) && Contains(std::string(L::name)) && Contains("does not use it"));
        ++refused;
      }
    }
  });
  CHECK(used + refused == options.size() * std::tuple_size_v<all_losses>);
}

TEST_CASE("no loss takes a hyper-parameter that cannot be") {
  for_each_loss([&]<class L>(const L&) {
    for (const std::string_view option : option_names<L>()) {
      if (option == "token_average" || option == "odpo_log") continue;
      for (const double value : {std::nan(""), HUGE_VAL}) {
        CAPTURE(L::name, option, value);
        L loss;
        set_option(loss, option, value);
        CHECK_THROWS_WITH(loss.check(), Contains(std::string(option)));
      }
      if (option == "alpha") continue;  // AlphaPO's may be negative
      L loss;
      set_option(loss, option, -0.5);
      CAPTURE(L::name, option);
      CHECK_THROWS_WITH(loss.check(), Contains(std::string(option) + ": -0.5"));
    }
  });
}

TEST_CASE("no two losses share a name, and each is found by it") {
  std::set<std::string_view> names;
  for_each_loss([&]<class L>(const L&) {
    CHECK(names.insert(L::name).second);
    int found = 0;
    const auto use = [&]<class M>(const M&) { found += M::name == L::name ? 1 : 100; };
    const bool pair = with_loss<pair_losses>(L::name, use), labelled = with_loss<labelled_losses>(L::name, use),
               list = with_loss<list_losses>(L::name, use);
    CHECK(found == 1);
    CHECK((pair == pair_loss<L> && labelled == labelled_loss<L> && list == list_loss<L>));
  });
}

TEST_CASE("columns of data against pair losses") {
  const double x[] = {-1}, one[] = {1};
  const int n[] = {3};
  std::apply(
      [&]<class... L>(const L&... loss) {
        const auto check = [&]<class M>(const M& l) {
          pair_batch<double> b{.policy_chosen = x,
                               .policy_rejected = x,
                               .reference_chosen = x,
                               .reference_rejected = x,
                               .length_chosen = n,
                               .length_rejected = n};
          const auto fill = [&](pair_batch<double>& to) {
            if (uses_scores(l)) to.score_chosen = one, to.score_rejected = x;
            if (uses_win_probability(l)) to.win_probability = one;
          };
          const auto refuses = [&](const pair_batch<double>& bad, const char* column, bool named) {
            CAPTURE(M::name, column);
            if (named)
              CHECK_THROWS_WITH(evaluate(l, bad), Contains(column) && Contains(std::string(M::name)));
            else
              CHECK_THROWS_WITH(evaluate(l, bad), Contains(column));
          };
          fill(b);
          CHECK_NOTHROW(evaluate(l, b));
          pair_batch<double> bad = b;
          bad.win_probability = uses_win_probability(l) ? host_range<const double>{} : host_range<const double>{one};
          refuses(bad, "win_probability", !uses_win_probability(l));
          bad = b;
          bad.score_rejected = uses_scores(l) ? host_range<const double>{} : host_range<const double>{one};
          refuses(bad, "score_rejected", !uses_scores(l));
          bad = b;
          bad.weights = one;
          if (takes_weights<M>())
            CHECK_NOTHROW(evaluate(l, bad));
          else
            refuses(bad, "weights", true);
          bad = b;
          bad.length_rejected = {};
          if (uses_lengths(l))
            refuses(bad, "length", false);
          else
            CHECK_NOTHROW(evaluate(l, bad));
          bad = b;
          bad.reference_chosen = {};
          if (uses_reference<M>())
            refuses(bad, "reference_chosen", false);
          else
            CHECK_NOTHROW(evaluate(l, bad));
        };
        (check(loss), ...);
      },
      pair_losses{});
}

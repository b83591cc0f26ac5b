// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/loss/evaluate.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tuple>

namespace tilt {

/// The divergence that keeps π near π_ref, under TRL's names.
enum class divergence { reverse_kl, forward_kl, js_divergence, alpha_divergence };

inline divergence divergence_from_name(std::string_view name) {
  if (name == "reverse_kl") return divergence::reverse_kl;
  if (name == "forward_kl") return divergence::forward_kl;
  if (name == "js_divergence") return divergence::js_divergence;
  if (name == "alpha_divergence") return divergence::alpha_divergence;
  throw input_error(
      {"f_divergence_type: \"", name, "\" is not known; take one of reverse_kl, forward_kl, js_divergence, alpha_divergence"});
}
inline std::string_view name_of(divergence d) {
  switch (d) {
    case divergence::forward_kl:
      return "forward_kl";
    case divergence::js_divergence:
      return "js_divergence";
    case divergence::alpha_divergence:
      return "alpha_divergence";
    case divergence::reverse_kl:
      break;
  }
  return "reverse_kl";
}

namespace detail {
/// What exp can take without overflow, of the number at the bottom of T.
template <class T> struct largest_exponent { static constexpr double value = 700; };
template <> struct largest_exponent<float> { static constexpr double value = 80; };
template <packet P> struct largest_exponent<P> : largest_exponent<typename P::scalar> {};
template <class T, int N> struct largest_exponent<dual<T, N>> : largest_exponent<T> {};
}  // namespace detail

/// The link between a response's log-ratio u = log π/π_ref and its score (Wang et al. 2023, arXiv 2309.16240, table 1): f′(e^u) up to a
/// constant, for the optimum of E[r] − β·D_f(π‖π_ref) has r = β·f′(π/π_ref) + const.
///   reverse_kl u · forward_kl 1 − e^−u · js_divergence log 2 + log σ(u) · alpha_divergence (e^(α−1)u − 1)/(α − 1)
/// Increasing, 0 at u = 0 with slope 1 (js: ½). Exponents are held below what overflows (for alpha_divergence at TRL's 80); beyond it the slope is 0.
struct divergence_link {
  divergence type = divergence::reverse_kl;
  double alpha = 0.5;  ///< of alpha_divergence; 1 is reverse_kl, 0 is forward_kl

  template <class T> TILT_HD T operator()(const T& u) const {
    using std::expm1, std::log;
    const T highest = constant<T>(detail::largest_exponent<T>::value);
    if (type == divergence::forward_kl) return -expm1(min(-u, highest));
    if (type == divergence::js_divergence) return log(constant<T>(2)) + log_sigmoid(u);
    const double power = alpha - 1;
    if (type == divergence::reverse_kl || (power < 1e-6 && power > -1e-6)) return u;
    return expm1(min(constant<T>(power) * u, constant<T>(80))) / constant<T>(power);
  }

  void check() const {
    detail::require_usable(alpha - alpha == 0, "f_alpha_divergence_coef", alpha, "give a finite number");
    if (alpha != divergence_link{}.alpha && type != divergence::alpha_divergence)
      detail::refuse("f_alpha_divergence_coef", "only alpha_divergence uses it",
                     "leave it away, or give f_divergence_type alpha_divergence");
  }
};

/// A loss of the margin under another divergence: every log-ratio is replaced by its score. The reported rewards stay β·log-ratio.
///   with_divergence<dpo>{{.beta = 0.1}, {divergence::js_divergence}}
template <pair_loss L> struct with_divergence : L {
  static_assert(is_of_margin<L>(),
                "L::of_margin must be true: the loss has to depend on differences of scores alone; see docs/losses.md#divergences");
  divergence_link link = {};

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const { return L::operator()(linked(y)); }
  template <class T, class Value> TILT_HD T operator()(const pair_logps<T>& y, const Value& statistic) const {
    return L::operator()(linked(y), statistic);
  }
  void check() const {
    if constexpr (requires(const L& loss) { loss.check(); }) L::check();
    link.check();
  }

 private:
  template <class T> TILT_HD response_logps<T> linked(const response_logps<T>& y) const {
    return {link(y.log_ratio()), constant<T>(0), y.tokens, y.score};
  }
  template <class T> TILT_HD pair_logps<T> linked(const pair_logps<T>& y) const {
    return {linked(y.chosen), linked(y.rejected), y.win_probability};
  }
};

}  // namespace tilt

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <tilt/loss/options.hpp>
#include <tilt/scalar/dual.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tilt/theory/claim.hpp>

namespace tilt {

namespace detail {
/// −log σ(m) − w·(−log σ(−m)): the loss of a good pair less a share of a bad one's, where the policy moves both margins alike.
template <class T> T rewarded_negative(const T& margin, double w) { return -log_sigmoid(margin) + constant<T>(w) * log_sigmoid(-margin); }
/// The same with the bad pair the right way round: −log σ(m) − w·log σ(m).
template <class T> T reversed_negative(const T& margin, double w) { return -log_sigmoid(margin) - constant<T>(w) * log_sigmoid(margin); }
}  // namespace detail

/// Claim 12. Subtracting the loss of a bad answer leaves a loss whose slope tends to −w: it falls for ever.
inline claim claim_unbounded_penalty() {
  claim c{12,
          "Negative preferences enter as a loss subtracted, −w·(−log σ) of the bad answer",
          "That is unbounded below for any w > 0, since −log σ grows like a line: its slope tends to −w, and training ends in infinity. A "
          "negative preference is a pair the other "
          "way round (bounded by 0), or a value that saturates (KTO).",
          {}};
  for (const double w : {0.001, 0.01, 0.5})
    c.measurements.push_back({"subtracted, w = " + std::string(detail::number_text(w)) + ", margin 5,000; −w·5,000",
                              detail::rewarded_negative(5000.0, w), -w * 5000, claim_bound::exact});
  using number = dual<double, 1>;
  c.measurements.push_back(
      {"its slope there, w = 0.01; −w", detail::rewarded_negative(number::variable(5000.0, 0), 0.01).slope[0], -0.01, claim_bound::exact});
  double least = 1;
  c.picture = {"A negative preference, w = 0.5", "margin", "loss", {{"its loss subtracted", {}}, {"the pair reversed", {}}}};
  for (int m = -5000; m <= 5000; ++m) least = std::min(least, detail::reversed_negative<double>(m, 0.01));
  for (int m = -6; m <= 20; ++m) {
    c.picture.curves[0].points.emplace_back(m, detail::rewarded_negative<double>(m, 0.5));
    c.picture.curves[1].points.emplace_back(m, detail::reversed_negative<double>(m, 0.5));
  }
  c.measurements.push_back({"least value of the pair reversed, w = 0.01, margins −5,000 to 5,000", least + 0.0, 0, claim_bound::exact});
  return c;
}

}  // namespace tilt

// SPDX-License-Identifier: Apache-2.0
// What is said of a reward model's choices: against values worked out by hand, and against its own definition on drawn labels.
#include <tilt/scalar/philox.hpp>
#include <tilt/train/calibration.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/tolerance.hpp"

namespace tilt::test {

TEST_CASE("Wilson's interval: its equation, its ends, and what it refuses") {
  // The ends are the shares from which the observed one is z standard deviations away: |p − w| = z·√(w(1 − w)/n).
  for (const double n : {1., 7., 100., 1800.})
    for (const double hits : {0., std::floor(n / 3), std::floor(n / 2), n}) {
      const interval found = wilson_interval(hits, n);
      INFO(hits << " of " << n);
      CHECK(found.value == hits / n);
      for (const double w : {found.low, found.high})
        CHECK(close(std::abs(found.value - w), 1.959963984540054 * std::sqrt(w * (1 - w) / n), 1e-9, 1));
      CHECK((found.low >= 0 && found.low <= found.value && found.value <= found.high && found.high <= 1));
    }
  CHECK_THROWS_AS(wilson_interval(0, 0), error);
  CHECK_THROWS_AS(wilson_interval(3, 2), error);
  CHECK_THROWS_AS(wilson_interval(-1, 2), error);
}

TEST_CASE("calibration: four pairs by hand") {
  const double three = std::log(3.0);  // P = 3/4
  const calibration c = calibrate(std::vector<double>{three, three, -three, 0});
  CHECK(c.pairs == 4);
  CHECK(c.accuracy.value == 0.5);  // a tie is no hit
  CHECK(close(c.brier, (2.0 / 16 + 9.0 / 16 + 0.25) / 4, tolerance<double>::value));
  CHECK(close(c.log_loss, (2 * std::log(4.0 / 3) + std::log(4.0) + std::log(2.0)) / 4, tolerance<double>::value));
  // confidence 3/4 with 2 of 3 right, confidence 1/2 with 0 of 1
  CHECK(close(c.expected_calibration_error, (3 * (0.75 - 2.0 / 3) + 0.5) / 4, tolerance<double>::value));
  CHECK_THROWS_AS(calibrate({}), error);
  const calibration far = calibrate(std::vector<double>{-2000});
  CHECK((far.log_loss == 2000 && far.brier == 1 && far.expected_calibration_error == 1));
}

TEST_CASE("calibration: labels drawn from the model's own probabilities leave no error, overconfidence does") {
  const philox draws(3, 0);
  std::vector<double> margins, doubled;
  for (std::uint64_t i = 0; i < 40000; ++i) {
    const double margin = 2 * normal(draws, 2 * i);
    margins.push_back(uniform(draws, 1000000 + i) < sigmoid(margin) ? margin : -margin);
    doubled.push_back(4 * margins.back());
  }
  CHECK(calibrate(margins).expected_calibration_error < 0.01);
  CHECK(calibrate(doubled).expected_calibration_error > 0.1);
  CHECK(calibrate(doubled).accuracy.value == calibrate(margins).accuracy.value);
  CHECK(calibrate(doubled).brier > calibrate(margins).brier);
}

}  // namespace tilt::test

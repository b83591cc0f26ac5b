// SPDX-License-Identifier: Apache-2.0
// `tilt demo` on a backend of a page: the language, the samples, the preferences and DPO, all of it on tiny_backend.hpp. Arguments: the
// sizes `--language`, `--comparisons` and `--samples` of `tilt demo` (whose defaults are 30 32 64); without them, smaller ones. The exit status
// says whether DPO has raised the true reward.
#include <cstdio>
#include <cstdlib>
#include <tilt/loss/dpo.hpp>
#include <tilt/train/preference.hpp>

#include "../tilt/demo_report.hpp"
#include "tiny_backend.hpp"

int main(int argc, char** argv) {
  namespace program = tilt::program;
  program::demo_sizes sizes{.language = 6, .comparisons = 6, .samples = 64};
  if (argc != 1 && argc != 4) {
    std::fputs("tiny_backend: give three sizes, or none\n", stderr);
    return 2;
  }
  if (argc == 4) {
    const auto size = [&](int i) { return std::max<tilt::index>(2, std::atoll(argv[i])); };
    sizes = {size(1), size(2), size(3)};
  }
  tiny::backend<float> backend;
  program::demo_experiment<tiny::backend<float>> experiment(backend, sizes, 42);
  const program::demo_outcome outcome =
      experiment.run({{"sigmoid", {0.2}, false, program::demo_aim::reward, [](double beta) {
                         return tilt::any_objective<float>(tilt::preference_objective(tilt::dpo{.beta = beta}));
                       }}});
  std::fputs(program::demo_report(experiment.world(), outcome).text().c_str(), stdout);

  const program::estimate before = outcome.reference.measured.reward, after = outcome.rows[0].measured.reward;
  const double error = std::hypot(before.error, after.error);
  std::printf("\nDPO on tiny_backend: reward %.2f to %.2f, a rise of %.1f standard errors\n", before.value, after.value,
              (after.value - before.value) / error);
  return after.value - before.value > 4 * error ? 0 : 1;
}

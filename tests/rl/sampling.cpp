// SPDX-License-Identifier: Apache-2.0
#include <tilt/rl/sampling.hpp>

#include "chi_square.hpp"
#include "support/catch.hpp"
#include "support/tolerance.hpp"

namespace {

using tilt::sampling_options;
using tilt::token_sampler;
using tilt::test::all_close;

std::vector<double> distribution(const std::vector<double>& logits, sampling_options options) {
  token_sampler sampler(options);
  const auto p = sampler.probabilities(std::span<const double>(logits));
  return {p.begin(), p.end()};
}

std::vector<double> logs(std::vector<double> p) {
  for (double& x : p) x = std::log(x);
  return p;
}

constexpr double tight = tilt::test::tolerance<double>::value;

TEST_CASE("sampling: without options the softmax, at any offset of the logits") {
  const std::vector<double> p = {0.1, 0.4, 0.05, 0.25, 0.2};
  CHECK(all_close(distribution(logs(p), {}), p, tight));
  std::vector<double> shifted = logs(p);
  for (double& z : shifted) z += 1000;
  CHECK(all_close(distribution(shifted, {}), p, 1e-12));  // the shift itself costs a thousand roundings
}

TEST_CASE("sampling: temperature is a power of the probabilities") {
  const std::vector<double> p = {0.1, 0.4, 0.5};
  CHECK(all_close(distribution(logs(p), {.temperature = 0.5}), std::vector<double>{0.01 / 0.42, 0.16 / 0.42, 0.25 / 0.42}, tight));
}

TEST_CASE("sampling: temperature 0 takes the first of the most probable") {
  CHECK(distribution({1, 3, 2, 3}, {.temperature = 0}) == std::vector<double>{0, 1, 0, 0});
  token_sampler greedy({.temperature = 0});
  const std::vector<float> logits = {1, 3, 2, 3};
  for (const double u : {0.0, 0.5, 1 - 0x1p-53}) CHECK(greedy(std::span<const float>(logits), u) == 1);
}

TEST_CASE("sampling: top_k keeps the ties with the k-th") {
  const std::vector<double> p = {0.1, 0.2, 0.3, 0.2, 0.2};
  CHECK(all_close(distribution(logs(p), {.top_k = 1}), std::vector<double>{0, 0, 1, 0, 0}, tight));
  CHECK(all_close(distribution(logs(p), {.top_k = 2}), std::vector<double>{0, 0.2 / 0.9, 0.3 / 0.9, 0.2 / 0.9, 0.2 / 0.9}, tight));
  CHECK(all_close(distribution(logs(p), {.top_k = 5}), p, tight));
  CHECK(all_close(distribution(logs(p), {.top_k = 50}), p, tight));
}

TEST_CASE("sampling: top_p keeps the fewest that reach it") {
  const std::vector<double> p = {0.125, 0.5, 0.25, 0.125};
  CHECK(distribution(logs(p), {.top_p = 0}) == std::vector<double>{0, 1, 0, 0});
  CHECK(distribution(logs(p), {.top_p = 0.45}) == std::vector<double>{0, 1, 0, 0});
  CHECK(all_close(distribution(logs(p), {.top_p = 0.55}), std::vector<double>{0, 2.0 / 3, 1.0 / 3, 0}, tight));
  CHECK(all_close(distribution(logs(p), {.top_p = 0.74}), std::vector<double>{0, 2.0 / 3, 1.0 / 3, 0}, tight));
  CHECK(all_close(distribution(logs(p), {.top_p = 0.8}), std::vector<double>{0.125 / 0.875, 0.5 / 0.875, 0.25 / 0.875, 0}, tight));
  CHECK(all_close(distribution(logs(p), {.top_p = 0.99}), p, tight));
  // Masses that reach it exactly are enough; of equals the first stay.
  CHECK(distribution({0, 0, 0, 0}, {.top_p = 0.75}) == std::vector<double>{1.0 / 3, 1.0 / 3, 1.0 / 3, 0});
  CHECK(distribution({0, 0, 0, 0}, {.top_p = 0.5}) == std::vector<double>{0.5, 0.5, 0, 0});
  CHECK(distribution({0, 0, 0, 0}, {.top_p = 0.25}) == std::vector<double>{1, 0, 0, 0});
}

TEST_CASE("sampling: min_p keeps what has a share of the largest") {
  const std::vector<double> p = {0.4, 0.25, 0.2, 0.1, 0.05};
  CHECK(all_close(distribution(logs(p), {.min_p = 0.3}), std::vector<double>{0.4 / 0.85, 0.25 / 0.85, 0.2 / 0.85, 0, 0}, tight));
  CHECK(all_close(distribution(logs(p), {.min_p = 0.12}), p, tight));
  CHECK(all_close(distribution(logs(p), {.min_p = 0.13}), std::vector<double>{0.4 / 0.95, 0.25 / 0.95, 0.2 / 0.95, 0.1 / 0.95, 0}, tight));
  CHECK(distribution({0, 2, 2, 1}, {.min_p = 1}) == std::vector<double>{0, 0.5, 0.5, 0});
  // It looks at the tempered probabilities: at temperature 2 the square roots, of which 0.5 is more than 0.45 of the largest.
  CHECK(all_close(distribution(logs({0.64, 0.16, 0.04}), {.temperature = 2, .min_p = 0.45}), std::vector<double>{2.0 / 3, 1.0 / 3, 0},
                  tight));
  CHECK(distribution(logs({0.64, 0.16, 0.04}), {.min_p = 0.45}) == std::vector<double>{1, 0, 0});
}

TEST_CASE("sampling: the repetition penalty weakens tokens of the text, once each, and before all else") {
  const std::vector<double> logits = {2, 1, -1, 0, 3};
  const std::vector<tilt::token> prompt = {0, 2, 0}, sample = {0, 3};
  token_sampler sampler({.repetition_penalty = 2});
  const auto p = sampler.probabilities(std::span<const double>(logits), {prompt, sample});
  CHECK(all_close(p, distribution({1, 1, -2, 0, 3}, {}), tight));
  const auto again = sampler.probabilities(std::span<const double>(logits), {sample, {}});  // nothing is kept from the row before
  CHECK(all_close(again, distribution({1, 1, -1, 0, 3}, {}), tight));
  CHECK(all_close(sampler.probabilities(std::span<const double>(logits)), distribution(logits, {}), tight));
  token_sampler rewarding({.repetition_penalty = 0.5});
  CHECK(all_close(rewarding.probabilities(std::span<const double>(logits), {prompt, {}}), distribution({4, 1, -0.5, 0, 3}, {}), tight));
  token_sampler greedy({.temperature = 0, .repetition_penalty = 3.1});
  const std::vector<tilt::token> largest = {4};
  CHECK(greedy(std::span<const double>(logits), 0.5, {largest, {}}) == 0);
  // Divided by the temperature after it, and the top_k are those of the penalised ones.
  token_sampler all({.temperature = 0.5, .top_k = 2, .repetition_penalty = 3});
  CHECK(all_close(all.probabilities(std::span<const double>(logits), {largest, {}}), distribution({4, 2, -INFINITY, -INFINITY, 2}, {}),
                  tight));
}

/// The filters by their definitions: sets of tokens, found by going through all of them.
std::vector<double> by_definition(std::vector<double> z, const sampling_options& o, const std::vector<tilt::token>& text) {
  for (std::size_t i = 0; i < z.size(); ++i)
    if (std::find(text.begin(), text.end(), static_cast<tilt::token>(i)) != text.end())
      z[i] = z[i] < 0 ? z[i] * o.repetition_penalty : z[i] / o.repetition_penalty;
  const auto softmax = [&](const std::vector<bool>& kept) {
    std::vector<double> p(z.size());
    double total = 0;
    for (std::size_t i = 0; i < z.size(); ++i) total += p[i] = kept[i] ? std::exp(z[i] / o.temperature) : 0;
    for (double& x : p) x /= total;
    return p;
  };
  std::vector<bool> kept(z.size(), true);
  if (o.top_k > 0)  // fewer than k are larger
    for (std::size_t i = 0; i < z.size(); ++i) kept[i] = std::count_if(z.begin(), z.end(), [&](double x) { return x > z[i]; }) < o.top_k;
  std::vector<double> p = softmax(kept);
  if (o.top_p < 1)  // those before it in the order of probability do not reach top_p
    for (std::size_t i = 0; i < z.size(); ++i) {
      double before = 0;
      for (std::size_t j = 0; j < z.size(); ++j)
        if (p[j] > p[i] || (p[j] == p[i] && j < i)) before += p[j];
      if (before > 0 && before >= o.top_p) kept[i] = false;
    }
  p = softmax(kept);
  for (std::size_t i = 0; i < z.size(); ++i)
    if (p[i] < o.min_p * *std::max_element(p.begin(), p.end())) kept[i] = false;
  return softmax(kept);
}

TEST_CASE("sampling: the filters together are what their definitions say") {
  std::size_t filtered = 0;
  for (std::uint64_t trial = 0; trial < 300; ++trial) {
    const tilt::philox draw(8, trial);
    std::uint64_t at = 0;
    const auto u = [&] { return uniform(draw, at++); };
    std::vector<double> logits(2 + static_cast<std::size_t>(u() * 400));
    for (double& z : logits) z = std::round(40 * (u() - 0.5)) / 4;  // with ties
    std::vector<tilt::token> text(static_cast<std::size_t>(u() * 20));
    for (tilt::token& t : text) t = static_cast<tilt::token>(u() * static_cast<double>(logits.size()));
    sampling_options options{.temperature = 0.3 + 2 * u()};
    if (u() < 0.5) options.top_k = 1 + static_cast<tilt::index>(u() * 100);
    if (u() < 0.5) options.top_p = u();
    if (u() < 0.5) options.min_p = u() * u();
    if (u() < 0.5) options.repetition_penalty = 0.5 + 2 * u();
    token_sampler sampler(options);
    const std::vector<double> expected = by_definition(logits, options, text);
    INFO("trial " << trial);
    CHECK(all_close(sampler.probabilities(std::span<const double>(logits), {text, {}}), expected, 1e-12));
    if (std::count(expected.begin(), expected.end(), 0.0) > 0) ++filtered;
  }
  CHECK(filtered > 100);
}

TEST_CASE("sampling: temperature comes before top_k, and top_k before top_p") {
  // At temperature 2 the probabilities are those of the square roots: 0.6, 0.3, 0.1 of what is left.
  const std::vector<double> p = {0.36, 0.09, 0.01, 0.0025};
  CHECK(
      all_close(distribution(logs(p), {.temperature = 2, .top_k = 3, .top_p = 0.85}), std::vector<double>{2.0 / 3, 1.0 / 3, 0, 0}, tight));
  CHECK(all_close(distribution(logs(p), {.temperature = 2, .top_k = 3, .top_p = 0.95}), std::vector<double>{0.6, 0.3, 0.1, 0}, tight));
  // Without temperature the same mass is reached by one token.
  CHECK(distribution(logs(p), {.top_k = 3, .top_p = 0.75})[1] == 0);
}

TEST_CASE("sampling: frequencies follow the probabilities") {
  const std::vector<double> p = {0.01, 0.3, 0, 0.24, 0.15, 0.1, 0.1, 0.1};
  std::vector<double> logits = logs(p);
  for (const sampling_options& options :
       {sampling_options{}, sampling_options{.temperature = 1.7}, sampling_options{.temperature = 0.6, .top_k = 4, .top_p = 0.9}}) {
    token_sampler sampler(options);
    const std::vector<double> expected = distribution(logits, options);
    std::vector<std::size_t> counts(p.size());
    for (std::uint64_t sample = 0; sample < 200; ++sample)
      for (tilt::index position = 0; position < 100; ++position)
        ++counts[static_cast<std::size_t>(sampler(std::span<const double>(logits), tilt::philox(5, sample), position))];
    const tilt::test::chi_square test(expected, counts);
    CHECK(test.cells >= 2);
    CHECK(test.deviates < 3.5);
    for (std::size_t i = 0; i < p.size(); ++i)
      if (expected[i] == 0) CHECK(counts[i] == 0);
  }
  // The test has power: the frequencies of one distribution are refused as those of a slightly different one.
  token_sampler sampler;
  std::vector<std::size_t> counts(p.size());
  for (std::uint64_t sample = 0; sample < 20000; ++sample)
    ++counts[static_cast<std::size_t>(sampler(std::span<const double>(logits), tilt::philox(6, sample), 0))];
  CHECK(tilt::test::chi_square({0.01, 0.32, 0, 0.22, 0.15, 0.1, 0.1, 0.1}, counts).deviates > 3.5);
}

TEST_CASE("sampling: what cannot be used is refused by name") {
  const auto message = [](sampling_options options) {
    try {
      token_sampler{options};
    } catch (const tilt::input_error& e) { return std::string(e.what()); }
    return std::string();
  };
  CHECK(message({.temperature = -1}).find("temperature") == 0);
  CHECK(message({.temperature = std::nan("")}).find("temperature") == 0);
  CHECK(message({.top_k = -2}).find("top_k") == 0);
  CHECK(message({.top_p = 1.5}).find("top_p") == 0);
  CHECK(message({.min_p = -0.1}).find("min_p") == 0);
  CHECK(message({.min_p = 1.1}).find("min_p") == 0);
  CHECK(message({.repetition_penalty = 0}).find("repetition_penalty") == 0);
  CHECK(message({.temperature = 0, .min_p = 0.1}).find("min_p") == 0);
  CHECK(message({.temperature = 0, .repetition_penalty = 1.2}).empty());
  CHECK(message({.temperature = 0, .top_k = 3}).find("top_k") == 0);
  CHECK(message({.temperature = 0, .top_p = 0.9}).find("top_p") == 0);
  CHECK(message({.temperature = 0.7, .top_k = 50, .top_p = 0.9}).empty());
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK_THROWS_AS(distribution({0, std::nan(""), 1}, {}), tilt::error);
  CHECK_THROWS_AS(distribution({0, infinity}, {}), tilt::error);
  CHECK_THROWS_AS(distribution({-infinity, -infinity}, {}), tilt::error);
  CHECK(distribution({-infinity, 0}, {}) == std::vector<double>{0, 1});
}

}  // namespace

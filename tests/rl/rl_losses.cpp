// SPDX-License-Identifier: Apache-2.0
// GRPO, RLOO and PPO: gradients three ways, what a step's parts add up to, what clipping does, refusals.
#include <cmath>
#include <span>
#include <string>
#include <tilt/rl/grpo.hpp>
#include <tilt/rl/ppo.hpp>
#include <tilt/rl/reinforce.hpp>
#include <tilt/rl/rloo.hpp>
#include <tilt/scalar/philox.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/tolerance.hpp"

namespace {

using namespace tilt;
using test::all_close;
using test::close;
using test::tolerance;

constexpr auto bnpo = grpo_loss_type::bnpo, dr_grpo = grpo_loss_type::dr_grpo, dapo = grpo_loss_type::dapo, cispo = grpo_loss_type::cispo,
               sapo = grpo_loss_type::sapo, vespo = grpo_loss_type::vespo, luspo = grpo_loss_type::luspo;

/// Four responses with ratios on both sides of every clip and advantages of both signs.
struct sample {
  std::vector<int> lengths = {3, 1, 5, 2};
  std::vector<double> logps, old_logps, reference_logps, advantages = {1.25, -0.5, -2.0, 0.75};

  explicit sample(double spread, std::uint64_t seed = 11) {
    const philox draws(seed);
    for (std::uint64_t t = 0; t < 11; ++t) {
      old_logps.push_back(-3 * uniform(draws, 3 * t) - 0.05);
      logps.push_back(old_logps.back() + spread * normal(draws, 3 * t + 1));
      reference_logps.push_back(old_logps.back() + 0.4 * normal(draws, 3 * t + 2));
    }
  }
  token_batch<double> batch() const {
    return {.lengths = lengths, .logps = logps, .old_logps = old_logps, .reference_logps = reference_logps, .advantages = advantages};
  }
};

std::vector<grpo> all_grpo() {
  std::vector<grpo> all;
  for (const grpo_loss_type type : {grpo_loss_type::grpo, bnpo, dr_grpo, dapo, cispo, sapo, vespo}) {
    all.push_back({.loss_type = type});
    all.push_back({.loss_type = type, .beta = 0.3});
    all.push_back({.loss_type = type, .beta = 0.3, .use_bias_correction_kl = true});
  }
  all.push_back({.loss_type = dapo, .epsilon_high = 0.28, .delta = 1.5});
  all.push_back({.loss_type = cispo, .epsilon_high = 1.1});
  for (const grpo_loss_type type : {grpo_loss_type::grpo, dapo, sapo, luspo})
    all.push_back({.loss_type = type, .beta = 0.2, .sequence_ratio = true, .use_bias_correction_kl = true});
  return all;
}

/// The loss written out once more, in long double, as a function of the log-probabilities alone. `fixed` stands for what the gradient
/// treats as constants (CISPO's and VESPO's weights): with it the function's derivative is the gradient that the papers mean.
long double plainly(const grpo& loss, const sample& s, const std::vector<long double>& logps, const std::vector<long double>& fixed) {
  long double total = 0;
  const long double responses = 4, tokens = 11;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto n = static_cast<std::size_t>(s.lengths[i]);
    const long double a = s.advantages[i], length = static_cast<long double>(n);
    long double sum = 0, sum_fixed = 0;
    for (std::size_t t = begin; t < begin + n; ++t) sum += logps[t] - s.old_logps[t], sum_fixed += fixed[t] - s.old_logps[t];
    long double response = 0;
    for (std::size_t t = begin; t < begin + n; ++t) {
      const long double rho = std::exp(loss.sequence_ratio ? sum / length : logps[t] - static_cast<long double>(s.old_logps[t]));
      const long double rho_fixed =
          std::exp(loss.sequence_ratio ? sum_fixed / length : fixed[t] - static_cast<long double>(s.old_logps[t]));
      long double l = 0;
      if (loss.loss_type == cispo) {
        l = -std::min<long double>(rho_fixed, loss.epsilon_high) * a * logps[t];
      } else if (loss.loss_type == sapo) {
        const long double tau = a > 0 ? loss.sapo_temperature_pos : loss.sapo_temperature_neg;
        l = -a * (4 / tau) / (1 + std::exp(-tau * (rho - 1)));
      } else if (loss.loss_type == vespo) {
        const long double k = a >= 0 ? loss.vespo_k_pos : loss.vespo_k_neg, lambda = a >= 0 ? loss.vespo_lambda_pos : loss.vespo_lambda_neg,
                          w = std::exp(sum_fixed);
        l = -std::pow(w, k) * std::exp(lambda * (1 - w)) * a * logps[t];
      } else {
        const long double first = loss.delta > 0 ? std::min<long double>(rho, loss.delta) : rho;
        l = -std::min(first * a, std::min(std::max<long double>(rho, 1 - static_cast<long double>(loss.epsilon)),
                                          1 + static_cast<long double>(loss.epsilon_high)) *
                                     a);
      }
      const long double d = static_cast<long double>(s.reference_logps[t]) - logps[t];
      l += static_cast<long double>(loss.beta) * (std::exp(d) - d - 1) * (loss.use_bias_correction_kl ? rho : 1);
      response += l;
    }
    total += loss.loss_type == grpo_loss_type::grpo || loss.loss_type == sapo ? response / length / responses
             : loss.loss_type == dr_grpo ? response / (responses * static_cast<long double>(loss.max_completion_length))
             : loss.loss_type == luspo   ? response / responses
                                         : response / tokens;
    begin += n;
  }
  return total;
}

TEST_CASE("grpo: value and gradient are those of the formula written out, by differences of it") {
  for (const grpo& loss : all_grpo())
    for (const double spread : {0.0, 0.1, 0.5}) {
      const sample s(spread);
      CAPTURE(loss.name(), loss.beta, loss.sequence_ratio, loss.use_bias_correction_kl, spread);
      std::vector<double> gradient(11);
      const policy_metrics m = evaluate(loss, s.batch(), gradient);
      const std::vector<long double> at(s.logps.begin(), s.logps.end());
      CHECK(close(m.loss, plainly(loss, s, at, at), tolerance<double>::sum(40), 1));
      std::vector<double> differences;
      for (std::size_t t = 0; t < at.size(); ++t) {
        const long double h = 1e-6L;  // central differences in long double: truncation 1e-12, rounding 1e-13
        std::vector<long double> up = at, down = at;
        up[t] += h, down[t] -= h;
        differences.push_back(static_cast<double>((plainly(loss, s, up, at) - plainly(loss, s, down, at)) / (2 * h)));
      }
      CHECK(all_close(gradient, differences, 1e-9, 1));
    }
}

TEST_CASE("grpo: by hand, one token") {
  // ρ = 2 and A = 1: clipped at 1.2, no slope; A = −1: not clipped, slope −ρA = 2 in log π.
  const std::vector<int> lengths = {1};
  const std::vector<double> logps = {std::log(0.5)}, old_logps = {std::log(0.25)};
  for (const double a : {1.0, -1.0}) {
    const std::vector<double> advantage = {a};
    std::vector<double> gradient(1);
    const auto m = evaluate(
        grpo{}, token_batch<double>{.lengths = lengths, .logps = logps, .old_logps = old_logps, .advantages = advantage}, gradient);
    CHECK(close(m.loss, a > 0 ? -1.2 : 2.0, 1e-15));
    CHECK(close(gradient[0], a > 0 ? 0.0 : 2.0, 1e-15));
    CHECK(m.clip_ratio == (a > 0 ? 1 : 0));
    // delta 1.5 bounds the runaway as well
    const auto bounded =
        evaluate(grpo{.delta = 1.5},
                 token_batch<double>{.lengths = lengths, .logps = logps, .old_logps = old_logps, .advantages = advantage}, gradient);
    CHECK(close(bounded.loss, a > 0 ? -1.2 : 1.5, 1e-15));
    CHECK(gradient[0] == 0);
  }
}

TEST_CASE("grpo: on the policy that sampled, every type's gradient is REINFORCE's, weighed by its divisor") {
  const sample s(0);
  for (const grpo_loss_type type : {grpo_loss_type::grpo, bnpo, dr_grpo, dapo, sapo, vespo}) {
    std::vector<double> gradient(11);
    const grpo loss{.loss_type = type};
    CAPTURE(loss.name());
    evaluate(loss, s.batch(), gradient);
    std::size_t t = 0;
    for (std::size_t i = 0; i < 4; ++i)
      for (int k = 0; k < s.lengths[i]; ++k, ++t) {
        const double divisor = type == grpo_loss_type::grpo || type == sapo ? 4.0 * s.lengths[i] : type == dr_grpo ? 4.0 * 256 : 11.0;
        CHECK(close(gradient[t], -s.advantages[i] / divisor, 1e-14));
      }
  }
}

TEST_CASE("grpo, rloo: a step's parts add up to the step, but for bnpo, whose mean is the part's") {
  const sample s(0.3);
  const auto part = [&](index first, index count, index begin, index tokens) {
    token_batch<double> b;
    b.lengths = std::span(s.lengths).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    const auto of = [&](const std::vector<double>& x, index from, index n) {
      return std::span(x).subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(n));
    };
    b.logps = of(s.logps, begin, tokens), b.old_logps = of(s.old_logps, begin, tokens),
    b.reference_logps = of(s.reference_logps, begin, tokens);
    b.advantages = of(s.advantages, first, count);
    b.step_responses = 4, b.step_tokens = 11;
    return b;
  };
  const auto compare = [&](const auto& loss) {
    std::vector<double> whole(11), head(4), tail(7);
    const double all = evaluate(loss, s.batch(), whole).loss;
    const double sum = evaluate(loss, part(0, 2, 0, 4), head).loss + evaluate(loss, part(2, 2, 4, 7), tail).loss;
    head.insert(head.end(), tail.begin(), tail.end());
    return close(sum, all, 1e-14, 1) && all_close(head, whole, 1e-14, 1);
  };
  for (const grpo& loss : all_grpo()) {
    CAPTURE(loss.name());
    CHECK(compare(loss) == (loss.loss_type != grpo_loss_type::bnpo));
  }
  CHECK(compare(rloo{}));
  CHECK(compare(reinforce{}));
}

TEST_CASE("rloo: gradient by differences, on the sampling policy REINFORCE's") {
  const rloo loss{.epsilon = 0.2, .epsilon_high = 0.3};
  for (const double spread : {0.0, 0.02, 0.3}) {
    sample s(spread);
    std::vector<double> gradient(11), differences;
    const policy_metrics m = evaluate(loss, s.batch(), gradient);
    CHECK(std::isfinite(m.loss));
    for (std::size_t t = 0; t < 11; ++t) {
      const double x = s.logps[t], h = tolerance<double>::step(x);
      s.logps[t] = x + h;
      const double up = evaluate(loss, s.batch()).loss;
      s.logps[t] = x - h;
      const double down = evaluate(loss, s.batch()).loss;
      s.logps[t] = x;
      differences.push_back((up - down) / (2 * h));
    }
    CHECK(all_close(gradient, differences, tolerance<double>::difference(), 1));
    if (spread == 0)
      for (std::size_t t = 0; t < 3; ++t) CHECK(close(gradient[t], -s.advantages[0] / 4, 1e-14));
  }
}

TEST_CASE("reinforce: by hand, RLOO's gradient on the policy that sampled, its baseline") {
  sample s(0);
  std::vector<double> ours(11), of_rloo(11);
  const policy_metrics m = evaluate(reinforce{}, s.batch(), ours);
  double loss = 0;
  std::size_t t = 0;
  for (std::size_t i = 0; i < 4; ++i)
    for (int k = 0; k < s.lengths[i]; ++k, ++t) loss -= s.advantages[i] * s.logps[t] / 4;
  CHECK(close(m.loss, loss, 1e-14));
  evaluate(rloo{}, s.batch(), of_rloo);
  CHECK(all_close(ours, of_rloo, 1e-14));
  moving_baseline b{.decay = 0.5};
  CHECK(b.value() == 0);
  b.add(3);
  CHECK(b.value() == 3);
  b.add(6);
  CHECK(close(b.value(), (0.5 * 3 + 6) / 1.5, 1e-15));
  CHECK_THROWS_AS((moving_baseline{.decay = 1}.check()), input_error);
}

TEST_CASE("ppo: value by hand, derivatives by differences") {
  const philox draws(5);
  sample s(0.3);
  std::vector<double> advantages, values, old_values, returns, entropies;
  for (std::uint64_t t = 0; t < 11; ++t) {
    advantages.push_back(normal(draws, 5 * t));
    old_values.push_back(normal(draws, 5 * t + 1));
    values.push_back(old_values.back() + 0.4 * normal(draws, 5 * t + 2));
    returns.push_back(normal(draws, 5 * t + 3));
    entropies.push_back(2 * uniform(draws, 5 * t + 4));
  }
  const ppo loss{.cliprange = 0.2, .cliprange_value = 0.3, .vf_coef = 0.5, .entropy_coef = 0.01};
  std::vector<double> d_logps(11), d_values(11), d_entropies(11);
  const auto run = [&](bool slopes) {
    token_batch<double> b = s.batch();
    b.advantages = advantages;
    return slopes ? evaluate(loss, b, {.values = values, .old_values = old_values, .returns = returns, .entropies = entropies},
                             {.logps = d_logps, .values = d_values, .entropies = d_entropies})
                  : evaluate(loss, b, {.values = values, .old_values = old_values, .returns = returns, .entropies = entropies});
  };
  const ppo_metrics m = run(true);
  double policy = 0, value = 0, entropy = 0, clipped = 0, value_clipped = 0;
  for (std::size_t t = 0; t < 11; ++t) {
    const double rho = std::exp(s.logps[t] - s.old_logps[t]), a = advantages[t];
    const double plain = -a * rho, held = -a * std::min(std::max(rho, 0.8), 1.2);
    policy += std::max(plain, held) / 11, clipped += held > plain ? 1 : 0;
    const double v = old_values[t] + std::min(std::max(values[t] - old_values[t], -0.3), 0.3), r = returns[t];
    value += 0.5 * std::max((values[t] - r) * (values[t] - r), (v - r) * (v - r)) / 11;
    value_clipped += (v - r) * (v - r) > (values[t] - r) * (values[t] - r) ? 1 : 0;
    entropy += entropies[t] / 11;
  }
  CHECK(clipped > 0);
  CHECK(value_clipped > 0);
  CHECK(close(m.policy_loss, policy, 1e-14));
  CHECK(close(m.value_loss, value, 1e-14));
  CHECK(close(m.entropy, entropy, 1e-14));
  CHECK(close(m.loss, policy + 0.5 * value - 0.01 * entropy, 1e-14));
  CHECK(close(m.policy_clipped, clipped / 11, 1e-14));
  CHECK(close(m.value_clipped, value_clipped / 11, 1e-14));
  const auto differences = [&](std::vector<double>& x) {
    std::vector<double> d;
    for (double& at : x) {
      const double kept = at, h = tolerance<double>::step(at);
      at = kept + h;
      const double up = run(false).loss;
      at = kept - h;
      const double down = run(false).loss;
      at = kept;
      d.push_back((up - down) / (2 * h));
    }
    return d;
  };
  CHECK(all_close(d_logps, differences(s.logps), tolerance<double>::difference(), 1));
  CHECK(all_close(d_values, differences(values), tolerance<double>::difference(), 1));
  CHECK(all_close(d_entropies, differences(entropies), tolerance<double>::difference(), 1));
}

TEST_CASE("ppo: in float32 a value within reach of its old one does not count as clipped, and one beyond it does") {
  const philox draws(6);
  std::vector<float> logps(400), values(400), returns(400), far(400), advantages(400, 1.f);
  for (std::uint64_t t = 0; t < 400; ++t) {
    const auto i = static_cast<std::size_t>(t);
    logps[i] = -1 - static_cast<float>(uniform(draws, 3 * t));
    values[i] = static_cast<float>(normal(draws, 3 * t + 1));
    returns[i] = static_cast<float>(normal(draws, 3 * t + 2));
    far[i] = values[i] + (returns[i] > values[i] ? -1.f : 1.f);  // away from the return, so that the old value was better
  }
  const std::vector<index> lengths(40, 10);
  const token_batch<float> b{.lengths = lengths, .logps = logps, .old_logps = logps, .advantages = advantages};
  CHECK(evaluate(ppo{.cliprange_value = 0.2}, b, {.values = values, .old_values = values, .returns = returns}).value_clipped == 0);
  CHECK(evaluate(ppo{.cliprange_value = 0.2}, b, {.values = values, .old_values = far, .returns = returns}).value_clipped > 0.5);
}

TEMPLATE_TEST_CASE("surrogates: dual numbers' slopes are the closed forms'", "", float, double, long double) {
  using T = TestType;
  using number = dual<T, 1>;
  for (const double log_ratio : {-3.0, -0.5, -0.125, 0.0, 0.125, 0.5, 3.0})
    for (const double a : {-1.5, 0.75}) {
      CAPTURE(log_ratio, a);
      const T x = static_cast<T>(log_ratio), rho = std::exp(x), advantage = static_cast<T>(a);
      const number ratio = exp(number::variable(x, 0));
      const bool clipped = (a > 0 && rho > T(1.25)) || (a < 0 && rho < T(0.75));
      CHECK(close(clipped_surrogate(ratio, a, 0.25, 0.25).slope[0], clipped ? T(0) : -advantage * rho, tolerance<T>::gradient));
      const T tau = a > 0 ? T(1) : T(1.25), s = 1 / (1 + std::exp(-tau * (rho - 1)));
      CHECK(close(sapo_surrogate(ratio, a, 1, 1.25).slope[0], -4 * advantage * s * (1 - s) * rho, tolerance<T>::gradient, 1));
      CHECK(close(cispo_surrogate(number::variable(x, 0), ratio, a, 1.5).slope[0], -std::min(rho, T(1.5)) * advantage,
                  tolerance<T>::gradient));
      CHECK(close(kl_k1(number::variable(x, 0), number(T(0))).slope[0], T(1), 0));
      CHECK(close(kl_k2(number::variable(x, 0), number(T(0))).slope[0], x, tolerance<T>::gradient));
      CHECK(close(kl_k3(number::variable(x, 0), number(T(0))).slope[0], 1 - std::exp(-x), tolerance<T>::gradient, 1));
      const T v = x, old = T(0.25), target = T(-0.5);
      const bool held = std::abs(v - old) > T(0.5) && std::abs((v > old ? old + T(0.5) : old - T(0.5)) - target) > std::abs(v - target);
      CHECK(close(clipped_value_loss(number::variable(v, 0), number(old), number(target), 0.5).slope[0], held ? T(0) : v - target,
                  tolerance<T>::gradient));
    }
}

TEST_CASE("gamma_weight: 1 at 1, largest at k/lambda, 0 far away") {
  CHECK(gamma_weight(0, 2, 3) == 1);
  const double peak = std::log(2.0 / 3.0);
  for (const double step : {-0.01, 0.01}) CHECK(gamma_weight(peak + step, 2, 3) < gamma_weight(peak, 2, 3));
  CHECK(close(gamma_weight(std::log(0.5), 2, 3), std::exp(3.0) * 0.25 * std::exp(-1.5), 1e-14));
  CHECK(gamma_weight(50, 2, 3) == 0);
  CHECK(gamma_weight(-1000, 2, 3) < 1e-14);
}

TEST_CASE("grpo: an option that the loss type does not use is refused by its name, and so is nonsense") {
  const auto refused = [](const grpo& loss, const std::string& option) {
    CAPTURE(loss.name(), option);
    try {
      loss.check();
      FAIL_CHECK("is let pass");
    } catch (const input_error& e) { CHECK(std::string(e.what()).starts_with(option + ": ")); }
  };
  for (const grpo_loss_type type : {cispo, sapo, vespo}) {
    refused({.loss_type = type, .delta = 2}, "delta");
    refused({.loss_type = type, .epsilon = 0.1}, "epsilon");
  }
  refused({.loss_type = sapo, .epsilon_high = 0.3}, "epsilon_high");
  refused({.loss_type = vespo, .epsilon_high = 0.3}, "epsilon_high");
  refused({.loss_type = vespo, .sequence_ratio = true}, "importance_sampling_level");
  refused({.loss_type = luspo}, "importance_sampling_level");
  for (const grpo_loss_type type : {grpo_loss_type::grpo, bnpo, dr_grpo, dapo, cispo, vespo}) {
    refused({.loss_type = type, .sapo_temperature_pos = 2}, "sapo_temperature_pos");
    refused({.loss_type = type, .sapo_temperature_neg = 2}, "sapo_temperature_neg");
    if (type == vespo) continue;
    refused({.loss_type = type, .vespo_k_pos = 1}, "vespo_k_pos");
    refused({.loss_type = type, .vespo_lambda_pos = 1}, "vespo_lambda_pos");
    refused({.loss_type = type, .vespo_k_neg = 1}, "vespo_k_neg");
    refused({.loss_type = type, .vespo_lambda_neg = 1}, "vespo_lambda_neg");
  }
  refused({.use_bias_correction_kl = true}, "use_bias_correction_kl");
  refused({.beta = -1}, "beta");
  refused({.beta = std::nan("")}, "beta");
  refused({.epsilon = 1.5}, "epsilon");
  refused({.delta = -1}, "delta");
  refused({.max_completion_length = 0}, "max_completion_length");
  refused({.loss_type = sapo, .sapo_temperature_neg = 0}, "sapo_temperature_neg");
  for (const grpo& loss : all_grpo()) CHECK_NOTHROW(loss.check());
}

TEST_CASE("token_batch: ranges that do not fit are refused by their names") {
  const sample s(0.1);
  const auto refused = [&](auto change, const std::string& name, const grpo& loss = {}) {
    token_batch<double> b = s.batch();
    change(b);
    CAPTURE(name);
    try {
      evaluate(loss, b);
      FAIL_CHECK("is let pass");
    } catch (const input_error& e) { CHECK(std::string(e.what()).starts_with(name + ": ")); }
  };
  const std::vector<double> five(5);
  const std::vector<int> with_empty = {3, 1, 0, 7}, none;
  refused([&](auto& b) { b.logps = five; }, "logps");
  refused([&](auto& b) { b.old_logps = {}; }, "old_logps");
  refused([&](auto& b) { b.advantages = five; }, "advantages");
  refused([&](auto& b) { b.reference_logps = {}; }, "reference_logps", {.beta = 0.1});
  refused([&](auto& b) { b.lengths = with_empty; }, "lengths");
  refused([&](auto& b) { b.lengths = none; }, "lengths");
  std::vector<double> wrong(3);
  CHECK_THROWS_AS(evaluate(grpo{}, s.batch(), wrong), input_error);
}

}  // namespace

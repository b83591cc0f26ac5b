// SPDX-License-Identifier: Apache-2.0
// The gradient of a trainer's update against central differences of each method's loss, written down here again over texts that are
// scored one by one, on a policy that has moved since it sampled.
#include <algorithm>
#include <functional>
#include <random>
#include <tilt/model/heads.hpp>
#include <tilt/rl/policy_update.hpp>
#include <tilt/tensor/reference.hpp>

#include "support/catch.hpp"
#include "support/tolerance.hpp"
#include "train/world.hpp"

namespace tilt::test {
namespace {

using B = reference_backend<double>;

/// A policy that sampled, one that has moved, a reference, a value network; with a value head on the policy where it is shared.
struct models {
  B backend;
  bool shared;
  transformer<B> policy, reference, value;

  explicit models(bool with_shared_head)
      : shared(with_shared_head), policy(make(backend, 5, {true, with_shared_head})), reference(make(backend, 6, language_model_heads)),
        value(make(backend, 7, scalar_heads)) {}
  static transformer<B> make(B& backend, std::uint64_t seed, model_heads heads) {
    model_config config = small_config();
    config.eos_token_id = 2;
    transformer<B> language(backend, config);
    language.initialize(seed);
    return with_heads(language, heads, seed);
  }
  void move() {
    for (transformer<B>* m : {&policy, &value}) {
      std::mt19937 engine(17);
      std::normal_distribution<double> draw;
      for (index i = 0; i < m->size(); ++i) m->weights()[i] += 0.03 * draw(engine);
    }
  }
};

/// log π, H and V of a response's tokens, its text alone in a pass.
struct text_numbers {
  std::vector<double> logps, entropies, values;
};
text_numbers read(transformer<B>& model, const prompt_tree& tree, std::size_t r) {
  packed_trees pack;
  const std::span<const token> one[] = {tree.responses[r].tokens};
  append_tree(pack, tree.prompt, one);
  pass<B> p(model, pass_kind::inference);
  p.forward(pack);
  return {{p.logps().begin(), p.logps().end()}, {p.entropies().begin(), p.entropies().end()}, {p.values().begin(), p.values().end()}};
}

double held(double x, double low, double high) { return std::min(std::max(x, low), high); }

/// The loss of some trees by the papers' formulas.
double loss_by_formula(models& m, const policy_gradient& method, const rollout<double>& r, const advantage_estimate<double>& e,
                       std::span<const index> members) {
  double tokens = 0, responses = 0, sum = 0;
  for (const index t : members)
    for (const response& y : r.trees[static_cast<std::size_t>(t)].responses) tokens += static_cast<double>(y.tokens.size()), ++responses;
  for (const index t : members) {
    const prompt_tree& tree = r.trees[static_cast<std::size_t>(t)];
    for (std::size_t k = 0; k < tree.responses.size(); ++k) {
      const index i = t * static_cast<index>(tree.responses.size()) + static_cast<index>(k);
      const text_numbers now = read(m.policy, tree, k);
      const std::size_t begin = static_cast<std::size_t>(r.policy.begin(i)), n = tree.responses[k].tokens.size();
      const auto old = r.policy.logps(i), reference = r.reference.logps(i), old_values = r.value.values(i);
      if (const auto* p = std::get_if<ppo>(&method)) {
        const std::vector<double> values = m.shared ? now.values : read(m.value, tree, k).values;
        for (std::size_t s = 0; s < n; ++s) {
          const double a = e.advantages[begin + s], rho = std::exp(now.logps[s] - old[s]), target = e.returns[begin + s];
          const double policy = std::max(-a * rho, -a * held(rho, 1 - p->cliprange, 1 + p->cliprange));
          const double near = held(values[s], old_values[s] - p->cliprange_value, old_values[s] + p->cliprange_value);
          const double value = 0.5 * std::max((values[s] - target) * (values[s] - target), (near - target) * (near - target));
          sum += (policy + p->vf_coef * value - p->entropy_coef * now.entropies[s]) / tokens;
        }
        continue;
      }
      const double a = e.advantages[static_cast<std::size_t>(i)];
      double moved = 0, logp = 0;
      for (std::size_t s = 0; s < n; ++s) moved += now.logps[s] - old[s], logp += now.logps[s];
      if (const auto* l = std::get_if<rloo>(&method)) {
        sum += std::max(-a * std::exp(moved), -a * held(std::exp(moved), 1 - l->epsilon, 1 + l->epsilon_high)) / responses;
      } else if (const auto* g = std::get_if<grpo>(&method)) {
        for (std::size_t s = 0; s < n; ++s) {
          const double rho = std::exp(now.logps[s] - old[s]), d = now.logps[s] - reference[s];
          sum += (std::max(-a * rho, -a * held(rho, 1 - g->epsilon, 1 + g->epsilon_high)) + g->beta * (std::exp(-d) - 1 + d)) / tokens;
        }
      } else {
        sum += -a * logp / responses;
      }
    }
  }
  return sum;
}

void check_directions(transformer<B>& model, const double* gradient, const std::function<double()>& loss) {
  std::mt19937 engine(5);
  std::normal_distribution<double> draw;
  for (const parameter& p : model.parameters()) {
    double* const w = model.weights() + p.offset;
    const std::vector<double> start(w, w + p.count);
    std::vector<double> direction(start.size());
    double slope = 0, length = 0;
    for (std::size_t i = 0; i < direction.size(); ++i) {
      direction[i] = draw(engine);
      slope += direction[i] * gradient[p.offset + static_cast<index>(i)];
      length += direction[i] * direction[i];
    }
    const double h = 1e-5 / std::sqrt(length);
    double side[2];
    for (const int s : {0, 1}) {
      for (std::size_t i = 0; i < start.size(); ++i) w[i] = start[i] + (s != 0 ? h : -h) * direction[i];
      side[s] = loss();
    }
    std::copy(start.begin(), start.end(), w);
    INFO(p.name);
    CHECK(close(slope, (side[1] - side[0]) / (2 * h), 1e-6, 1e-2 * std::sqrt(length)));
  }
}

}  // namespace

TEST_CASE("an update's gradient is that of each method's formula, in one pack or in many") {
  struct one {
    const char* what;
    policy_gradient method;
    bool shared = false;
    index max_tokens = 4096;
  };
  const one all[] = {{"ppo, value network", ppo{.vf_coef = 0.5, .entropy_coef = 0.02}},
                     {"ppo, shared trunk", ppo{.vf_coef = 0.3}, true},
                     {"ppo, shared trunk, entropy, many packs", ppo{.entropy_coef = 0.1}, true, 10},
                     {"rloo", rloo{}},
                     {"grpo with KL, many packs", grpo{.beta = 0.3}, false, 10},
                     {"reinforce", reinforce{}}};
  for (const one& c : all) {
    INFO(c.what);
    const bool is_ppo = std::holds_alternative<ppo>(c.method);
    models m(c.shared);
    policy_gradient_options options{.num_generations = 2, .max_new_tokens = 5};
    if (std::holds_alternative<reinforce>(c.method)) options.num_ppo_epochs = 1;
    options.check(c.method);
    std::vector<prompt_tree> prompts(4);
    for (std::size_t p = 0; p < 4; ++p) prompts[p].prompt = {token(3 + p), token(4 + 2 * p)};
    const std::vector<index> members{0, 1, 2, 3};
    rollout<double> r;
    response_sampler<B>(m.policy, {.max_new_tokens = 5, .seed = 3})(prompts, members, 2, 0, r);
    tree_packs packs(100);
    pass<B> of_policy(m.policy, pass_kind::inference), of_reference(m.reference, pass_kind::inference),
        of_value(m.value, pass_kind::inference);
    read_responses(of_policy, packs, r.trees, r.policy);
    read_responses(of_reference, packs, r.trees, r.reference);
    if (c.shared)
      r.value = r.policy;
    else
      read_responses(of_value, packs, r.trees, r.value);
    for (index i = 0; i < r.responses(); ++i)
      r.scores.push_back(std::sin(static_cast<double>(i)) + (r.ended[static_cast<std::size_t>(i)] ? 1 : 0));
    reward_history history{.kl_coef = 0.1};
    const auto estimate = estimate_advantages(c.method, options, r, history);

    m.move();
    training_options training;
    trained_network<B> policy(m.policy, training), value(m.value, training);
    trained_network<B>* const separate = is_ppo && !c.shared ? &value : nullptr;
    policy_update<B> update(c.method, policy, separate, c.max_tokens);
    const std::vector<index> some{2, 0, 3};
    const update_outcome found = update.differentiate(r, estimate, some);
    const auto loss = [&] { return loss_by_formula(m, c.method, r, estimate, some); };
    CHECK(close(found.loss, loss(), tolerance<double>::sum(256), 1));
    CHECK(found.approx_kl > 0);
    check_directions(m.policy, policy.gradients(), loss);
    if (separate != nullptr) check_directions(m.value, value.gradients(), loss);
  }
}

TEST_CASE("a rollout's log-probabilities are the generator's, and its values stand before their tokens") {
  models m(true);
  std::vector<prompt_tree> prompts(2);
  prompts[0].prompt = {3, 4, 5};
  prompts[1].prompt = {6};
  const std::vector<index> members{1, 0};
  rollout<double> r;
  const generation_options options{.max_new_tokens = 6, .seed = 9};
  response_sampler<B>(m.policy, options)(prompts, members, 3, 12, r);
  CHECK(r.trees.size() == 2);
  CHECK(r.trees[0].prompt == prompts[1].prompt);
  const generation_request request{prompts[1].prompt, 3, 12};
  const auto again = generate(m.policy, std::span<const generation_request>(&request, 1), options);
  tree_packs packs(100);
  pass<B> reading(m.policy, pass_kind::inference);
  read_responses(reading, packs, r.trees, r.policy);
  for (std::size_t j = 0; j < 3; ++j) {
    CHECK(r.trees[0].responses[j].tokens == again[0][j].tokens);
    CHECK(r.ended[j] == (again[0][j].tokens.back() == 2));
    const auto logps = r.policy.logps(static_cast<index>(j));
    CHECK(std::vector<double>(logps.begin(), logps.end()) == again[0][j].logps);
    CHECK(r.policy.values(static_cast<index>(j))[0] == r.policy.values(0)[0]);  // all begin after the same prompt
  }
}

TEST_CASE("advantages of a rollout: the score at the last token, the missing end, scaling and clipping") {
  rollout<double> r;
  r.trees.resize(1);
  r.trees[0].responses = {{{5, 6, 2}}, {{5, 7}}};
  r.ended = {true, false};
  r.scores = {3, 1};
  for (auto* s : {&r.policy, &r.reference, &r.value}) s->clear();
  const std::vector<double> one{-1, -2, -0.5}, two{-1, -3}, other{-1.5, -2, -0.25}, far{-1, -2};
  r.policy.append(one), r.policy.append(two);
  r.reference.append(other), r.reference.append(far);
  reward_history history{.kl_coef = 0.5};
  policy_gradient_options options{.num_generations = 2, .missing_eos_penalty = 1.5};
  const auto leave_one_out = estimate_advantages(policy_gradient(rloo{}), options, r, history);
  // KL: 0.5 + 0 − 0.25, and 0 − 1; totals 3 − 0.125 and 1 − 1.5 + 0.5
  CHECK(leave_one_out.advantages == std::vector<double>{2.875, -2.875});
  CHECK(leave_one_out.kl == (0.25 - 1) / 2);
  CHECK(leave_one_out.scores == 2);
  CHECK(leave_one_out.non_score_reward == (-0.125 + 0.5) / 2);
  CHECK(leave_one_out.rlhf_reward == (2.875 + 0) / 2);
  CHECK(history.scores.count == 2);
  CHECK(history.scores.mean == (3 - 0.5) / 2);  // of scores as they are used
  options.missing_eos_penalty = 0;
  options.score_clip = 2;
  history = {.kl_coef = 0};
  CHECK(estimate_advantages(policy_gradient(rloo{}), options, r, history).advantages == std::vector<double>{1, -1});
  options.score_clip = 0;
  options.use_score_scaling = options.use_score_norm = true;
  history = {.kl_coef = 0};
  const double unit = 1 / std::sqrt(2.0);  // (3 − 2)/√2
  CHECK(all_close(estimate_advantages(policy_gradient(rloo{}), options, r, history).advantages, std::vector<double>{2 * unit, -2 * unit},
                  tolerance<double>::value));
  // REINFORCE's baseline is what was there before the step.
  options = {.num_ppo_epochs = 1};
  history = {.kl_coef = 0};
  CHECK(estimate_advantages(policy_gradient(reinforce{}), options, r, history).advantages == std::vector<double>{3, 1});
  CHECK(estimate_advantages(policy_gradient(reinforce{}), options, r, history).advantages[0] < 3);
}

}  // namespace tilt::test

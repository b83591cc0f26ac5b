// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <numeric>
#include <set>
#include <tilt/backend/eigen.hpp>
#include <tilt/rl/generate.hpp>
#include <tilt/tensor/reference.hpp>

#include "chi_square.hpp"
#include "model/small_model.hpp"
#include "support/catch.hpp"

namespace tilt {
namespace {

using test::append_tree;

template <class B> using texts = std::vector<std::vector<generated<typename B::scalar>>>;

template <class B> void check_equal(const texts<B>& a, const texts<B>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t r = 0; r < a.size(); ++r) {
    REQUIRE(a[r].size() == b[r].size());
    for (std::size_t j = 0; j < a[r].size(); ++j) {
      CHECK(a[r][j].tokens == b[r][j].tokens);
      CHECK(a[r][j].logps == b[r][j].logps);
      CHECK(a[r][j].ended == b[r][j].ended);
    }
  }
}

TEST_CASE("generate: frequencies of texts follow the model's exact probabilities") {
  reference_backend<double> backend;
  model_config config = test::small_config(architecture::llama);
  config.vocab_size = 4;
  config.eos_token_id = 3;
  transformer<reference_backend<double>> model(backend, config);
  test::randomize(model, 11);
  const std::vector<token> prompt = {0, 2, 1};

  // All texts of at most three tokens: those that end, and those that are cut.
  std::vector<std::vector<token>> all;
  for (token a = 0; a < 4; ++a) {
    if (a == 3)
      all.push_back({3});
    else
      for (token b = 0; b < 4; ++b) {
        if (b == 3)
          all.push_back({a, 3});
        else
          for (token c = 0; c < 4; ++c) all.push_back({a, b, c});
      }
  }
  packed_trees tree;
  append_tree(tree, prompt, all);
  pass<reference_backend<double>> scorer(model, pass_kind::inference);
  scorer.forward(tree);
  std::vector<double> probabilities;
  double total = 0;
  for (std::size_t r = 0; r < all.size(); ++r) {
    double logp = 0;
    for (const double l : test::response_logps(scorer, tree, r)) logp += l;
    probabilities.push_back(std::exp(logp));
    total += probabilities.back();
  }
  REQUIRE(total == Approx(1));

  const std::vector<std::vector<token>> prompts(100, prompt);  // the same one: its samples go on from each to the next
  std::vector<std::size_t> counts(all.size());
  for (const auto& samples : generate(model, std::span(prompts), 1000, {.max_new_tokens = 3, .seed = 3}))
    for (const auto& sample : samples) {
      const auto found = std::find(all.begin(), all.end(), sample.tokens);
      REQUIRE(found != all.end());
      ++counts[static_cast<std::size_t>(found - all.begin())];
      CHECK(sample.ended == (sample.tokens.back() == 3));
    }
  REQUIRE(std::accumulate(counts.begin(), counts.end(), std::size_t{0}) == 100000);
  const test::chi_square fit(probabilities, counts);
  CHECK(fit.cells > 10);
  CHECK(fit.deviates < 3.5);
}

template <class B> void check_independent_of_batch(const transformer<B>& model) {
  const std::vector<std::vector<token>> prompts = {test::random_tokens(9, 1), test::random_tokens(1, 2), test::random_tokens(40, 3)};
  generation_options options{
      .max_new_tokens = 20, .sampling = {.temperature = 1.2, .top_k = 40, .top_p = 0.95}, .seed = 9, .end_tokens = {5}};
  const auto together = generate(model, std::span(prompts), 4, options);
  bool ended = false, cut = false;
  for (const auto& of_prompt : together)
    for (const auto& sample : of_prompt) (sample.ended ? ended : cut) = true;
  CHECK(ended);
  CHECK(cut);
  CHECK(together[0][0].tokens != together[0][1].tokens);

  for (const index cache : {1, 100, 400}) {
    options.cache_tokens = cache;
    check_equal<B>(generate(model, std::span(prompts), 4, options), together);
  }
  options.max_branches = 5;
  check_equal<B>(generate(model, std::span(prompts), 4, options), together);
  for (std::uint64_t p = 0; p < 3; ++p)  // each sample alone
    for (std::uint64_t j = 0; j < 4; ++j) {
      const std::vector<generation_request> alone = {{prompts[p], 1, j}};
      check_equal<B>(generate(model, std::span<const generation_request>(alone), options), {{together[p][j]}});
    }
  const std::vector<std::vector<token>> others = {prompts[2], test::random_tokens(9, 4), prompts[0],
                                                  prompts[2]};  // in other company and order
  const auto mixed = generate(model, std::span(others), 2, options);
  check_equal<B>({mixed[0], mixed[3], mixed[2]},
                 {{together[2][0], together[2][1]}, {together[2][2], together[2][3]}, {together[0][0], together[0][1]}});
  options.seed = 10;
  CHECK(generate(model, std::span(prompts), 4, options)[0][0].tokens != together[0][0].tokens);

  packed_trees trees;  // scored as finished texts
  for (std::size_t p = 0; p < 3; ++p) {
    std::vector<std::vector<token>> answers;
    for (const auto& sample : together[p]) answers.push_back(sample.tokens);
    append_tree(trees, prompts[p], answers);
  }
  transformer<B> twin = model.clone();
  pass<B> scorer(twin, pass_kind::inference);
  scorer.forward(trees);
  for (std::size_t p = 0; p < 3; ++p)
    for (std::size_t j = 0; j < 4; ++j) CHECK(test::response_logps(scorer, trees, 4 * p + j) == together[p][j].logps);
}

TEST_CASE("generate: a text does not depend on what is generated beside it, and rescores to the bit") {
  for (const architecture type : {architecture::llama, architecture::gpt2}) {
    reference_backend<double> plain;
    transformer<reference_backend<double>> specified(plain, test::small_config(type));
    test::randomize(specified, 4);
    check_independent_of_batch(specified);
    texts<eigen_backend<float>> first;
    for (const int threads : {1, 2}) {
      eigen_backend<float> backend(threads);
      transformer<eigen_backend<float>> model(backend, test::small_config(type));
      test::randomize(model, 4);
      check_independent_of_batch(model);
      const std::vector<std::vector<token>> prompts = {test::random_tokens(9, 1)};
      const auto samples = generate(model, std::span(prompts), 8, {.max_new_tokens = 30});
      if (first.empty()) first = samples;
      check_equal<eigen_backend<float>>(samples, first);
    }
  }
}

TEST_CASE("generate: greedy takes the most probable token, each time") {
  reference_backend<double> backend;
  transformer<reference_backend<double>> model(backend, test::small_config(architecture::qwen3));
  test::randomize(model, 5);
  const std::vector<std::vector<token>> prompts = {test::random_tokens(6, 7)};
  const auto samples = generate(model, std::span(prompts), 2, {.max_new_tokens = 12, .sampling = {.temperature = 0}});
  CHECK(samples[0][0].tokens == samples[0][1].tokens);
  REQUIRE(samples[0][0].tokens.size() == 12);
  packed_trees trees;
  append_tree(trees, prompts[0], {samples[0][0].tokens});
  pass<reference_backend<double>> scorer(model, pass_kind::inference);
  scorer.forward(trees);
  for (const double top : scorer.top1()) CHECK(top == 1);
}

TEST_CASE("generate: a watcher hears of every token in order, and stops a sample alone") {
  reference_backend<double> backend;
  transformer<reference_backend<double>> model(backend, test::small_config(architecture::llama));
  test::randomize(model, 12);
  const std::vector<std::vector<token>> prompts = {test::random_tokens(6, 7), test::random_tokens(3, 8)};
  const generation_options options{.max_new_tokens = 12, .sampling = {.repetition_penalty = 1.3}, .end_tokens = {2, 9}};
  const auto free = generate(model, std::span(prompts), 5, options);
  texts<reference_backend<double>> heard(2, std::vector<generated<double>>(5));
  std::size_t stopped = 0;
  const auto watched = generate(model, std::span(prompts), 5, options, [&](const sampled_token& t) {
    auto& sample = heard[t.request][static_cast<std::size_t>(t.sample)];
    CHECK_FALSE(sample.ended);
    sample.tokens.push_back(t.id);
    sample.logps.push_back(t.logp);
    sample.ended = t.ended;
    CHECK(t.last == (t.ended || sample.tokens.size() == 12));
    return t.id % 4 == 1;
  });
  for (std::size_t r = 0; r < 2; ++r)
    for (std::size_t j = 0; j < 5; ++j) {
      const auto& whole = free[r][j].tokens;
      const auto& cut = watched[r][j];
      const auto at = std::find_if(whole.begin(), whole.end(), [](token t) { return t % 4 == 1; });
      CHECK(cut.tokens == std::vector<token>(whole.begin(), at == whole.end() ? at : at + 1));
      CHECK(cut.stopped == (at != whole.end() && !cut.ended));
      if (cut.stopped) ++stopped;
    }
  CHECK(stopped > 2);
  for (auto& r : watched)
    for (auto& s : r) CHECK_FALSE((s.stopped && s.ended));
  check_equal<reference_backend<double>>(heard, watched);
}

TEST_CASE("generate: the repetition penalty reads prompt and sample") {
  reference_backend<double> backend;
  model_config config = test::small_config(architecture::llama);
  config.vocab_size = 6;
  transformer<reference_backend<double>> model(backend, config);
  test::randomize(model, 3);
  const std::vector<std::vector<token>> prompts = {{1, 2}};
  // So strong a penalty that nothing with a positive logit is repeated while a new token has one too: here greedy text has no token twice.
  const auto sample =
      generate(model, std::span(prompts), 1, {.max_new_tokens = 4, .sampling = {.temperature = 0, .repetition_penalty = 1e9}})[0][0];
  decoder<reference_backend<double>> steps(model, {.cache_tokens = 16, .new_tokens = 2, .segments = 2, .longest = 8});
  int branch = steps.fork(steps.prompt(prompts[0]), 4);
  std::vector<token> text = prompts[0];
  for (const token next : sample.tokens) {
    std::vector<double> logits(steps.logits(0).begin(), steps.logits(0).end());
    for (const token t : std::set<token>(text.begin(), text.end())) {
      double& z = logits[static_cast<std::size_t>(t)];
      z = z < 0 ? z * 1e9 : z / 1e9;
    }
    CHECK(next == std::max_element(logits.begin(), logits.end()) - logits.begin());
    text.push_back(next);
    if (text.size() < 6) steps.append(std::span(&branch, 1), std::span(&text.back(), 1));
  }
}

TEST_CASE("generate: the end tokens, and the model's room") {
  reference_backend<double> backend;
  model_config config = test::small_config(architecture::llama);
  config.max_position_embeddings = 10;
  config.eos_token_id = 0;
  transformer<reference_backend<double>> model(backend, config);
  test::randomize(model, 6);
  const std::vector<std::vector<token>> prompts = {test::random_tokens(7, 7)};
  for (const std::vector<token>& given : {std::vector<token>{}, {3}, {3, 5, 7}}) {  // the model's, another, several
    const auto samples = generate(model, std::span(prompts), 400, {.max_new_tokens = 4, .end_tokens = given});
    const std::vector<token> ends = given.empty() ? std::vector<token>{0} : given;
    std::set<token> met;
    for (const auto& sample : samples[0]) {
      const auto first = std::find_first_of(sample.tokens.begin(), sample.tokens.end(), ends.begin(), ends.end());
      CHECK(sample.ended == (first != sample.tokens.end()));
      CHECK((sample.ended ? first + 1 == sample.tokens.end() : sample.tokens.size() == 4));
      CHECK(sample.logps.size() == sample.tokens.size());
      if (sample.ended) met.insert(sample.tokens.back());
    }
    CHECK(met == std::set<token>(ends.begin(), ends.end()));
  }
  CHECK(generate(model, std::span(prompts), 2, {.max_new_tokens = 1})[0][1].tokens.size() == 1);
  CHECK_THROWS_AS(generate(model, std::span(prompts), 1, {.max_new_tokens = 5}), input_error);
  CHECK_THROWS_AS(generate(model, std::span(prompts), 1, {.max_new_tokens = 0}), input_error);
  const std::vector<std::vector<token>> two = {test::random_tokens(7, 7), test::random_tokens(5, 7)};  // prompt and sample share max_length
  const auto bounded = generate(model, std::span(two), 1, {.max_new_tokens = 100, .max_length = 9, .end_tokens = {60}});
  CHECK(bounded[0][0].tokens.size() == 2);
  CHECK(bounded[1][0].tokens.size() == 4);
  CHECK(generate(model, std::span(two), 1, {.max_new_tokens = 3, .max_length = 9, .end_tokens = {60}})[1][0].tokens.size() == 3);
  CHECK_THROWS_AS(generate(model, std::span(two), 1, {.max_new_tokens = 100, .max_length = 7}), input_error);
  CHECK_THROWS_AS(generate(model, std::span(two), 1, {.max_new_tokens = 100, .max_length = 12}), input_error);
  CHECK_THROWS_AS(generate(model, std::span(two), 1, {.max_length = -1}), input_error);
  const std::vector<std::vector<token>> nothing = {{}};
  CHECK_THROWS_AS(generate(model, std::span(nothing), 1, {.max_new_tokens = 1}), input_error);
  CHECK(generate(model, std::span(prompts).first(0), 3).empty());
}

}  // namespace
}  // namespace tilt

// SPDX-License-Identifier: Apache-2.0
#pragma once
// What transformers computes of small models of seven architectures: logits, log-probabilities, every parameter's gradient.
#include <tilt/io/model_weights.hpp>
#include <tilt/model/pass.hpp>

#include "small_model.hpp"
#include "support/catch.hpp"
#include "support/paths.hpp"
#include "support/tolerance.hpp"

namespace tilt::test {

struct golden_model {
  std::filesystem::path folder;
  model_config config;
  std::vector<token> ids;          // [sequences, length]
  std::vector<char> counted;       // of each token, whether its log-probability is in the total
  std::vector<double> logits, logps;
  index sequences = 0, length = 0;
  safetensors_file expected;

  explicit golden_model(const std::filesystem::path& at)
      : folder(at), config(parse_model_config(read_json(at / "config.json"), "config.json")), expected(at / "expected.safetensors") {
    const safetensor& t = *expected.find("ids");
    sequences = t.shape[0];
    length = t.shape[1];
    ids = t.values<token>();
    counted = expected.find("mask")->values<char>();
    logits = expected.find("logits")->values<double>();
    logps = expected.find("logps")->values<double>();
  }
  std::vector<token> sequence(index s) const { return {ids.begin() + s * length, ids.begin() + (s + 1) * length}; }
};

/// The model's gradient of Σ logp over the counted tokens against the file's, every parameter relative to its largest element.
template <class B> void check_gradients(const transformer<B>& model, const golden_model& golden, const typename B::scalar* gradients, double bound) {
  for (const parameter& p : model.parameters()) {
    const auto want = golden.expected.find("grad." + p.name)->values<double>();
    INFO(golden.folder.filename().string() << ", " << p.name);
    CHECK(all_close(model.get(p, gradients), want, bound, largest(want)));
  }
}

template <class Make> void check_golden_models(const Make& make) {
  using B = std::remove_reference_t<decltype(*make())>;
  int models = 0;
  for (const auto& entry : std::filesystem::directory_iterator(golden_folder() / "models")) {
    if (!std::filesystem::exists(entry.path() / "expected.safetensors")) continue;
    ++models;
    const golden_model golden(entry.path());
    INFO(entry.path().filename().string());
    auto backend = make();
    transformer<B> model(*backend, golden.config);
    CHECK(load_weights(weight_files(golden.folder), model).empty());
    const index n = golden.length, v = golden.config.vocab_size;
    const double value = 1e-10, slope = 1e-9;

    // Both sequences as one packed batch, every token predicted, the counted ones differentiated.
    packed_trees batch;
    std::vector<double> counted, want;
    for (index s = 0; s < golden.sequences; ++s) {
      append_flat(batch, golden.sequence(s), 0);
      for (index t = 1; t < n; ++t) {
        counted.push_back(golden.counted[static_cast<std::size_t>(s * n + t)]);
        want.push_back(golden.logps[static_cast<std::size_t>(s * n + t)]);
      }
    }
    pass<B> p(model, pass_kind::training);
    p.forward(batch);
    CHECK(all_close(p.logps(), want, value, 1));
    std::vector<double> logits;
    for (index s = 0; s < golden.sequences; ++s)
      logits.insert(logits.end(), golden.logits.begin() + s * n * v, golden.logits.begin() + (s * n + n - 1) * v);
    CHECK(all_close(p.logits(), logits, value, 1));
    std::vector<double> gradients(static_cast<std::size_t>(model.size()));
    p.backward({.logps = counted}, gradients.data());
    check_gradients(model, golden, gradients.data(), slope);

    // Only the counted tokens as targets; most logits are computed twice.
    packed_trees few;
    for (index s = 0; s < golden.sequences; ++s) {
      packed_trees one;
      append_flat(few, golden.sequence(s), n);
      for (index t = 1; t < n; ++t)
        if (golden.counted[static_cast<std::size_t>(s * n + t)] != 0) few.targets.push_back({s * n + t - 1, golden.ids[static_cast<std::size_t>(s * n + t)]});
      few.response_begin.back() = static_cast<index>(few.targets.size());
    }
    pass<B> walked(model, pass_kind::training, {.kept_logits_bytes = 0, .chunk_bytes = 1});
    walked.forward(few);
    std::fill(gradients.begin(), gradients.end(), 0.0);
    walked.backward({.logps = std::vector<double>(few.targets.size(), 1.0)}, gradients.data());
    check_gradients(model, golden, gradients.data(), slope);

    // As a tree: the first sequence branches at its middle into itself and into a made-up ending, and the second is a tree of its own,
    // cut before its counted tokens. The made-up branch has no coefficient, so the gradient is the same.
    const std::vector<token> first = golden.sequence(0), second = golden.sequence(1);
    const std::ptrdiff_t cut0 = 7, cut1 = 13;
    packed_trees tree;
    append_tree(tree, {first.begin(), first.begin() + cut0}, {{5, 6, 7}, {first.begin() + cut0, first.end()}});
    append_tree(tree, {second.begin(), second.begin() + cut1}, {{second.begin() + cut1, second.end()}});
    std::vector<double> coefficients(3, 0.0), tree_want(3, 0.0);
    for (index s = 0; s < 2; ++s)
      for (index t = s == 0 ? cut0 : cut1; t < n; ++t) {
        coefficients.push_back(golden.counted[static_cast<std::size_t>(s * n + t)]);
        tree_want.push_back(golden.logps[static_cast<std::size_t>(s * n + t)]);
      }
    index outside = 0;
    for (index t = 1; t < n; ++t) outside += (t < cut0 ? golden.counted[static_cast<std::size_t>(t)] : 0) + (t < cut1 ? golden.counted[static_cast<std::size_t>(n + t)] : 0);
    p.forward(tree);
    std::vector<double> found(p.logps().begin(), p.logps().end());
    std::copy(found.begin(), found.begin() + 3, tree_want.begin());
    CHECK(all_close(found, tree_want, value, 1));
    if (outside == 0) {  // true of the masks that the generator makes
      std::fill(gradients.begin(), gradients.end(), 0.0);
      p.backward({.logps = coefficients}, gradients.data());
      check_gradients(model, golden, gradients.data(), slope);
    }
  }
  CHECK(models >= 7);
}

}  // namespace tilt::test

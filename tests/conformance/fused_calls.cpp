// SPDX-License-Identifier: Apache-2.0
// A model that is trained on a backend with fast paths goes through them, every time.
#include <model/small_model.hpp>
#include <support/catch.hpp>
#include <support/fused_backend.hpp>
#include <support/primitives_only.hpp>
#include <tilt/optim/optimizer.hpp>

using namespace tilt::test;
using fused = fused_backend<double>;

static_assert(!tilt::fuses_attention<primitives_only<fused>> && !tilt::fuses_head<primitives_only<fused>> &&
              !tilt::fuses_adamw<primitives_only<fused>>);
static_assert(!tilt::fuses_attention<tilt::reference_backend<double>> && !tilt::fuses_head<tilt::reference_backend<double>>);

TEST_CASE("a backend's fast paths are what runs") {
  fused backend;
  tilt::transformer<fused> model(backend, small_config(tilt::architecture::llama));
  randomize(model, 3);
  tilt::packed_trees trees;
  append_tree(trees, random_tokens(9, 1), {random_tokens(5, 2), random_tokens(3, 4)});
  tilt::pass<fused> pass(model, tilt::pass_kind::training);
  pass.forward(trees);
  const int layers = static_cast<int>(model.config().num_hidden_layers);
  CHECK(backend.calls.attention_forward == layers);
  CHECK(backend.calls.head_forward == 1);
  CHECK(backend.calls.attention_backward == 0);
  std::vector<double> gradient(static_cast<std::size_t>(model.size()));
  pass.backward({.logps = std::vector<double>(trees.targets.size(), 1)}, gradient.data());
  CHECK(backend.calls.attention_backward == layers);
  CHECK(backend.calls.head_backward == 1);
  tilt::optimizer<fused> adamw(backend, tilt::adamw{}, model.size(), model.decayed_size());
  tilt::gradient_norm<fused> norm(backend, model.size());
  norm.measure(gradient.data(), 1);
  adamw.update(model.weights(), gradient.data(), norm.control(), 1e-3);
  CHECK(backend.calls.adamw_update == 1);
}

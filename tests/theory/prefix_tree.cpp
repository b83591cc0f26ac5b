// SPDX-License-Identifier: Apache-2.0
#include <tilt/theory/prefix_tree.hpp>
#include <tilt/tensor/reference.hpp>

#include "model/small_model.hpp"
#include "support/catch.hpp"

namespace tilt {
namespace {

TEST_CASE("prefix tree: every shared beginning stands once, and log-probabilities have the bits of flat responses") {
  const std::vector<token> prompt = {4, 9, 2};
  const std::vector<std::vector<token>> answers = {{1, 2, 3}, {1, 2, 4}, {1}, {5, 2, 3, 7}, {1, 2}, {1, 2, 3, 8}, {5}};
  packed_trees tree, flat;
  append_prefix_tree(tree, {prompt.data(), 1}, answers);  // a tree before, so that nothing rests on offsets of 0
  test::append_tree(flat, {prompt[0]}, answers);
  append_prefix_tree(tree, prompt, answers);
  test::append_tree(flat, prompt, answers);
  CHECK(tree.tokens() == 1 + 3 + 2 * 6);  // each time: 1, 12, 123, 5, 52, 523
  REQUIRE(tree.response_begin == flat.response_begin);

  reference_backend<float> backend;
  transformer<reference_backend<float>> model(backend, test::small_config(architecture::llama));
  test::randomize(model, 8);
  pass<reference_backend<float>> shared(model, pass_kind::inference), plain(model, pass_kind::inference);
  shared.forward(tree);
  plain.forward(flat);
  CHECK(std::equal(shared.logps().begin(), shared.logps().end(), plain.logps().begin(), plain.logps().end()));
}

}  // namespace
}  // namespace tilt

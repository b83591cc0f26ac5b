// SPDX-License-Identifier: Apache-2.0
#include "support/catch.hpp"
#include <tilt/data/pack.hpp>

using tilt::index;
using tilt::prompt_tree;
using tilt::token;

namespace {

prompt_tree pair(std::vector<token> prompt, std::vector<token> chosen, std::vector<token> rejected) {
  return {.prompt = std::move(prompt), .responses = {{std::move(chosen)}, {std::move(rejected)}}, .edges = {{0, 1}}, .line = 7};
}

}  // namespace

TEST_CASE("a tree is laid down with its prompt once and no last tokens") {
  tilt::packed_trees pack;
  tilt::append_tree(pack, pair({1, 5, 6}, {7, 8, 2}, {9, 2}));
  CHECK(pack.ids == std::vector<token>{1, 5, 6, 7, 8, 9});
  REQUIRE(pack.segments.size() == 3);
  CHECK((pack.segments[0].begin == 0 && pack.segments[0].length == 3 && pack.segments[0].parent == -1 && pack.segments[0].position == 0));
  CHECK((pack.segments[1].begin == 3 && pack.segments[1].length == 2 && pack.segments[1].parent == 0 && pack.segments[1].position == 3));
  CHECK((pack.segments[2].begin == 5 && pack.segments[2].length == 1 && pack.segments[2].parent == 0 && pack.segments[2].position == 3));
  const std::vector<std::pair<index, token>> expected{{2, 7}, {3, 8}, {4, 2}, {2, 9}, {5, 2}};
  REQUIRE(pack.targets.size() == expected.size());
  for (std::size_t t = 0; t < expected.size(); ++t) {
    CHECK(pack.targets[t].source == expected[t].first);
    CHECK(pack.targets[t].label == expected[t].second);
  }
  CHECK(pack.response_begin == std::vector<index>{0, 3, 5});
}

TEST_CASE("a response of one token needs no segment") {
  tilt::packed_trees pack;
  tilt::append_tree(pack, pair({1}, {2}, {3}));
  CHECK(pack.ids == std::vector<token>{1});
  CHECK(pack.segments.size() == 1);
  CHECK(pack.targets.size() == 2);
  CHECK(pack.response_begin == std::vector<index>{0, 1, 2});
}

TEST_CASE("the second tree begins at position 0 of its own") {
  tilt::packed_trees pack;
  tilt::append_tree(pack, pair({1, 5}, {7, 2}, {9, 2}));
  tilt::append_tree(pack, pair({1, 6}, {8, 2}, {9, 9, 2}));
  CHECK(pack.ids == std::vector<token>{1, 5, 7, 9, 1, 6, 8, 9, 9});
  CHECK(pack.segments[3].parent == -1);
  CHECK(pack.segments[3].position == 0);
  CHECK(pack.segments[3].begin == 4);
  CHECK(pack.segments[5].parent == 3);
  CHECK(pack.segments[5].position == 2);
  CHECK(pack.targets[4].source == 5);
}

TEST_CASE("what cannot be predicted is refused with its line") {
  tilt::packed_trees pack;
  const auto message = [&pack](const prompt_tree& tree) -> std::string {
    try {
      tilt::append_tree(pack, tree);
    } catch (const tilt::input_error& e) {
      return e.what();
    }
    return "accepted";
  };
  CHECK(message(pair({}, {1}, {2})).rfind("line 7: the prompt has no tokens", 0) == 0);
  CHECK(message(pair({1}, {1}, {})).rfind("line 7: a response has no tokens", 0) == 0);
  CHECK(message({.prompt = {1}}).rfind("the prompt has no responses", 0) == 0);
  CHECK_THROWS_AS(tilt::tree_packs(0), tilt::input_error);
}

TEST_CASE("trees fill packs greedily, in order, and are never split") {
  tilt::tree_packs packs(10);
  const auto sized = [](std::size_t tokens) {  // a tree that lays down so many
    return prompt_tree{.prompt = std::vector<token>(tokens, 1), .responses = {{{2}}}};
  };
  for (int use = 0; use < 2; ++use) {  // memory is kept, results are not
    packs.clear();
    for (const std::size_t tokens : {4u, 6u, 1u, 25u, 3u, 7u, 1u}) packs.add(sized(tokens));
    REQUIRE(packs.size() == 5);
    const index tokens[] = {10, 1, 25, 10, 1}, first[] = {0, 2, 3, 4, 6, 7};
    for (index p = 0; p < 5; ++p) {
      CHECK(packs[p].tokens() == tokens[p]);
      CHECK(packs.first_tree(p) == first[p]);
      CHECK(packs.first_tree(p + 1) == first[p + 1]);
      CHECK(packs[p].responses() == first[p + 1] - first[p]);
    }
  }
}

TEST_CASE("a text is a prompt of one token") {
  const std::vector<token> tokens{1, 4, 5, 2};
  const prompt_tree tree = tilt::text_sequence(tokens, 3);
  tilt::packed_trees pack;
  tilt::append_tree(pack, tree);
  CHECK(pack.ids == std::vector<token>{1, 4, 5});
  CHECK(pack.targets.size() == 3);
  for (index t = 0; t < 3; ++t) {
    CHECK(pack.targets[static_cast<std::size_t>(t)].source == t);
    CHECK(pack.targets[static_cast<std::size_t>(t)].label == tokens[static_cast<std::size_t>(t) + 1]);
  }
  CHECK(tree.line == 3);
}

// SPDX-License-Identifier: Apache-2.0
// Examples into tokens: boundaries, ends, limits, and what becomes of rows that cannot be used.
#include <tilt/io/tokenize.hpp>

#include "files.hpp"

namespace tilt::test {
namespace {

using json = nlohmann::json;
using ids = std::vector<token>;

/// Letters a to e (0 to 4), the merge "ab" (5), space (6), <s> (7), </s> (8); chat tokens and newline after that. With or without <s> in front.
tokenizer letters(bool begins) {
  json vocabulary{{"a", 0}, {"b", 1}, {"c", 2}, {"d", 3}, {"e", 4}, {"ab", 5}, {" ", 6}, {"<s>", 7}, {"</s>", 8}, {"\n", 11}};
  json added = json::array();
  for (const auto& [text, id] : {std::pair("<s>", 7), std::pair("</s>", 8), std::pair("<|im_start|>", 9), std::pair("<|im_end|>", 10)})
    added.push_back({{"id", id}, {"content", text}, {"special", true}, {"normalized", false}});
  json whole{{"added_tokens", added}, {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", {"a b"}}}}, {"decoder", {{"type", "Fuse"}}}};
  if (begins)
    whole["post_processor"] = {{"type", "TemplateProcessing"},
                               {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
                               {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {7}}, {"tokens", {"<s>"}}}}}}};
  return tokenizer(whole, "tokenizer.json");
}
const tokenizer with_bos = letters(true), without_bos = letters(false);
const text_encoder encoder{&with_bos, nullptr, "</s>"}, bare{&without_bos, nullptr, "</s>"};

example_part text(const std::string& t) { return {t, {}, false}; }
example pair(const std::string& prompt, const std::string& chosen, const std::string& rejected, index line = 1) {
  example e;
  e.kind = example_kind::pair;
  e.prompt = text(prompt), e.chosen = text(chosen), e.rejected = text(rejected);
  e.line = line;
  return e;
}
example labelled(const std::string& prompt, const std::string& completion, bool label, index line = 1) {
  example e;
  e.kind = example_kind::labelled;
  e.prompt = text(prompt), e.completion = text(completion);
  e.label = label;
  e.line = line;
  return e;
}
tokenized_examples pairs(const std::vector<example>& examples, const tokenize_options& options = {}, const text_encoder& with = encoder) { return tokenize_pairs(examples, with, options); }
prompt_tree only(const tokenized_examples& all) {
  REQUIRE(all.trees.size() == 1);
  CHECK((all.report.examples == 1 && all.report.kept == 1));
  return all.trees[0];
}

}  // namespace

TEST_CASE("scores, win probabilities and weights go into the trees, rankings become edges or lists") {
  example pair{.kind = example_kind::pair, .line = 3, .scores = {2, 1}, .weight = 0.5, .win_probability = 0.75};
  pair.prompt.text = "one", pair.chosen.text = " two", pair.rejected.text = " three";
  const std::vector<example> one_pair{pair};
  const prompt_tree t = tokenize_pairs(one_pair, encoder).trees.at(0);
  CHECK((t.responses[0].score == 2.0 && t.responses[1].score == 1.0));
  CHECK((t.edges.size() == 1 && t.edges[0].weight == 0.5 && t.edges[0].win_probability == 0.75));
  CHECK(tokenize_labelled(one_pair, encoder).trees.at(1).responses[0].weight == 0.5);

  example ranking{.kind = example_kind::ranked, .line = 4};
  ranking.prompt.text = "one";
  for (const char* text : {" two", " three", " four"}) ranking.responses.push_back({text, {}, false});
  const auto edges = [&] {
    std::vector<std::pair<int, int>> all;
    const std::vector<example> rows{ranking};
    const tokenized_examples out = tokenize_pairs(rows, encoder);
    for (const edge& e : out.trees.at(0).edges) all.emplace_back(e.chosen, e.rejected);
    return all;
  };
  CHECK(edges() == std::vector<std::pair<int, int>>{{0, 1}, {0, 2}, {1, 2}});
  ranking.scores = {2, 1, 1};
  CHECK(edges() == std::vector<std::pair<int, int>>{{0, 1}, {0, 2}});  // a tie prefers nothing
  const std::vector<example> rows{ranking, pair};
  const auto lists = tokenize_rankings(rows, encoder);
  REQUIRE(lists.trees.size() == 2);
  CHECK((lists.trees[0].responses.size() == 3 && lists.trees[0].edges.empty() && lists.trees[0].responses[1].score == 1.0));
  CHECK(lists.trees[1].responses.size() == 2);
  ranking.scores = {1, 1, 1};
  refuses([&] { edges(); }, {"line 4", "same score"});
}

TEST_CASE("a pair is a prompt with two responses, each with its end") {
  const auto all = pairs({pair("cd", "e", "ddd", 17)});
  const prompt_tree t = only(all);
  CHECK(t.prompt == ids{7, 2, 3});
  REQUIRE(t.responses.size() == 2);
  CHECK(t.responses[0].tokens == ids{4, 8});
  CHECK(t.responses[1].tokens == ids{3, 3, 3, 8});
  REQUIRE(t.edges.size() == 1);
  CHECK((t.edges[0].chosen == 0 && t.edges[0].rejected == 1 && t.edges[0].weight == 1));
  CHECK(t.line == 17);
  CHECK((all.report.merged_boundaries == 0 && all.report.dropped() == 0));
}

TEST_CASE("an end that is there is not put there again") {
  CHECK(only(pairs({pair("c", "d</s>", "e</s>e")})).responses[0].tokens == ids{3, 8});
  CHECK(only(pairs({pair("c", "d</s>", "e</s>e")})).responses[1].tokens == ids{4, 8, 4, 8});
  CHECK(only(pairs({pair("c", "d", "e")}, {}, {&with_bos, nullptr, ""})).responses[0].tokens == ids{3});
}

TEST_CASE("tokens that merge over the boundary belong to the responses") {
  const auto all = pairs({pair("ca", "bd", "d"), pair("ca", "bd", "be"), pair("ca", "d", "e")});
  REQUIRE(all.trees.size() == 3);
  for (const std::size_t i : {0u, 1u}) CHECK(all.trees[i].prompt == ids{7, 2});  // the "a" is part of "ab" in one of the responses or in both
  CHECK(all.trees[0].responses[0].tokens == ids{5, 3, 8});
  CHECK(all.trees[0].responses[1].tokens == ids{0, 3, 8});
  CHECK(all.trees[1].responses[1].tokens == ids{5, 4, 8});
  CHECK(all.trees[2].prompt == ids{7, 2, 0});
  CHECK(all.report.merged_boundaries == 2);
}

TEST_CASE("responses are cut at max_length, end and all, and prompts that leave no room are dropped") {
  const auto all = pairs({pair("cd", "eeee", "e", 1), pair("cdcd", "e", "d", 2), pair("cdc", "e", "d", 3)}, {.max_length = 5});
  REQUIRE(all.trees.size() == 2);
  CHECK(all.trees[0].responses[0].tokens == ids{4, 4});
  CHECK(all.trees[0].responses[0].uncut == ids{4, 4, 4, 4, 8});  // kept for mismatched pairs, whose prompts may leave more room
  CHECK(all.trees[0].responses[1].tokens == ids{4, 8});
  CHECK(all.trees[0].responses[1].uncut.empty());
  CHECK(all.trees[1].responses[0].tokens == ids{4});  // the end is cut off
  CHECK(all.trees[1].responses[1].tokens == ids{3});
  CHECK(all.report.truncated_responses == 3);
  CHECK(all.report.prompt_fills_length == std::vector<index>{2});
  CHECK((all.report.examples == 3 && all.report.kept == 2 && all.report.dropped() == 1));
  CHECK(pairs({pair("cd", "eeee", "e")}, {.max_length = 0}).trees[0].responses[0].tokens.size() == 5);
}

TEST_CASE("long prompts lose their first tokens") {
  const auto all = pairs({pair("cde", "e", "d"), pair("c", "e", "d")}, {.max_length = 4, .max_prompt_length = 2});
  REQUIRE(all.trees.size() == 2);
  CHECK(all.trees[0].prompt == ids{3, 4});
  CHECK(all.trees[0].responses[0].tokens == ids{4, 8});
  CHECK(all.trees[1].prompt == ids{7, 2});
  CHECK(all.report.truncated_prompts == 1);
}

TEST_CASE("empty completions are dropped and counted, by line") {
  const auto all = pairs({pair("c", "", "d", 4), pair("c", "d", "", 5), pair("c", "d", "e", 6)});
  CHECK(all.trees.size() == 1);
  CHECK(all.report.empty_completion == std::vector<index>{4, 5});
  CHECK(all.report.dropped() == 2);
  const std::vector<example> one{labelled("c", "", true, 8)};
  CHECK(tokenize_labelled(one, encoder).report.empty_completion == std::vector<index>{8});
}

TEST_CASE("a prompt without tokens needs responses that begin alike") {
  CHECK(only(pairs({pair("", "cd", "e")})).prompt == ids{7});  // <s> is a prompt
  const prompt_tree t = only(pairs({pair("", "cd", "ce")}, {.max_length = 2}, bare));
  CHECK(t.prompt == ids{2});  // nothing predicts it, whichever response it is counted to
  CHECK(t.responses[0].tokens == ids{3});
  CHECK(t.responses[1].tokens == ids{4});
  const auto all = pairs({pair("", "cd", "de", 3), pair("a", "b", "c", 4), pair("a", "b", "bc", 5)}, {}, bare);
  CHECK(all.report.no_first_token == std::vector<index>{3, 4});  // the second loses its prompt to a merge
  CHECK(all.report.dropped() == 2);
  REQUIRE(all.trees.size() == 1);
  CHECK(all.trees[0].prompt == ids{5});
  CHECK(all.trees[0].responses[0].tokens == ids{8});
  CHECK(all.trees[0].responses[1].tokens == ids{2, 8});
  const std::vector<example> one{labelled("", "cd", true)};
  const prompt_tree u = only(tokenize_labelled(one, bare));
  CHECK((u.prompt == ids{2} && u.responses[0].tokens == ids{3, 8}));
}

TEST_CASE("labelled completions keep their order, pairs are taken apart, a thousand at a time") {
  const std::vector<example> examples{labelled("c", "d", true, 1), labelled("c", "e", false, 2)};
  const auto all = tokenize_labelled(examples, encoder);
  REQUIRE(all.trees.size() == 2);
  CHECK((all.trees[0].responses.size() == 1 && all.trees[0].edges.empty()));
  CHECK((all.trees[0].responses[0].desirable && !all.trees[1].responses[0].desirable));
  CHECK(all.trees[1].responses[0].tokens == ids{4, 8});
  std::vector<example> many;
  for (index i = 0; i < 1001; ++i) many.push_back(pair("c", "d", "e", i + 1));
  const auto apart = tokenize_labelled(many, encoder);
  REQUIRE(apart.trees.size() == 2002);
  for (const auto& [at, line, desirable] : {std::tuple(0, 1, true), std::tuple(999, 1000, true), std::tuple(1000, 1, false), std::tuple(1999, 1000, false),
                                            std::tuple(2000, 1001, true), std::tuple(2001, 1001, false)}) {
    const prompt_tree& t = apart.trees[static_cast<std::size_t>(at)];
    CHECK((t.line == line && t.responses[0].desirable == desirable && t.responses[0].tokens == ids{desirable ? 3 : 4, 8}));
  }
}

TEST_CASE("demonstrations: a completion after its prompt, a text after its first token, ids as they are") {
  std::vector<example> examples(5);
  examples[0] = labelled("c", "d", false);
  examples[0].kind = example_kind::completion;
  examples[1].completion = text("cd");
  examples[2].kind = example_kind::ids;
  examples[2].ids = {4, 3, 2};
  examples[3] = pair("c", "e", "d");
  examples[4].completion = text("");
  examples[4].line = 9;
  const auto all = tokenize_demonstrations(examples, encoder);
  REQUIRE(all.trees.size() == 4);
  CHECK((all.trees[0].prompt == ids{7, 2} && all.trees[0].responses[0].tokens == ids{3, 8}));
  CHECK((all.trees[1].prompt == ids{7} && all.trees[1].responses[0].tokens == ids{2, 3, 8}));
  CHECK((all.trees[2].prompt == ids{4} && all.trees[2].responses[0].tokens == ids{3, 2}));
  CHECK((all.trees[3].prompt == ids{7, 2} && all.trees[3].responses.size() == 1 && all.trees[3].responses[0].tokens == ids{4, 8}));
  CHECK(all.report.empty_completion == std::vector<index>{9});
  const auto cut = tokenize_demonstrations(std::span(examples).subspan(1, 2), encoder, {.max_length = 2});
  REQUIRE(cut.trees.size() == 2);
  CHECK((cut.trees[0].prompt == ids{7} && cut.trees[0].responses[0].tokens == ids{2}));
  CHECK(cut.report.truncated_responses == 2);
}

TEST_CASE("rows of another kind than a method needs are refused with their line") {
  const std::vector<example> one{labelled("c", "d", true, 12)};
  refuses([&] { tokenize_pairs(one, encoder); }, {"line 12: is not a pair of chosen and rejected, or a ranking; "});
  std::vector<example> plain(1);
  plain[0].completion = text("c");
  plain[0].line = 13;
  refuses([&] { tokenize_labelled(plain, encoder); }, {"line 13: is not a completion with a label; "});
}

TEST_CASE("conversations are written by the template, without <s> and with no end of their own") {
  const chat_template chat(
      R"({% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %})");
  example e;
  e.kind = example_kind::pair;
  e.prompt = {{}, {{"ce", "d"}}, true};  // the tokenizer knows the letters a to e only; others leave no trace
  e.chosen = {{}, {{"assistant", "e"}}, true};
  e.rejected = {{}, {{"assistant", ""}}, true};
  const std::vector<example> empty{e};
  CHECK(tokenize_pairs(empty, {&with_bos, &chat, "</s>"}).report.empty_completion.size() == 1);
  e.rejected.messages[0].content = "cc";
  const std::vector<example> one{e};
  const prompt_tree t = only(tokenize_pairs(one, {&with_bos, &chat, "</s>"}));
  CHECK(t.prompt == ids{9, 2, 4, 11, 3, 10, 11, 9, 0, 0, 11});
  CHECK(t.responses[0].tokens == ids{4, 10, 11});
  CHECK(t.responses[1].tokens == ids{2, 2, 10, 11});
  const chat_template unknown;
  refuses([&] { tokenize_pairs(one, {&with_bos, &unknown, "</s>"}); }, {"chat template", "; "});
}

}  // namespace tilt::test

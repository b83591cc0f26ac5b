// SPDX-License-Identifier: Apache-2.0
#include "data.hpp"

#include <algorithm>
#include <cstdio>
#include <tilt/io/examples.hpp>
#include <tilt/io/model_folder.hpp>
#include <tilt/io/tokenize.hpp>

#include "prompts.hpp"

namespace tilt::program {
namespace {

std::string plural(std::size_t count, const char* thing) { return std::to_string(count) + " " + thing + (count == 1 ? "" : "s"); }

/// "3 (lines 2, 5, 9)" of so many examples; a line that gave several of them is named once.
std::string lines_text(std::vector<index> lines) {
  const std::size_t examples = lines.size();
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(lines.size(), 5); ++i) text += (i > 0 ? ", " : "") + std::to_string(lines[i]);
  if (lines.size() > 5) text += ", …";
  return std::to_string(examples) + " (line" + (lines.size() > 1 ? "s " : " ") + text + ")";
}

/// Lines of pairs whose two responses are the same tokens.
std::vector<index> equal_pairs(const std::vector<prompt_tree>& trees) {
  std::vector<index> lines;
  for (const prompt_tree& tree : trees)
    if (tree.responses[0].tokens == tree.responses[1].tokens) lines.push_back(tree.line);
  return lines;
}

/// Lines of examples that should have a prompt and have none.
std::vector<index> without_prompt(const std::vector<example>& examples) {
  std::vector<index> lines;
  for (const example& e : examples)
    if (e.kind != example_kind::text && e.kind != example_kind::ids && e.prompt.text.empty() && e.prompt.messages.empty())
      lines.push_back(e.line);
  return lines;
}

void tell(const std::string& path, const tokenize_report& r, const std::vector<index>& no_prompt, const std::vector<index>& equal) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  if (!r.undesirable.empty()) add("left out, as their label is false: " + lines_text(r.undesirable));
  if (!no_prompt.empty()) add("no prompt, and responses with no beginning in common: " + lines_text(no_prompt));
  if (!equal.empty()) add("nothing to learn from, as chosen and rejected are the same tokens: " + lines_text(equal));
  if (!r.prompt_fills_length.empty()) add("left out, as the prompt fills max_length: " + lines_text(r.prompt_fills_length));
  if (!r.longer.empty()) add("left out, as longer than max_length: " + lines_text(r.longer));
  if (!r.empty_completion.empty()) add("left out, as a completion is empty: " + lines_text(r.empty_completion));
  if (!r.no_first_token.empty())
    add("left out, as the prompt has no tokens and the responses begin differently: " + lines_text(r.no_first_token));
  if (r.truncated_responses > 0) add(plural(static_cast<std::size_t>(r.truncated_responses), "response") + " cut to max_length");
  if (r.truncated_prompts > 0) add(plural(static_cast<std::size_t>(r.truncated_prompts), "prompt") + " cut to max_prompt_length");
  if (r.merged_boundaries > 0)
    add(plural(static_cast<std::size_t>(r.merged_boundaries), "prompt") + (r.merged_boundaries > 1 ? " end" : " ends") +
        " within a token, which then counts as the response's (a space between the two belongs to the response)");
  if (!text.empty()) std::fprintf(stderr, "tilt: %s: %td of %td examples; %s\n", path.c_str(), r.kept, r.examples, text.c_str());
}

/// The prompt's tokens are predicted too, all but the first.
prompt_tree whole_sequence(const prompt_tree& tree) {
  std::vector<token> tokens = tree.prompt;
  tokens.insert(tokens.end(), tree.responses[0].tokens.begin(), tree.responses[0].tokens.end());
  return text_sequence(tokens, tree.line);
}

/// Prompts as trees without responses, cut at their beginning.
std::vector<prompt_tree> load_prompts(const std::string& path, const model_folder& folder, const data_rules& rules) {
  std::vector<prompt_text> prompts = read_prompts(folder, path, {.max_prompt_length = rules.max_prompt_length});
  require_room(rules.max_length, prompts, rules.max_new_tokens);
  std::vector<prompt_tree> trees;
  index line = 0;
  for (prompt_text& prompt : prompts) trees.push_back({.prompt = std::move(prompt.ids), .line = ++line});
  return trees;
}

}  // namespace

std::vector<prompt_tree> load_data(const std::string& path, data_shape shape, const model_folder& folder, const data_rules& rules) {
  if (shape == data_shape::prompts) return load_prompts(path, folder, rules);
  const std::vector<example> examples = read_examples(path);
  const text_encoder encoder = folder.encoder();
  const tokenize_options options{
      .max_length = rules.max_length, .max_prompt_length = rules.max_prompt_length, .drop_longer = rules.drop_longer};
  tokenized_examples data;
  try {
    switch (shape) {
      case data_shape::pairs:
        data = tokenize_pairs(examples, encoder, options);
        break;
      case data_shape::rankings:
        data = tokenize_rankings(examples, encoder, options);
        break;
      case data_shape::labelled:
        data = tokenize_labelled(examples, encoder, options);
        break;
      case data_shape::prompts:
      case data_shape::demonstrations:
        data = tokenize_demonstrations(examples, encoder, options);
        break;
    }
  } catch (const input_error& e) { throw input_error(path + ": " + e.what()); }
  const tokenize_report& r = data.report;
  if (!r.empty_completion.empty() && !rules.drop_empty)
    throw input_error(path + ":" + std::to_string(r.empty_completion[0]) + ": a completion is empty" +
                      (r.empty_completion.size() > 1 ? ", the first of " + std::to_string(r.empty_completion.size()) : "") +
                      "; give it a text, or leave such examples out with --drop-empty");
  if (data.trees.empty()) {
    const std::string limit = " max_length (" + std::to_string(rules.max_length) + " tokens)";
    const auto [why, remedy] = !r.longer.empty() ? std::pair("they are longer than" + limit, "give shorter ones or a larger max_length")
                               : !r.no_first_token.empty() ? std::pair(std::string("their prompts have no tokens"), "give prompts")
                               : !r.undesirable.empty()    ? std::pair(std::string("their labels are false"), "give completions to imitate")
                               : !r.prompt_fills_length.empty()
                                   ? std::pair("their prompts fill" + limit, "give shorter ones, max_prompt_length or a larger max_length")
                                   : std::pair(std::string("their completions are empty"), "give them texts");
    throw input_error(path + ": none of its " + plural(static_cast<std::size_t>(r.examples), "example") + " can be used, as " + why + "; " +
                      remedy);
  }
  tell(path, r, without_prompt(examples), shape == data_shape::pairs ? equal_pairs(data.trees) : std::vector<index>{});
  if (shape == data_shape::demonstrations && !rules.completion_only_loss)
    for (prompt_tree& tree : data.trees) tree = whole_sequence(tree);
  return std::move(data.trees);
}

}  // namespace tilt::program

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <tilt/io/examples.hpp>
#include <tilt/io/model_folder.hpp>
#include <tilt/io/tokenize.hpp>
#include <vector>

#include "commands.hpp"
#include "progress.hpp"
#include "run_settings.hpp"
#include "session.hpp"
#include "text_io.hpp"

namespace tilt::program {
namespace {

constexpr const char* more = R"(
A line in, a line out: for each of "chosen", "rejected", "completion" and "text" an object {"ids", "token_logps", "logp", "tokens"} of the
response's tokens with the end token that training appends, and "reference_logp" with --reference-model. A text's first token is not
predicted, and not among the ids. A line {"ids": [...]} is scored as it stands, after its first token; its object is the whole line.

  tilt score --model SmolLM2-dpo --reference-model SmolLM2 --data pairs.jsonl --output scores.jsonl)";

struct score_command {
  explicit score_command(CLI::App& app) : options(app) {
    options.group("Files");
    options.add("model", model, "Hugging Face model folder", "FOLDER").also("model_name_or_path");
    options.add("reference_model", reference_model, "another one, for reference_logp", "FOLDER").also("ref_model");
    options.add("data", data, "JSONL or JSON of pairs, completions, texts or {\"ids\": [...]}, also .gz", "FILE");
    options.add("output", output, "file for the scores [standard output]", "FILE");
    options.allow_config();
    options.group("Data");
    options.add("max_length", max_length, "tokens of prompt and response, which is cut at its end; 0: the model's positions").read_null =
        [this] { max_length = 0; };
    options.add("max_prompt_length", max_prompt_length, "tokens of a prompt, which is cut at its beginning; 0: no limit");
    options.group("Machine");
    add_compute(options, machine);
    options.add("max_tokens", max_tokens, "tokens computed at once; bounds memory, changes no result");
  }

  int run() {
    options.apply();
    options.require("model", "the folder of the model");
    options.require("data", "the file with the examples to score");
    if (max_tokens < 1)
      throw input_error(options["max_tokens"].source + ": " + std::to_string(max_tokens) + " cannot be used; give a positive number");
    if (max_length < 0)
      throw input_error(options["max_length"].source + ": " + std::to_string(max_length) + " is negative; give a number of tokens, or 0");
    const model_folder folder(model);
    const std::vector<example> examples = read_examples(data);
    const std::vector<prompt_tree> trees = laid_out(examples, folder);
    std::vector<double> reference;
    if (!reference_model.empty()) {
      const model_folder other(reference_model);
      if (other.config().vocab_size != folder.config().vocab_size)
        throw input_error(reference_model + ": its vocabulary has " + std::to_string(other.config().vocab_size) +
                          " tokens and the model's " + std::to_string(folder.config().vocab_size) +
                          "; give a reference with the model's tokenizer");
      reference = scores_of(other, trees, "reference");
    }
    const std::vector<double> scores = scores_of(folder, trees, "score");
    result_writer results(output);
    std::size_t at = 0;
    for (std::size_t i = 0; i < examples.size(); ++i) results.write(line_of(examples[i], trees[i], scores, reference, at) + "\n");
    results.finish();
    return 0;
  }

 private:
  std::vector<double> scores_of(const model_folder& folder, const std::vector<prompt_tree>& trees, const char* name) const {
    const std::unique_ptr<session> model_session = open_session(machine, folder);
    progress bar(name, static_cast<index>(trees.size()), {.unit = "examples"});
    return model_session->score(trees, max_tokens, [&](index done) { bar.update(done); });
  }

  /// One tree an example, as training makes them; here nothing may be left out.
  std::vector<prompt_tree> laid_out(const std::vector<example>& examples, const model_folder& folder) const {
    const index positions = folder.config().max_position_embeddings;
    const tokenize_options limits{.max_length = max_length == 0 ? positions : std::min(max_length, positions),
                                  .max_prompt_length = max_prompt_length};
    std::vector<prompt_tree> trees;
    for (const example& e : examples) {
      const std::string where = data + ":" + std::to_string(e.line);
      if (e.kind == example_kind::ids) {
        trees.push_back(from_ids(e, where, folder));
        continue;
      }
      const std::span<const example> one(&e, 1);
      tokenized_examples made;
      try {
        const text_encoder encoder = folder.encoder();
        made = e.kind == example_kind::pair || e.kind == example_kind::ranked ? tokenize_rankings(one, encoder, limits)
               : e.kind == example_kind::labelled                             ? tokenize_labelled(one, encoder, limits)
                                                                              : tokenize_demonstrations(one, encoder, limits);
      } catch (const input_error& error) { throw input_error(where + ": " + error.what()); }
      if (!made.report.no_first_token.empty())
        throw input_error(
            where +
            ": the prompt has no tokens and the responses begin differently, so nothing predicts their first tokens; give a prompt");
      if (made.trees.empty())
        throw input_error(where + (made.report.empty_completion.empty()
                                       ? ": the prompt fills max_length (" + std::to_string(limits.max_length) +
                                             " tokens); shorten it, or raise max_length"
                                       : ": there is nothing to score, as a completion is empty; give it a text"));
      trees.push_back(std::move(made.trees[0]));
    }
    return trees;
  }

  static prompt_tree from_ids(const example& e, const std::string& where, const model_folder& folder) {
    if (e.ids.size() < 2) throw input_error(where + ": 'ids' has fewer than two tokens, so nothing is predicted; give two or more");
    if (static_cast<index>(e.ids.size()) > folder.config().max_position_embeddings)
      throw input_error(where + ": 'ids' has " + std::to_string(e.ids.size()) + " tokens and the model " +
                        std::to_string(folder.config().max_position_embeddings) + " positions; give fewer");
    for (const token id : e.ids)
      if (id < 0 || id >= folder.config().vocab_size)
        throw input_error(where + ": the token " + std::to_string(id) + " is outside the model's vocabulary of " +
                          std::to_string(folder.config().vocab_size) + "; give ids of this model");
    return text_sequence(e.ids, e.line);
  }

  static std::string line_of(const example& e, const prompt_tree& tree, const std::vector<double>& scores,
                             const std::vector<double>& reference, std::size_t& at) {
    const auto response = [&](std::size_t r) {
      const std::vector<token>& ids = tree.responses[r].tokens;
      double sum = 0, reference_sum = 0;
      std::vector<double> logps;
      for (std::size_t t = 0; t < ids.size(); ++t, ++at) {
        logps.push_back(scores[at]);
        sum += scores[at];
        if (!reference.empty()) reference_sum += reference[at];
      }
      nlohmann::ordered_json object{{"ids", ids}, {"token_logps", logps}, {"logp", sum}, {"tokens", ids.size()}};
      if (!reference.empty()) object["reference_logp"] = reference_sum;
      return object;
    };
    nlohmann::ordered_json line;
    switch (e.kind) {
      case example_kind::pair:
        line["chosen"] = response(0);
        line["rejected"] = response(1);
        break;
      case example_kind::ranked:  // the best first, as they were read
        for (std::size_t r = 0; r < tree.responses.size(); ++r) line["responses"].push_back(response(r));
        break;
      case example_kind::labelled:
      case example_kind::completion:
        line["completion"] = response(0);
        break;
      case example_kind::text:
        line["text"] = response(0);
        break;
      case example_kind::ids:
        line = response(0);
        break;
    }
    return line.dump();
  }

  settings options;
  std::string model, reference_model, data, output;
  index max_length = 0, max_prompt_length = 0, max_tokens = 4096;
  compute machine;
};

}  // namespace

void add_score(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("score", "Log-probabilities of responses, token by token");
  app.footer(more);
  const auto command = std::make_shared<score_command>(app);
  app.callback([&chosen, command] { chosen = [command] { return command->run(); }; });
}

}  // namespace tilt::program

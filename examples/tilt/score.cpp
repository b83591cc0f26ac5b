// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <tilt/io/examples.hpp>
#include <tilt/io/model_folder.hpp>
#include <tilt/io/tokenize.hpp>
#include <tilt/train/calibration.hpp>
#include <vector>

#include "commands.hpp"
#include "interruption.hpp"
#include "progress.hpp"
#include "run_settings.hpp"
#include "scorer.hpp"
#include "session.hpp"
#include "text_io.hpp"

namespace tilt::program {
namespace {

constexpr const char* more = R"(
A line in, a line out: for each of "chosen", "rejected", "completion" and "text" an object {"ids", "token_logps", "logp", "tokens"} of the
response's tokens with the end token that training appends, and "reference_logp" with --reference-model. A text's first token is not
predicted, and not among the ids. A line {"ids": [...]} is scored as it stands, after its first token; its object is the whole line.
With --reference-model standard error tells of how many pairs the log-ratio to the reference, the implicit reward over beta, puts the chosen
response ahead. With --reward-model each object has the "reward" of its text; of pairs, standard error tells the share that it gets right, with a 95 % interval,
and how good its probabilities are.

  tilt score --model SmolLM2-dpo --reference-model SmolLM2 --data pairs.jsonl --output scores.jsonl
  tilt score --reward-model SmolLM2-reward --data pairs.jsonl)";

struct score_command {
  explicit score_command(CLI::App& app) : options(app) {
    options.group("Files");
    options.add("model", model, "Hugging Face model folder", "FOLDER").also("model_name_or_path");
    options.add("reference_model", reference_model, "another one, for reference_logp", "FOLDER").also("ref_model");
    options.add("reward_model", reward_model, "a folder that tilt reward has made, for reward; --model may then be left away", "FOLDER")
        .also("reward_model_path");
    options.add("data", data, "JSONL or JSON of pairs, completions, texts or {\"ids\": [...]}, also .gz", "FILE");
    options.add("output", output, "file for the scores [standard output]", "FILE");
    options.allow_config();
    options.group("Data");
    options.count("max_length", max_length, "tokens of prompt and response, which is cut at its end; 0: the model's positions").read_null =
        [this] { max_length = 0; };
    options.count("max_prompt_length", max_prompt_length, "tokens of a prompt, which is cut at its beginning; 0: no limit");
    options.group("Machine");
    add_compute(options, machine);
    options.add("max_tokens", max_tokens, "tokens computed at once; bounds memory, changes no result");
  }

  int run() {
    options.apply();
    if (reward_model.empty()) options.require("model", "the folder of the model (or --reward-model)");
    if (model.empty())
      options.refuse("reference_model", "reference_logp stands beside the log-probabilities of --model, which is not given");
    options.require("data", "the file with the examples to score");
    check_output(output, data);
    if (max_tokens < 1)
      throw input_error(options["max_tokens"].source + ": " + std::to_string(max_tokens) + " cannot be used; give a positive number");
    const model_folder folder(model.empty() ? reward_model : model);
    if (!model.empty() && !folder.config().vocabulary_head)
      throw input_error("--model: " + model + " is a reward model, which predicts no tokens; give it as --reward-model");
    if (!reference_model.empty()) require_language_model("--reference-model", model_folder(reference_model));
    if (!reward_model.empty()) require_reward_model(reward_model, model_folder(reward_model));
    const std::vector<example> examples = read_examples(data);
    const std::vector<prompt_tree> trees = laid_out(examples, folder);
    const interruption stop;
    result_writer results(output);
    found all;
    if (!reward_model.empty()) all.rewards = of_another(reward_model, folder, trees, "reward", &session::rewards);
    if (!reference_model.empty()) all.reference = of_another(reference_model, folder, trees, "reference", &session::score);
    if (!model.empty()) all.logps = values_of(folder, trees, "score", &session::score);
    place at;
    for (std::size_t i = 0; i < examples.size(); ++i) results.write(line_of(examples[i], trees[i], all, at) + "\n");
    results.finish();
    if (shortened_ > 0)
      std::fprintf(stderr, "tilt: %s: %td response%s cut to max_length, and scored as cut\n", data.c_str(), shortened_,
                   shortened_ > 1 ? "s" : "");
    if (!reference_model.empty()) tell_log_ratios(examples, trees, all);
    if (!reward_model.empty()) tell_calibration(examples, trees, all.rewards);
    return 0;
  }

 private:
  /// What the models say, response after response; empty where one was not given.
  struct found {
    std::vector<double> logps, reference;  ///< of every token
    std::vector<double> rewards;           ///< of every response
  };
  /// How far the lines have come.
  struct place {
    std::size_t token = 0, response = 0;
  };
  using reading = std::vector<double> (session::*)(std::span<const prompt_tree>, index, const std::function<void(index)>&);

  std::vector<double> values_of(const model_folder& folder, const std::vector<prompt_tree>& trees, const char* name, reading read) const {
    const std::unique_ptr<session> model_session = open_session(machine, folder);
    progress bar(name, static_cast<index>(trees.size()), {.unit = "examples"});
    return ((*model_session).*read)(trees, max_tokens, [&](index done) {
      interruption::heed();
      bar.update(done);
    });
  }
  std::vector<double> of_another(const std::string& path, const model_folder& folder, const std::vector<prompt_tree>& trees,
                                 const char* name, reading read) const {
    const model_folder other(path);
    if (other.config().vocab_size != folder.config().vocab_size)
      throw input_error(path + ": its vocabulary has " + std::to_string(other.config().vocab_size) + " tokens and the model's " +
                        std::to_string(folder.config().vocab_size) + "; give one with the model's tokenizer");
    return values_of(other, trees, name, read);
  }

  /// log π(y|x) − log π_ref(y|x) of the chosen and of the rejected responses, over the pairs, on standard error.
  static void tell_log_ratios(const std::vector<example>& examples, const std::vector<prompt_tree>& trees, const found& all) {
    double pairs = 0, ahead = 0, chosen = 0, rejected = 0;
    std::size_t token = 0;
    for (std::size_t i = 0; i < trees.size(); ++i) {
      std::vector<double> ratios;
      for (const tilt::response& one : trees[i].responses) {
        double ratio = 0;
        for (const std::size_t end = token + one.tokens.size(); token < end; ++token) ratio += all.logps[token] - all.reference[token];
        ratios.push_back(ratio);
      }
      if (examples[i].kind != example_kind::pair) continue;
      ++pairs;
      ahead += ratios[0] > ratios[1] ? 1 : 0;
      chosen += ratios[0];
      rejected += ratios[1];
    }
    if (pairs == 0) return;
    const interval accuracy = wilson_interval(ahead, pairs);
    std::fprintf(
        stderr,
        "tilt: of %.0f pairs %.3f have the chosen response's log-ratio to the reference ahead (95 %%: %.3f to %.3f); mean log-ratio "
        "%.4f of the chosen, %.4f of the rejected\n",
        pairs, accuracy.value, accuracy.low, accuracy.high, chosen / pairs, rejected / pairs);
  }

  /// Over the pairs, on standard error.
  static void tell_calibration(const std::vector<example>& examples, const std::vector<prompt_tree>& trees,
                               const std::vector<double>& rewards) {
    std::vector<double> margins;
    std::size_t at = 0;
    for (std::size_t i = 0; i < trees.size(); at += trees[i++].responses.size())
      if (examples[i].kind == example_kind::pair) margins.push_back(rewards[at] - rewards[at + 1]);
    if (margins.empty()) return;
    const calibration c = calibrate(margins);
    std::fprintf(stderr,
                 "tilt: of %td pairs %.3f have the chosen response ahead (95 %%: %.3f to %.3f); Brier score %.4f, log loss %.4f, "
                 "calibration error %.4f\n",
                 c.pairs, c.accuracy.value, c.accuracy.low, c.accuracy.high, c.brier, c.log_loss, c.expected_calibration_error);
  }

  /// One tree an example, as training makes them; here nothing may be left out.
  std::vector<prompt_tree> laid_out(const std::vector<example>& examples, const model_folder& folder) {
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
                                             " tokens); shorten it, or give max_prompt_length" +
                                             (limits.max_length < positions ? " or a larger max_length" : "")
                                       : ": there is nothing to score, as a completion is empty; give it a text"));
      shortened_ += made.report.truncated_responses;
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

  static std::string line_of(const example& e, const prompt_tree& tree, const found& all, place& at) {
    const auto response = [&](std::size_t r) {
      const std::vector<token>& ids = tree.responses[r].tokens;
      const auto sum = [&](const std::vector<double>& values) {
        double total = 0;
        for (std::size_t t = 0; t < ids.size(); ++t) total += values[at.token + t];
        return total;
      };
      nlohmann::ordered_json object{{"ids", ids}};
      if (!all.logps.empty()) {
        const auto begin = all.logps.begin() + static_cast<std::ptrdiff_t>(at.token);
        object["token_logps"] = std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(ids.size()));
        object["logp"] = sum(all.logps);
      }
      object["tokens"] = ids.size();
      if (!all.reference.empty()) object["reference_logp"] = sum(all.reference);
      if (!all.rewards.empty()) object["reward"] = all.rewards[at.response];
      at.token += ids.size();
      ++at.response;
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
  std::string model, reference_model, reward_model, data, output;
  index max_length = 0, max_prompt_length = 0, max_tokens = 4096;
  index shortened_ = 0;  // responses that were cut
  compute machine;
};

}  // namespace

void add_score(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("score", "Log-probabilities of responses, token by token, and a reward model's scores");
  app.footer(more);
  const auto command = std::make_shared<score_command>(app);
  app.callback([&chosen, command] { chosen = [command] { return command->run(); }; });
}

}  // namespace tilt::program

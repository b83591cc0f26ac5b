// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tilt/io/examples.hpp>
#include <tilt/io/model_folder.hpp>
#include <vector>

#include "commands.hpp"
#include "progress.hpp"
#include "run_settings.hpp"
#include "session.hpp"
#include "text_io.hpp"

namespace tilt::program {
namespace {

/// What a line of --data gives: the text before which the model is put, as messages or as it stands.
struct prompt_text {
  std::string shown;
  std::vector<token> ids;
};

constexpr const char* more = R"(
  tilt generate --model stories260K --prompt "Once upon a time" --temperature 0
  tilt generate --model SmolLM2 --chat --prompt "What is the capital of France?" --top-p 0.9
  tilt generate --model SmolLM2 --data prompts.jsonl --num-samples 4 --json --output samples.jsonl)";

struct generate_command {
  explicit generate_command(CLI::App& app) : options(app) {
    options.group("Files");
    options.add("model", model, "Hugging Face model folder", "FOLDER").also("model_name_or_path");
    options.add("prompt", prompt, "the prompt; \"\": the begin token alone", "TEXT", true);
    options.add("data", data, "prompts: JSONL with \"prompt\" (a text or messages), or lines of text [standard input]", "FILE");
    options.add("output", output, "file for the texts [standard output]", "FILE");
    options.allow_config();
    options.group("Sampling");
    options.add("max_new_tokens", job.max_new_tokens, "tokens at most; the end token ends a text before");
    options.add("num_samples", job.samples, "texts for each prompt").also("num_return_sequences").also("num_generations");
    options.add("temperature", job.sampling.temperature, "divides the logits; 0: always the most probable token");
    options.add("top_k", job.sampling.top_k, "only the k most probable tokens; 0: all");
    options.add("top_p", job.sampling.top_p, "only the most probable tokens that have this share together");
    options.add("seed", job.seed, "of the draws; a sample depends on it and its own number alone");
    options.group("Form");
    options.add("chat", chat, "put the prompt into the model's chat template, as the user's message");
    options.add("json", json, "a JSON object a text, with prompt, completion and ids, instead of the text");
    options.group("Machine");
    add_compute(options, machine);
  }

  int run() {
    options.apply();
    options.require("model", "the folder of the model");
    if (options.given("prompt")) options.refuse("data", "--prompt gives the prompt already");
    if (job.samples < 1)
      throw input_error(options["num_samples"].source + ": " + std::to_string(job.samples) + " cannot be used; give 1 or more");
    if (job.max_new_tokens < 1)
      throw input_error(options["max_new_tokens"].source + ": " + std::to_string(job.max_new_tokens) + " cannot be used; give 1 or more");
    try {
      job.sampling.check();
    } catch (const input_error& e) { throw input_error(options.reword(e.what())); }
    const model_folder folder(model);
    const tokenizer& words = folder.tokenizer();
    const std::vector<prompt_text> prompts = read_prompts(folder);
    const std::unique_ptr<session> model_session = open_session(machine, folder);
    result_writer results(output);

    std::vector<std::vector<token>> ids;
    for (const prompt_text& p : prompts) ids.push_back(p.ids);
    job.prompts = ids;
    std::optional<progress> bar;
    if (prompts.size() > 1) bar.emplace("generate", static_cast<index>(prompts.size()), progress_options{.unit = "prompts"});
    job.progressed = [&](index done) {
      if (bar) bar->update(done);
    };
    const auto texts = model_session->generate(job);
    if (bar) bar->finish();
    for (std::size_t p = 0; p < prompts.size(); ++p)
      for (const std::vector<token>& sample : texts[p]) {
        const std::string text = continuation(words, ids[p], sample);
        if (json) {
          const nlohmann::ordered_json line{{"prompt", prompts[p].shown}, {"completion", text}, {"ids", sample}};
          results.write(line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
        } else {
          results.write((chat ? "" : prompts[p].shown) + text + "\n");
        }
      }
    results.finish();
    return 0;
  }

  /// What the sample adds to the text of its prompt. By itself a SentencePiece-style tokenizer would spell it without its leading space.
  template <class Tokenizer>
  static std::string continuation(const Tokenizer& words, const std::vector<token>& prompt_ids, const std::vector<token>& sample) {
    std::vector<token> all(prompt_ids);
    all.insert(all.end(), sample.begin(), sample.end());
    const std::string begun = words.decode(prompt_ids, true), whole = words.decode(all, true);
    return whole.starts_with(begun) ? whole.substr(begun.size()) : words.decode(sample, true);
  }

  std::vector<prompt_text> read_prompts(const model_folder& folder) const {
    std::vector<prompt_text> prompts;
    if (options.given("prompt")) {
      prompts.push_back(encoded(folder, prompt));
      return prompts;
    }
    line_reader lines(data);
    for (std::string line; lines.next(line);) {
      try {
        const nlohmann::json value = line.starts_with("{") ? nlohmann::json::parse(line, nullptr, false) : nlohmann::json();
        if (line.starts_with("{") && value.is_discarded()) throw input_error("is not valid JSON; repair or remove the line");
        if (!value.is_object())
          prompts.push_back(encoded(folder, line));
        else if (value.contains("prompt") && value["prompt"].is_string())
          prompts.push_back(encoded(folder, value["prompt"].get<std::string>()));
        else if (value.contains("prompt") && value["prompt"].is_array())
          prompts.push_back(conversation(folder, value["prompt"]));
        else
          throw input_error(
              "has no \"prompt\"; write {\"prompt\": \"a text\"} or {\"prompt\": [{\"role\": \"user\", \"content\": \"a text\"}]}");
      } catch (const input_error& e) { throw input_error(lines.where() + ": " + e.what()); }
    }
    if (prompts.empty()) throw input_error("there are no prompts; give --prompt, --data, or lines on standard input");
    return prompts;
  }

  prompt_text encoded(const model_folder& folder, const std::string& text) const {
    if (chat) {
      const message user[] = {{"user", text}};
      return {text, folder.tokenizer().encode(folder.chat().render(user, true), false)};
    }
    return {text, folder.tokenizer().encode(text)};
  }
  static prompt_text conversation(const model_folder& folder, const nlohmann::json& list) {
    std::vector<message> messages;
    for (const nlohmann::json& m : list) {
      if (!m.is_object() || !m.contains("role") || !m.contains("content") || !m["role"].is_string() || !m["content"].is_string())
        throw input_error("a message has no role and content; write {\"role\": \"user\", \"content\": \"a text\"}");
      messages.push_back({m["role"].get<std::string>(), m["content"].get<std::string>()});
    }
    const std::string text = folder.chat().render(messages, true);
    return {text, folder.tokenizer().encode(text, false)};
  }

  settings options;
  std::string model, prompt, data, output;
  bool chat = false, json = false;
  generation_job job;
  compute machine;
};

}  // namespace

void add_generate(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("generate", "Let a model continue prompts");
  app.footer(more);
  const auto command = std::make_shared<generate_command>(app);
  app.callback([&chosen, command] { chosen = [command] { return command->run(); }; });
}

}  // namespace tilt::program

// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <tilt/io/model_folder.hpp>
#include <vector>

#include "commands.hpp"
#include "interruption.hpp"
#include "progress.hpp"
#include "prompts.hpp"
#include "run_settings.hpp"
#include "sample_output.hpp"
#include "sampling_settings.hpp"
#include "session.hpp"

namespace tilt::program {
namespace {

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
    options.add("num_samples", job.samples, "texts for each prompt").also("num_return_sequences").also("num_generations");
    options.add("temperature", text.sampling.temperature, "divides the logits; 0: always the most probable token");
    text.add(options);
    options.add("seed", job.seed, "of the draws; a sample is a function of it, the prompt and its own number among the prompt's");
    options.group("Form");
    options.add("chat", reading.chat, "put the prompt into the model's chat template, as the user's message");
    reading.add_max_prompt_length(options);
    options.add("json", json, "a JSON object a text, with prompt, completion, ids and their log-probabilities, instead of the text");
    options.group("Machine");
    add_compute(options, machine);
  }

  int run() {
    options.apply();
    options.require("model", "the folder of the model");
    if (options.given("prompt")) options.refuse("data", "--prompt gives the prompt already");
    check_output(output, data);
    if (job.samples < 1)
      throw input_error(options["num_samples"].source + ": " + std::to_string(job.samples) + " cannot be used; give 1 or more");
    text.check(options);
    const model_folder folder(model);
    const std::vector<prompt_text> prompts =
        options.given("prompt") ? std::vector{prompt_of(folder, prompt, reading)} : read_prompts(folder, data, reading);
    require_room(folder.config().max_position_embeddings, prompts, text.max_new_tokens, text.max_length);
    const interruption stop;
    const std::unique_ptr<session> model_session = open_session(machine, folder);
    result_writer results(output);
    sample_output samples(folder.tokenizer(), prompts, job.samples, {text.stop_strings, json, !reading.chat}, results);

    std::vector<std::vector<token>> ids;
    for (const prompt_text& p : prompts) ids.push_back(p.ids);
    job.prompts = ids;
    job.max_new_tokens = text.max_new_tokens;
    job.max_length = text.max_length;
    job.sampling = text.sampling;
    job.watch = [&](const sampled_token& t) {
      interruption::heed();
      return samples.add(t);
    };
    const bool shows_texts = (output.empty() || output == "-") && isatty(STDOUT_FILENO) != 0;
    std::optional<progress> bar;
    if (prompts.size() > 1 && !shows_texts)
      bar.emplace("generate", static_cast<index>(prompts.size()), progress_options{.unit = "prompts"});
    job.progressed = [&](index done) {
      if (bar) bar->update(done);
    };
    try {
      model_session->generate(job);
    } catch (const input_error& e) { throw input_error(options.reword(e.what())); }
    if (bar) bar->finish();
    results.finish();
    return 0;
  }

  settings options;
  std::string model, prompt, data, output;
  bool json = false;
  prompt_options reading;
  text_options text;
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

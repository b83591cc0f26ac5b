// SPDX-License-Identifier: Apache-2.0
#include "answers.hpp"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <numeric>
#include <set>
#include <tilt/data/preferences.hpp>
#include <tilt/io/model_folder.hpp>
#include <tilt/io/text_stream.hpp>
#include <utility>

#include "interruption.hpp"
#include "kept_lines.hpp"
#include "progress.hpp"

namespace tilt::program {
namespace {

/// Samples that grow together: enough for products of full rows, and all that a kill costs.
constexpr index samples_at_once = 128;

}  // namespace

void answer_options::add(settings& options) {
  options.add("num_samples", samples, "answers to each prompt at each temperature").also("num_generations");
  options.add("temperature", temperatures, "one or more, each of which gives its answers [1]");
  text.add(options);
}

void answer_options::check(settings& options) {
  if (samples < 1) throw input_error(options["num_samples"].source + ": " + std::to_string(samples) + " cannot be used; give 1 or more");
  if (std::set<double>(temperatures.begin(), temperatures.end()).size() != temperatures.size())
    throw input_error(options["temperature"].source + ": a temperature stands there twice; leave one, and raise --num-samples");
  for (const double t : temperatures) {
    text.sampling.temperature = t;
    text.check(options);
  }
}

bool answer_options::plain() const {
  const sampling_options usual, &s = text.sampling;
  return temperatures == std::vector<double>{1} && s.top_k == usual.top_k && s.top_p == usual.top_p && s.min_p == usual.min_p &&
         s.repetition_penalty == usual.repetition_penalty;
}

void to_json(nlohmann::json& line, const answer& a) {
  line = {{"text", a.text}, {"temperature", a.temperature}, {"sample", a.sample}, {"complete", a.ended}, {"ids", a.ids}, {"logp", a.logp}};
}
void from_json(const nlohmann::json& line, answer& a) {
  a = {.text = line.at("text"),
       .temperature = line.at("temperature"),
       .sample = line.at("sample"),
       .ended = line.at("complete"),
       .score = line.value("score", 0.0),
       .ids = line.at("ids").get<std::vector<token>>(),
       .logp = line.at("logp")};
}

answer_lists sample_answers(session& model, const model_folder& folder, std::span<const prompt_text> prompts, const answer_options& how,
                            settings& options, const std::string& title, kept_lines* kept) {
  std::vector<std::vector<token>> ids;
  for (const prompt_text& p : prompts) ids.push_back(p.ids);
  const std::size_t count = prompts.size() * how.temperatures.size(), there = kept != nullptr ? kept->lines().size() : 0;
  if (there > 0) std::fprintf(stderr, "tilt: %s: %zu of %zu prompts are answered already\n", title.c_str(), there, count);
  progress bar(title, static_cast<index>(count), {.first = static_cast<index>(there), .unit = "prompts"});
  // Those of prompt p at temperature i are number i·prompts + p.
  const auto sample = [&](std::size_t number, std::size_t most) {
    const std::size_t i = number / prompts.size(), first = number % prompts.size(), some = std::min(most, prompts.size() - first);
    std::vector<std::vector<text_stream>> streams(some);
    for (std::size_t p = 0; p < some; ++p)
      streams[p].assign(static_cast<std::size_t>(how.samples), text_stream(folder.tokenizer(), ids[first + p], how.text.stop_strings));
    generation_job job;
    job.prompts = ids;
    job.first = first;
    job.count = some;
    job.samples = how.samples;
    job.max_new_tokens = how.text.max_new_tokens;
    job.max_length = how.text.max_length;
    job.sampling = how.text.sampling;
    job.sampling.temperature = how.temperatures[i];
    job.seed = how.seed + i;
    job.watch = [&](const sampled_token& t) {
      interruption::heed();
      text_stream& stream = streams[t.request - first][static_cast<std::size_t>(t.sample)];
      stream.append(t.id);
      return stream.stopped();
    };
    std::vector<std::vector<generated<double>>> made;
    try {
      made = model.generate(job);
    } catch (const input_error& e) { throw input_error(options.reword(e.what())); }
    std::vector<std::vector<answer>> answers(some);
    for (std::size_t p = 0; p < some; ++p)
      for (std::size_t j = 0; j < made[p].size(); ++j) {
        const generated<double>& one = made[p][j];
        streams[p][j].finish();
        answers[p].push_back({.text = streams[p][j].text(),
                              .temperature = how.temperatures[i],
                              .sample = static_cast<index>(j),
                              .ended = one.ended || one.stopped,
                              .score = 0,
                              .ids = one.tokens,
                              .logp = std::accumulate(one.logps.begin(), one.logps.end(), 0.0)});
      }
    bar.update(static_cast<index>(number + some));
    return answers;
  };
  const auto at_once = static_cast<std::size_t>(std::clamp<index>(samples_at_once / how.samples, 1, 64));
  answer_lists answers(prompts.size());
  std::size_t number = 0;
  for (std::vector<answer>& some : find_values<std::vector<answer>>(count, at_once, kept, sample)) {
    std::vector<answer>& of_prompt = answers[number++ % prompts.size()];
    std::move(some.begin(), some.end(), std::back_inserter(of_prompt));
  }
  return answers;
}

left_out keep_distinct(answer_lists& answers) {
  left_out gone;
  for (std::vector<answer>& of_prompt : answers) {
    const std::size_t all = of_prompt.size();
    std::erase_if(of_prompt, [](const answer& a) { return a.text.empty(); });
    gone.empty += static_cast<index>(all - of_prompt.size());
    std::vector<std::string> texts;
    for (const answer& a : of_prompt) texts.push_back(a.text);
    std::vector<answer> kept;
    for (const std::size_t i : distinct_texts(texts)) kept.push_back(std::move(of_prompt[i]));
    gone.repeated += static_cast<index>(of_prompt.size() - kept.size());
    of_prompt = std::move(kept);
  }
  return gone;
}

}  // namespace tilt::program

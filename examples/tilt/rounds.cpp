// SPDX-License-Identifier: Apache-2.0
#include "rounds.hpp"

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <tilt/io/file.hpp>
#include <tilt/train/checkpoint.hpp>
#include <tilt/train/fingerprint.hpp>
#include <utility>

#include "checkpoints.hpp"
#include "data.hpp"
#include "interruption.hpp"
#include "output_folder.hpp"
#include "setting_text.hpp"
#include "table.hpp"
#include "text_io.hpp"
#include "training.hpp"

namespace tilt::program {
namespace {

namespace fs = std::filesystem;

/// Of a file, or of a model folder's weights: whether it is the same one.
std::string content_hash(const std::string& path) {
  std::vector<fs::path> files;
  if (fs::is_directory(path)) {
    for (const auto& entry : fs::directory_iterator(path))
      if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
  } else if (!path.empty()) {
    files.emplace_back(path);
  }
  detail::fingerprint f;
  for (const fs::path& file : files) {
    const mapped_file bytes(file);
    f.add(bytes.bytes());
  }
  return path.empty() ? "" : std::to_string(f.value());
}

std::string said(const nlohmann::json& value) {
  return value.is_string() && !value.get<std::string>().empty() ? value.get<std::string>() : "its default";
}

std::size_t lines_in(const fs::path& file) {
  const mapped_file mapped(file);
  const std::string_view text = mapped.text();
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

rounds::rounds(settings& options, const rounds_choice& choice, training_job job)
    : options_(options), c_(choice), job_(std::move(job)), start_(c_.run.model) {
  const prompt_options how{c_.chat, c_.run.max_prompt_length};
  prompts_ = read_prompts(start_, c_.run.train, how);
  eval_prompts_ = c_.eval.empty() ? prompts_ : read_prompts(start_, c_.eval, how);
  for (const auto& prompts : {std::span(prompts_), std::span(eval_prompts_)})
    require_room(start_.config().max_position_embeddings, prompts, c_.how.text.max_new_tokens, c_.how.text.max_length);
  if (!c_.run.reference_model.empty()) require_language_model("--reference-model", model_folder(c_.run.reference_model));
  if (!c_.scores.reward_model.empty()) require_reward_model(c_.scores.reward_model, model_folder(c_.scores.reward_model));
  if (!c_.mix.empty()) {
    mix_.emplace(c_.mix);
    load_data(c_.mix, job_.objective.shape, start_,
              {.max_length = start_.config().max_position_embeddings, .max_prompt_length = c_.run.max_prompt_length});
  }
}

std::string rounds::identity() const {
  nlohmann::ordered_json now{{"settings", nlohmann::ordered_json::object()}, {"contents", nlohmann::ordered_json::object()}};
  const std::vector<std::string> aside{"model",
                                       "train",
                                       "eval",
                                       "mix",
                                       "reference_model",
                                       "reward_model",
                                       "output",
                                       "config",
                                       "resume",
                                       "backend",
                                       "threads",
                                       "max_tokens",
                                       "gradient_checkpointing",
                                       "logging_steps",
                                       "save_steps",
                                       "num_rounds",
                                       "save_total_limit",
                                       "logging_first_step",
                                       "reference"};
  for (const auto& [name, value] : options_.values(aside)) now["settings"][name] = value;
  for (const auto& [name, path] : {std::pair<const char*, std::string>("model", c_.run.model),
                                   {"train", c_.run.train},
                                   {"eval", c_.eval},
                                   {"mix", c_.mix},
                                   {"reference_model", c_.run.reference_model},
                                   {"reward_model", c_.scores.reward_model}})
    now["contents"][name] = content_hash(path);
  return now.dump(1) + "\n";
}

void rounds::require_same_run() const {
  const fs::path file = fs::path(c_.run.output) / "run.json";
  const auto then = nlohmann::json::parse(mapped_file(file).text(), nullptr, false), now = nlohmann::json::parse(identity());
  for (const char* part : {"contents", "settings"}) {
    if (!then.is_object() || !then.contains(part) || !then[part].is_object())
      throw input_error(file.string() + ": is not what tilt iterate has written; give another --output");
    for (const auto& [name, value] : now[part].items()) {
      const nlohmann::json before = then[part].value(name, nlohmann::json());
      if (before == value) continue;
      const bool contents = std::string_view(part) == "contents";
      throw input_error(options_.reword(name + ": " + c_.run.output + " was begun with " +
                                        (contents ? "another one, or other contents" : said(before) + ", and this run has " + said(value)) +
                                        "; give what it was, or another --output"));
    }
  }
}

void rounds::claim() const {
  const fs::path file = fs::path(c_.run.output) / "run.json";
  if (!fs::exists(file)) write_file(file, identity());
}

int rounds::run() {
  const fs::path output = c_.run.output;
  if (fs::exists(output / "run.json")) {
    if (!c_.run.resume)
      throw input_error(c_.run.output + ": holds rounds of an earlier run; go on with it by --resume, or give another --output");
    require_same_run();
  } else {
    require_no_model(c_.run.output);
    if (c_.run.resume) std::fprintf(stderr, "tilt: %s has no rounds; the run begins at the beginning\n", c_.run.output.c_str());
  }
  const output_folder place(c_.run.output);
  if (c_.run.resume) {
    sweep(output);
    for (index k = 0; k <= c_.rounds; ++k)
      if (fs::exists(folder(k))) sweep(folder(k));
  }
  const interruption stop;
  try {
    for (index k = 0; k <= c_.rounds; ++k) {
      if (k > 0) {
        make_preferences_of(k);
        if (const int status = train(k); status != 0) return status;
      }
      evaluations_.push_back(evaluation(k));
      tell(k);
    }
  } catch (const interrupted&) {
    std::fprintf(stderr, "tilt: interrupted; what was done is in %s; go on by the same command with --resume\n", c_.run.output.c_str());
    return 130;
  }
  return 0;
}

kept_lines rounds::work(index k, const char* name) const {
  return kept_lines(folder(k) / (std::string(name) + ".part"), [this, k] {
    fs::create_directories(folder(k));
    claim();
  });
}
void rounds::forget_work(index k) const {
  for (const char* name : {"answers", "scores", "evaluation", "log_ratios", "evaluation_scores"})
    fs::remove(folder(k) / (std::string(name) + ".part"));
}

void rounds::make_preferences_of(index k) const {
  const fs::path made = folder(k) / "preferences.jsonl", sampled = folder(k) / "answers.jsonl";
  if (fs::exists(made)) return;
  const std::string round = "round " + std::to_string(k);
  if (!fs::exists(sampled)) {
    const model_folder model(model_after(k - 1));
    answer_options how = c_.how;
    how.seed = seed_of(k);
    kept_lines kept = work(k, "answers");
    kept_answers answers{
        {.model = {},
         .answers = sample_answers(*open_session(c_.run.machine, model), model, prompts_, how, options_, round + ", answers", &kept)}};
    const left_out gone = keep_distinct(answers.of.answers);
    if (gone.repeated + gone.empty > 0)
      std::fprintf(stderr, "tilt: %s: left out: %td repeated answers, %td empty ones\n", round.c_str(), gone.repeated, gone.empty);
    write_answers(sampled, prompts_, answers);
  }
  kept_answers answers = read_answers(sampled, prompts_);
  if (!answers.scored) {
    kept_lines kept = work(k, "scores");
    c_.scores.score(prompts_, answers.of.answers, c_.run.machine, c_.run.options.max_tokens, &kept);
    answers.scored = true;
    write_answers(sampled, prompts_, answers);
    answers = read_answers(sampled, prompts_);
  }
  forget_work(k);
  pair_making pairs = c_.pairs;
  pairs.how.seed = seed_of(k);
  made_preferences own = make_preferences(prompts_, answers.of.answers, pairs,
                                          {{"model", name_after(k - 1)}, {"seed", seed_of(k)}, {"scored_by", c_.scores.name()}});
  std::size_t mixed = 0;
  if (mix_) {
    const auto original = mix_->drawn(own.lines.size(), c_.mix_share, c_.run.options.seed, static_cast<std::uint64_t>(k));
    mixed = original.size();
    own.lines.insert(own.lines.end(), original.begin(), original.end());
  }
  std::fprintf(stderr, "tilt: %s: %zu preferences, %zu of them original; %td of %zu prompts have none\n", round.c_str(), own.lines.size(),
               mixed, own.silent, prompts_.size());
  std::string text;
  for (const std::string& line : own.lines) text += line;
  write_file(made, text);
}

int rounds::train(index k) const {
  const fs::path model = folder(k) / "model";
  if (fs::exists(model)) return 0;
  run_choice c = c_.run;
  c.model = model_after(k - 1);
  c.train = (folder(k) / "preferences.jsonl").string();
  c.output = c.options.output_dir = folder(k).string();
  c.options.seed = seed_of(k);
  c.resume = true;
  if (!c_.follows && c.reference_model.empty()) c.reference_model = c_.run.model;
  return train_model(
      options_, c, job_, [&c] { return latest_checkpoint(c.output).value_or(fs::path()).string(); }, model.string());
}

kept_answers rounds::evaluation(index k) const {
  const fs::path file = folder(k) / "evaluation.jsonl";
  if (!fs::exists(file)) {
    const compute& machine = c_.run.machine;
    const index max_tokens = c_.run.options.max_tokens;
    const model_folder model(model_after(k));
    answer_options how;  // the model's own distribution, whose KL is asked for
    how.samples = c_.eval_samples;
    how.seed = c_.run.options.seed;
    how.text.max_new_tokens = c_.how.text.max_new_tokens;
    how.text.max_length = c_.how.text.max_length;
    how.text.stop_strings = c_.how.text.stop_strings;
    kept_lines sampled = work(k, "evaluation"), ratios = work(k, "log_ratios"), scores = work(k, "evaluation_scores");
    kept_answers now{{.model = {},
                      .answers = sample_answers(*open_session(machine, model), model, eval_prompts_, how, options_,
                                                "round " + std::to_string(k) + ", evaluation", &sampled)}};
    now.of.log_ratios =
        log_ratios(now.of.answers, eval_prompts_, *open_session(machine, start_), start_, eval_prompts_, max_tokens, &ratios);
    if (c_.scores.judge_command.empty()) {
      c_.scores.score(eval_prompts_, now.of.answers, machine, max_tokens, &scores);
      now.scored = true;
    } else if (k > 0) {
      const answer_lists* const own = &now.of.answers;
      now.of.by_judge = verdicts_by_judge(c_.scores.judge_command, eval_prompts_, evaluations_[0].of.answers, std::span(&own, 1))[0];
    }
    write_answers(file, eval_prompts_, now);
  }
  forget_work(k);
  kept_answers read = read_answers(file, eval_prompts_);
  if (k > 0 && read.scored) read.of.by_score = verdicts_by_score(read.of.answers, evaluations_[0].of.answers);
  return read;
}

void rounds::tell(index last) {
  std::string lines;
  table rows({"round", "pairs", "wins", "reward", "KL (nats)", "tokens", "distinct-2"});
  const lexicon toxic;
  for (index k = 0; k <= last; ++k) {
    const kept_answers& e = evaluations_[static_cast<std::size_t>(k)];
    const measures m = measure(e.of, evaluations_[0].of, e.scored, toxic);
    const std::size_t pairs = k > 0 ? lines_in(folder(k) / "preferences.jsonl") : 0;
    nlohmann::ordered_json line{{"round", k}, {"model", name_after(k)}, {"pairs", pairs}};
    line.update(json_of(m));
    lines += line.dump() + "\n";
    const std::optional<interval> wins = m.win_by_score ? m.win_by_score : m.win_by_judge;
    rows.row({std::to_string(k), std::to_string(pairs), wins ? share_text(*wins) : "–", m.reward ? mean_text(*m.reward, 3) : "–",
              mean_text(*m.kl, 3), mean_text(m.tokens, 1), decimal(m.distinct_2)});
  }
  write_file(fs::path(c_.run.output) / "rounds.jsonl", lines);
  if (last < c_.rounds) return;
  rows.print();
  std::fprintf(stderr, "tilt: the model is in %s, a line a round in %s/rounds.jsonl\n", model_after(last).c_str(), c_.run.output.c_str());
}

}  // namespace tilt::program

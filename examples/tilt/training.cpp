// SPDX-License-Identifier: Apache-2.0
#include "training.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <tilt/io/file.hpp>
#include <tilt/io/model_folder.hpp>
#include <vector>

#include "checkpoints.hpp"
#include "data.hpp"
#include "interruption.hpp"
#include "output_folder.hpp"
#include "progress.hpp"
#include "run_log.hpp"
#include "scorer.hpp"

namespace tilt::program {
namespace {

namespace fs = std::filesystem;

/// "loss 0.693  margin 0.012  accuracy 0.50", of what the line has.
std::string note_of(const metric_list& line, const char* prefix = "") {
  struct shown {
    const char *key, *name;
    int digits;
  };
  constexpr shown all[] = {{"loss", "loss", 4},
                           {"rewards/margins", "margin", 4},
                           {"rewards/accuracies", "accuracy", 2},
                           {"mean_token_accuracy", "accuracy", 3},
                           {"margin", "margin", 4},
                           {"objective/scores", "score", 3},
                           {"objective/kl", "kl", 3},
                           {"accuracy", "accuracy", 2},
                           {"kl", "kl", 3}};
  std::string text;
  bool accuracy = false;
  for (const shown& s : all) {
    if (!line.contains(s.key) || (accuracy && std::string_view(s.name) == "accuracy")) continue;
    accuracy = accuracy || std::string_view(s.name) == "accuracy";
    char number[64];
    std::snprintf(number, sizeof number, "%s %.*f", s.name, s.digits, line[s.key]);
    text += (text.empty() ? "" : "  ") + std::string(prefix) + number;
  }
  return text;
}

double peak_memory_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}
std::string memory_text() {
  char text[48];
  std::snprintf(text, sizeof text, "%.0f MB", peak_memory_mb());
  return text;
}

/// What the process holds at the time.
double resident_mb() {
  std::ifstream in("/proc/self/statm");
  long pages = 0, resident = 0;
  in >> pages >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}
double megabytes(index bytes) { return static_cast<double>(bytes) / (1 << 20); }
/// Weights are there when a training is planned.
double expected_peak_mb(const memory_plan& plan) { return std::max(peak_memory_mb(), resident_mb() + megabytes(plan.to_come())); }

/// For --plan: a line for each part, and its share of the peak.
void print_plan(const memory_plan& plan) {
  const double peak = expected_peak_mb(plan);
  const auto line = [peak](const char* name, double mb) {
    if (mb > 0) std::printf("%-18s%10.1f MB%6.1f %%\n", name, mb, 100 * mb / peak);
  };
  line("parameters", megabytes(plan.parameters));
  line("gradients", megabytes(plan.gradients));
  line("optimizer", megabytes(plan.optimizer));
  line("reference", megabytes(plan.reference_weights + plan.reference));
  line("arena", megabytes(plan.arena.total()));
  line("  activations", megabytes(plan.arena.activations));
  line("  logits", megabytes(plan.arena.logits));
  line("  scratch", megabytes(plan.arena.scratch));
  line("inference", megabytes(plan.inference));
  line("checkpoint", megabytes(plan.checkpoint));
  line("program and data", std::max(0.0, resident_mb() - megabytes(plan.parameters + plan.reference_weights)));
  line("peak", peak);
}

/// What a run took, under the names of transformers' train_results.json: training alone, without reading and the pass of a cached reference.
class run_clock {
 public:
  void begin(index done) {
    done_ = first_ = done;
    begun_ = clock::now();
  }
  void stepped(index step) {
    if (step == done_) return;  // an evaluation
    if (done_ == first_) first_step_ = seconds();
    done_ = step;
    runtime_ = seconds();
  }
  void write(const fs::path& file, double examples_a_step) const {
    const double steps = static_cast<double>(done_ - first_);
    nlohmann::ordered_json results{{"train_runtime", runtime_},
                                   {"train_samples_per_second", runtime_ > 0 ? steps * examples_a_step / runtime_ : 0},
                                   {"train_steps_per_second", runtime_ > 0 ? steps / runtime_ : 0},
                                   {"first_step_runtime", first_step_},
                                   {"peak_memory_mb", peak_memory_mb()}};
    write_file(file, results.dump(2) + "\n");
  }

 private:
  using clock = std::chrono::steady_clock;
  double seconds() const { return std::chrono::duration<double>(clock::now() - begun_).count(); }

  clock::time_point begun_;
  index first_ = 0, done_ = 0;
  double first_step_ = 0, runtime_ = 0;
};

/// What is written must not take the place of what is read.
void keep_apart(const std::string& output, const std::string& folder, const char* whose) {
  std::error_code absent;
  if (fs::equivalent(output, folder, absent))
    throw input_error("--output: " + output + " is the folder of " + whose + ", which training would replace; give another --output");
}

/// Saves a model as a folder that is there whole or not at all.
void save_whole(session& model, const fs::path& place) {
  const fs::path fresh = place.string() + ".tmp-" + std::to_string(::getpid());
  try {
    fs::create_directories(fresh);
    model.save(fresh.string());
    replace_folder(fresh, place);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(fresh, ignored);
    throw;
  }
}

}  // namespace

int run_training(settings& s, run_choice& c, const std::function<void(training_job&)>& choose) {
  training_job job;
  try {
    s.apply();
    settle_run(s, c);
    choose(job);
  } catch (const input_error& e) { throw input_error(s.reword(e.what())); }
  return train_model(s, c, std::move(job), [&c] { return checkpoint_to_resume(c); });
}

int train_model(settings& s, const run_choice& c, training_job job, const std::function<std::string()>& checkpoint,
                const std::string& place) {
  std::signal(SIGPIPE, SIG_IGN);  // a run goes on when nobody reads its messages any more
  const model_folder folder(c.model);
  if (!c.plan) {
    keep_apart(c.output, c.model, "--model");
    if (!c.reference_model.empty()) keep_apart(c.output, c.reference_model, "--reference-model");
  }
  std::optional<model_folder> reference;
  if (!c.reference_model.empty()) {
    reference.emplace(c.reference_model);
    require_language_model("--reference-model", *reference);
    if (reference->config().vocab_size != folder.config().vocab_size)
      throw input_error(c.reference_model + ": its vocabulary has " + std::to_string(reference->config().vocab_size) +
                        " tokens and the model's " + std::to_string(folder.config().vocab_size) +
                        "; give a reference with the model's tokenizer");
  }
  data_rules rules{c.max_length, c.max_prompt_length, c.drop_longer, c.drop_empty, c.completion_only_loss};
  if (job.policy) rules.max_new_tokens = job.policy->options.max_new_tokens;
  const index positions = std::min(folder.config().max_position_embeddings,
                                   reference ? reference->config().max_position_embeddings : folder.config().max_position_embeddings);
  const bool lowered = rules.max_length > positions && !c.on_prompts;
  if (rules.max_length == 0 || rules.max_length > positions) rules.max_length = positions;
  job.options = c.options;
  job.options.max_length = rules.max_length;
  const std::vector<prompt_tree> train = load_data(c.train, job.objective.shape, folder, rules);
  const std::vector<prompt_tree> eval = c.eval.empty() ? std::vector<prompt_tree>() : load_data(c.eval, job.objective.shape, folder, rules);
  const std::unique_ptr<session> model = open_session(c.machine, folder);

  job.train = train;
  job.eval = eval;
  job.train_file = c.train;
  job.eval_file = c.eval;
  job.reference = reference ? &*reference : nullptr;
  job.resume_from = checkpoint();
  std::optional<output_folder> output;
  if (!c.plan) {
    output.emplace(c.output);
    if (c.resume) sweep(c.output);
  }

  std::unique_ptr<run_log> log;
  std::unique_ptr<progress> bar, reading;
  std::optional<interruption> stop;
  run_clock took;
  const double examples =
      std::min(static_cast<double>(c.options.batch_size * c.options.gradient_accumulation_steps), static_cast<double>(train.size()));
  double expected = 0;  // MB; 0 where it is not known
  job.planned = [&](const memory_plan& plan) {
    expected = expected_peak_mb(plan);
    if (c.plan) print_plan(plan);
    return !c.plan;
  };
  job.told = [](const std::string& sentence) { std::fprintf(stderr, "tilt: %s\n", sentence.c_str()); };
  job.reference_read = [&](index done, index count, bool mismatched) {
    interruption::heed();
    if (done == 0) {
      const char* const what = mismatched ? "mismatched pairs" : "examples";
      std::fprintf(stderr, "tilt: log-probabilities of the reference for %td %s …\n", count, what);
      reading = std::make_unique<progress>("reference", count, progress_options{.unit = what});
    }
    reading->update(done);
    if (done == count) reading.reset();  // whose last line says how long it took
  };
  job.begun = [&](index done, index total, index planned) {
    if (expected > 0) std::fprintf(stderr, "tilt: %.0f MB of memory are expected at the peak\n", expected);
    if (lowered) std::fprintf(stderr, "tilt: max_length is %td, the model's positions\n", positions);
    log = std::make_unique<run_log>(c.output, done, job.options.eval_steps > 0);
    if (done > 0) std::fprintf(stderr, "tilt: going on after step %td of %td, from %s\n", done, total, job.resume_from.c_str());
    if (planned != total)
      std::fprintf(stderr, "tilt: it was to end at step %td; from here on learning rates are those of %td steps\n", planned, total);
    bar = std::make_unique<progress>(
        s.command(), total,
        progress_options{.first = done, .per_step = examples, .unit = job.objective.shape == data_shape::pairs ? "pairs" : "examples"});
    took.begin(done);
  };
  job.log = [&](const step_report& step) { log->write(step); };
  job.stepped = [&](const step_report& step) {
    took.stepped(step.step);
    bar->update(step.step, note_of(step.metrics));
    if (!step.evaluation.empty()) bar->message("step " + std::to_string(step.step) + ": " + note_of(step.evaluation, "eval "));
    if (!step.stopped.empty()) bar->message("stopped after step " + std::to_string(step.step) + ": " + std::string(step.stopped));
  };
  job.interrupted = [] { return interruption::noted() != 0; };
  std::string left_at;
  if (!c.plan) stop.emplace();
  try {
    left_at = model->train(job);
  } catch (const input_error& e) { throw input_error(s.reword(e.what())); }
  if (c.plan) return 0;
  bar->finish();
  if (!left_at.empty()) {
    std::fprintf(stderr, "tilt: interrupted; the run so far is in %s; go on by the same command with --resume\n", left_at.c_str());
    return 130;
  }
  stop.reset();
  if (place.empty())
    model->save(c.output);
  else
    save_whole(*model, place);
  took.write(fs::path(c.output) / "train_results.json", examples);
  std::fprintf(stderr, "tilt: the model is in %s, the log in %s; peak memory %s\n", (place.empty() ? c.output : place).c_str(),
               log->path().c_str(), memory_text().c_str());
  return 0;
}

}  // namespace tilt::program

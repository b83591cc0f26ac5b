// SPDX-License-Identifier: Apache-2.0
// DPO against PPO, and a dozen others, where the best that any policy can do is known, and on a small pretrained model:
// docs/dpo-vs-ppo.md is this program's output.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <tilt/backend/eigen.hpp>
#include <tilt/error.hpp>
#include <tilt/tensor/metered.hpp>

#include "../tilt/frontier_options.hpp"
#include "../tilt/frontier_run.hpp"
#include "model_task.hpp"
#include "page.hpp"

namespace {

using namespace tilt::program;
namespace fs = std::filesystem;
using metered = tilt::metered_backend<tilt::eigen_backend<float>>;

/// Sizes at which all parts run in seconds and nothing is learnt well.
frontier_sizes tiny(frontier_sizes sizes) {
  sizes.hidden = 16;
  sizes.language = 2;
  sizes.comparisons = sizes.epochs = sizes.judge_epochs = 1;
  sizes.steps = 2;
  sizes.samples = 8;
  sizes.pool = 16;
  sizes.seeds = 2;
  sizes.learning_rates = {1e-2};
  sizes.grid_seeds = 1;
  sizes.prompts = sizes.step_samples = 16;
  sizes.held_out = 4;
  sizes.new_tokens = std::min<tilt::index>(sizes.new_tokens, 8);
  return sizes;
}

/// One experiment: what it is of, and what came of it.
struct comparison {
  frontier_job job;
  frontier_task task;
  frontier_outcome outcome;
};
/// Its report, with its picture beside the page.
struct told {
  told(const comparison& c, const fs::path& markdown, const std::string& picture)
      : found(c.job, c.outcome), report(found, c.task.sound), figure("figures/" + picture) {
    tilt::write_file(markdown.parent_path() / figure, report.picture());
  }
  frontier_statistics found;
  frontier_report report;
  std::string figure;
};

void compare(comparison& c, const fs::path& work, tilt::index threads) {
  const frontier_folder folder(work, options_of(c.job));
  c.outcome = run_frontier(c.job, c.task, folder, threads, [] { return metered(1); });
  const frontier_statistics found(c.job, c.outcome);
  const frontier_report report(found, c.task.sound);
  std::fputs((report.frontier_table().text() + "\n" + report.matched_table().text() + "\n" + report.difference_table().text() + "\n" +
              report.verdict() + "\n")
                 .c_str(),
             stdout);
  tilt::write_file(folder.path() / "frontier.tsv", report.numbers());
}

struct options {
  std::string work = "dpo-vs-ppo-work", markdown = "dpo-vs-ppo.md", model;
  bool world = true, tiny = false;
  tilt::index seeds = 0, threads = 2;
  std::uint64_t seed = 42;
};

comparison prepared(const options& given, frontier_sizes sizes) {
  comparison c;
  c.job.sizes = given.tiny ? tiny(std::move(sizes)) : std::move(sizes);
  if (given.seeds > 0) c.job.sizes.seeds = given.seeds;
  c.job.seed = given.seed;
  c.job.backend = "eigen";
  return c;
}

int run(const options& given) {
  if (!given.world && given.model.empty())
    throw tilt::input_error("--no-world: leaves nothing to compare on; give a model with --model, or leave it away");
  std::optional<comparison> world, model;
  std::optional<tilt::model_folder> folder;
  if (!given.model.empty()) {  // first, as it may be refused
    folder.emplace(given.model);
    model.emplace(prepared(given, model_sizes()));
    model->job.methods = model_methods();
    metered backend(1);
    model->task = model_task(*folder, model->job.sizes, given.seed, backend, model->job.model);
  }
  const fs::path markdown = given.markdown;
  std::error_code failed;
  fs::create_directories(markdown.parent_path() / "figures", failed);
  if (failed)
    throw tilt::input_error((markdown.parent_path() / "figures").string() + ": cannot be made a folder (" + failed.message() +
                            "); give another place with --markdown");
  if (given.world) {
    world.emplace(prepared(given, {}));
    world->task = world_task(world->job.sizes, given.seed);
    compare(*world, fs::path(given.work) / "world", given.threads);
  }
  if (model) compare(*model, fs::path(given.work) / "model", given.threads);

  std::optional<told> of_world, of_model;
  std::optional<world_part> world_text;
  std::optional<model_part> model_text;
  if (world) {
    of_world.emplace(*world, markdown, markdown.stem().string() + ".svg");
    world_text = world_part{&of_world->report, of_world->figure};
  }
  if (model) {
    of_model.emplace(*model, markdown, markdown.stem().string() + "-model.svg");
    const std::string name = fs::absolute(given.model).lexically_normal().filename().string();
    model_text = model_part{&of_model->report, of_model->figure, name.empty() ? given.model : name,
                            static_cast<tilt::index>(model->task.weights.size())};
  }
  tilt::write_file(markdown, page_of(world_text, model_text));
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app("Compares DPO with PPO, and with others, on a world whose exact optimum is known and on a pretrained model");
  options given;
  app.add_option("--model", given.model, "a small language model, a Hugging Face folder, to compare on as well");
  app.add_flag("--world,!--no-world", given.world, "compare on the world whose optimum is known (default)");
  app.add_option("--work", given.work, "folder of what is done; a run that was stopped goes on there")->capture_default_str();
  app.add_option("--markdown", given.markdown, "where the page is written; its figures go into figures beside it")->capture_default_str();
  app.add_option("--seeds", given.seeds, "seeds of every method and strength; the world has 5 and a model 3 otherwise")
      ->check(CLI::Range(2, 100));
  app.add_option("--seed", given.seed, "of all that is drawn")->capture_default_str();
  app.add_option("--threads", given.threads, "trainings at a time")->check(CLI::Range(1, 256))->capture_default_str();
  app.add_flag("--tiny", given.tiny, "run all parts at a size at which they take seconds");
  CLI11_PARSE(app, argc, argv);
  return run(given);
} catch (const tilt::input_error& e) {
  std::fprintf(stderr, "dpo_vs_ppo: %s\n", e.what());
  return 2;
} catch (const std::exception& e) {
  std::fprintf(stderr, "dpo_vs_ppo: %s\n", e.what());
  return 1;
}

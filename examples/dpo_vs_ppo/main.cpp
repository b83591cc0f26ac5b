// SPDX-License-Identifier: Apache-2.0
// DPO against PPO, and a dozen others, where the best that any policy can do is known: docs/dpo-vs-ppo.md is this program's output.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <tilt/backend/eigen.hpp>
#include <tilt/error.hpp>

#include "../tilt/frontier_options.hpp"
#include "../tilt/frontier_run.hpp"
#include "page.hpp"

namespace {

/// Sizes at which all parts run in seconds and nothing is learnt well.
tilt::program::frontier_sizes tiny_sizes() {
  return {.hidden = 16,
          .language = 2,
          .comparisons = 1,
          .epochs = 1,
          .steps = 2,
          .samples = 8,
          .pool = 16,
          .seeds = 2,
          .learning_rates = {1e-2},
          .grid_seeds = 1};
}

int run(const tilt::program::frontier_job& job, const std::string& work, const std::string& markdown, tilt::index threads) {
  namespace fs = std::filesystem;
  using namespace tilt::program;
  const frontier_folder folder(work, options_of(job));
  const fs::path figures = fs::path(markdown).parent_path() / "figures";
  std::error_code failed;
  fs::create_directories(figures, failed);
  if (failed)
    throw tilt::input_error(figures.string() + ": cannot be made a folder (" + failed.message() + "); give another place with --markdown");
  const frontier_outcome outcome =
      run_frontier(job, world_task(job.sizes, job.seed), folder, threads, [] { return tilt::eigen_backend<float>(1); });
  const frontier_statistics found(outcome);
  const frontier_report report(found);
  std::fputs((report.frontier_table().text() + "\n" + report.matched_table().text() + "\n" + report.difference_table().text() + "\n" +
              report.verdict())
                 .c_str(),
             stdout);
  const std::string figure = fs::path(markdown).stem().string() + ".svg";
  tilt::write_file(figures / figure, report.picture());
  tilt::write_file(folder.path() / "frontier.tsv", report.numbers());
  tilt::write_file(markdown, page_of(job, report, "figures/" + figure));
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app("Compares DPO with PPO, and with others, on a world whose exact optimum is known");
  tilt::program::frontier_job job;
  job.backend = "eigen";
  std::string work = "dpo-vs-ppo-work", markdown = "dpo-vs-ppo.md";
  tilt::index threads = 2;
  bool tiny = false;
  app.add_option("--work", work, "folder of what is done; a run that was stopped goes on there")->capture_default_str();
  app.add_option("--markdown", markdown, "where the page is written; its figure goes into figures beside it")->capture_default_str();
  app.add_option("--seeds", job.sizes.seeds, "seeds of every method and strength")->check(CLI::Range(2, 100))->capture_default_str();
  app.add_option("--seed", job.seed, "of all that is drawn")->capture_default_str();
  app.add_option("--threads", threads, "trainings at a time")->check(CLI::Range(1, 256))->capture_default_str();
  app.add_flag("--tiny", tiny, "run all parts at a size at which they take seconds");
  CLI11_PARSE(app, argc, argv);
  if (tiny) job.sizes = tiny_sizes();
  return run(job, work, markdown, threads);
} catch (const tilt::input_error& e) {
  std::fprintf(stderr, "dpo_vs_ppo: %s\n", e.what());
  return 2;
} catch (const std::exception& e) {
  std::fprintf(stderr, "dpo_vs_ppo: %s\n", e.what());
  return 1;
}

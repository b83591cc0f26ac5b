// SPDX-License-Identifier: Apache-2.0
// tilt demo: the frontier of reward and KL on a world where both are known.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <tilt/error.hpp>
#include <tilt/io/file.hpp>
#include <tilt/loss/losses.hpp>
#include <tilt/train/kto.hpp>
#include <tilt/train/preference.hpp>
#include <vector>

#include "backends.hpp"
#include "commands.hpp"
#include "demo_full.hpp"
#include "run_settings.hpp"
#include "settings.hpp"

namespace tilt::program {

const std::vector<demo_method>& demo_methods() {
  static constexpr auto pairs = []<pair_loss L>(L loss) -> any_objective<float> { return preference_objective<L>(loss); };
  static constexpr auto verdicts = []<labelled_loss L>(L loss) -> any_objective<float> { return labelled_objective<L>(loss); };
  static const std::vector<demo_method> methods = {
      {"sigmoid", {2, 1, 0.5, 0.2}, false, demo_aim::reward, [](double beta) { return pairs(dpo{.beta = beta}); }},
      {"ipo", {0.2, 0.1, 0.05}, false, demo_aim::win_rate, [](double beta) { return pairs(ipo{.beta = beta, .token_average = false}); }},
      {"hinge", {2, 1, 0.5, 0.2}, false, demo_aim::none, [](double beta) { return pairs(hinge{.beta = beta}); }},
      {"kto", {1, 0.5, 0.2}, true, demo_aim::none, [](double beta) { return verdicts(kto{.beta = beta}); }}};
  return methods;
}

namespace {

struct demo_command {
  explicit demo_command(CLI::App& app) : options(app) {
    options.add("output", output, "where frontier.svg, frontier.tsv and report.txt are put, with --full index.html too", "FOLDER");
    options.add("seed", job.seed, "of everything that is drawn: the same seed gives the same table");
    options.choice(
        "loss_type", loss_names(), "all",
        [this](const std::string& name) { std::erase_if(job.methods, [&](const demo_method& m) { return m.name != name; }); },
        "only this loss");
    options.add("full", full,
                "the whole road, some minutes: a reward model, PPO, RLOO, GRPO, best of N and more losses besides, over seeds and learning "
                "rates; a second run in the same folder goes on where the first was stopped");
    options.group("Size");
    options.add("language", job.sizes.language,
                "the language is learnt from 8 times so many sentences for each of 112 beginnings (with --full 24 by default)");
    options.add("comparisons", job.sizes.comparisons, "how often each beginning is a prompt whose 4 samples are compared");
    options.add("samples", job.sizes.samples, "fresh samples for each of 16 beginnings, by which a policy is measured");
    options.add("steps", whole.sizes.steps, "with --full: of PPO, RLOO and GRPO, 112 samples each");
    options.add("seeds", whole.sizes.seeds, "with --full: how often each training is repeated with other data and samples");
    options.group("Machine");
    add_backend(options, backend);
    options.count("threads", job.threads, "threads; 0: all that the machine has");
  }

  static std::vector<std::string> loss_names() {
    std::vector<std::string> names;
    for (const demo_method& m : demo_methods()) names.push_back(m.name);
    return names;
  }

  int run() {
    options.apply();
    const auto at_least = [this](const char* name, index value, index least) {
      if (value < least)
        throw input_error(options[name].source + ": " + std::to_string(value) + " cannot be used; give " + std::to_string(least) +
                          " or more");
    };
    at_least("language", job.sizes.language, 1);
    at_least("comparisons", job.sizes.comparisons, 1);
    at_least("samples", job.sizes.samples, 2);
    at_least("steps", whole.sizes.steps, 1);
    at_least("seeds", whole.sizes.seeds, 1);
    if (full) {
      options.refuse("loss_type", "--full compares all of its methods");
      whole.backend = backend;
      whole.seed = job.seed;
      if (options.given("language")) whole.sizes.language = job.sizes.language;
      whole.sizes.comparisons = job.sizes.comparisons;
      whole.sizes.samples = job.sizes.samples;
      whole.sizes.pool = 4 * job.sizes.samples;
      whole.sizes.grid_seeds = std::min(whole.sizes.grid_seeds, whole.sizes.seeds);
      return run_full_demo(whole, *find_backend(backend), output, job.threads);
    }
    for (const char* name : {"steps", "seeds"}) options.refuse(name, "only --full has them");
    const std::filesystem::path folder(output);
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    if (failed) throw input_error(output + ": cannot be made a folder (" + failed.message() + "); give another place with --output");
    write_file(folder / "report.txt", "");  // better now than after the work

    const demo_result result = find_backend(backend)->demo(job);
    std::fputs(result.text.c_str(), stdout);
    write_file(folder / "report.txt", result.text);
    write_file(folder / "frontier.tsv", result.numbers);
    write_file(folder / "frontier.svg", result.picture);
    std::printf("\nThe picture: %s (numbers: frontier.tsv, this text: report.txt)\n", (folder / "frontier.svg").c_str());
    return 0;
  }

  settings options;
  demo_job job;
  bool full = false;
  frontier_job whole{{.seeds = 3, .learning_rates = {1e-2}, .grid_seeds = 2}};
  std::string output = "tilt-demo", backend;
};

}  // namespace

void add_demo(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("demo",
                                          "Reward against KL for DPO, IPO, hinge and KTO in a world where both are known; needs no files, "
                                          "takes less than a minute (--full: PPO and others too, in minutes)");
  const auto command = std::make_shared<demo_command>(app);
  app.callback([&chosen, command] { chosen = [command] { return command->run(); }; });
}

}  // namespace tilt::program

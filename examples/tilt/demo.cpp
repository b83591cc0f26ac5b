// SPDX-License-Identifier: Apache-2.0
// tilt demo: the frontier of reward and KL on a world where both are known.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <tilt/io/file.hpp>
#include <tilt/tensor/reference.hpp>
#include <vector>
#ifdef TILT_HAS_EIGEN
#include <tilt/backend/eigen.hpp>
#endif

#include "commands.hpp"
#include "demo_report.hpp"
#include "settings.hpp"

namespace tilt::program {
namespace {

struct demo_job {
  demo_sizes sizes;
  std::uint64_t seed = 42;
  index threads = 0;
  std::vector<demo_method> methods = demo_methods();
};
struct demo_result {
  std::string text, numbers, picture;
};

template <class B, class... Arguments> demo_result run_on(const demo_job& job, Arguments... arguments) {
  B backend(arguments...);
  demo_experiment<B> experiment(backend, job.sizes, job.seed);
  const demo_outcome outcome = experiment.run(job.methods);
  const demo_report report(experiment.world(), outcome);
  return {report.text(), report.numbers(), report.picture()};
}

struct demo_backend {
  const char* name;
  demo_result (*run)(const demo_job&);
};
constexpr demo_backend known[] = {
#ifdef TILT_HAS_EIGEN
    {"eigen", [](const demo_job& job) { return run_on<eigen_backend<float>>(job, static_cast<int>(job.threads)); }},
#endif
    {"reference", [](const demo_job& job) { return run_on<reference_backend<float>>(job); }},
};

struct demo_command {
  explicit demo_command(CLI::App& app) : options(app) {
    options.add("output", output, "where frontier.svg, frontier.tsv and report.txt are put", "FOLDER");
    options.add("seed", job.seed, "of everything that is drawn: the same seed gives the same table");
    options.choice("loss_type", loss_names(), "all", [this](const std::string& name) { std::erase_if(job.methods, [&](const demo_method& m) { return m.name != name; }); }, "only this loss");
    options.group("Size");
    options.add("language", job.sizes.language, "the language is learnt from 8 times so many sentences for each of 112 beginnings");
    options.add("comparisons", job.sizes.comparisons, "how often each beginning is a prompt whose 4 samples are compared");
    options.add("samples", job.sizes.samples, "fresh samples for each of 16 beginnings, by which a policy is measured");
    options.group("Machine");
    std::vector<std::string> names;
    for (const demo_backend& b : known) names.emplace_back(b.name);
    options.choice("backend", names, names.front(), [this](const std::string& name) { backend = name; }, "what computes");
    options.add("threads", job.threads, "threads; 0: all that the machine has");
    backend = names.front();
  }

  static std::vector<std::string> loss_names() {
    std::vector<std::string> names;
    for (const demo_method& m : demo_methods()) names.push_back(m.name);
    return names;
  }

  int run() {
    options.apply();
    const auto at_least = [this](const char* name, index value, index least) {
      if (value < least) throw input_error(options[name].source + ": " + std::to_string(value) + " cannot be used; give " + std::to_string(least) + " or more");
    };
    at_least("language", job.sizes.language, 1);
    at_least("comparisons", job.sizes.comparisons, 1);
    at_least("samples", job.sizes.samples, 2);
    at_least("threads", job.threads, 0);
    const std::filesystem::path folder(output);
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    if (failed) throw input_error(output + ": cannot be made a folder (" + failed.message() + "); give another place with --output");
    write_file(folder / "report.txt", "");  // better now than after the work

    const demo_backend* const chosen = std::find_if(std::begin(known), std::end(known), [this](const demo_backend& b) { return backend == b.name; });
    const demo_result result = chosen->run(job);
    std::fputs(result.text.c_str(), stdout);
    write_file(folder / "report.txt", result.text);
    write_file(folder / "frontier.tsv", result.numbers);
    write_file(folder / "frontier.svg", result.picture);
    std::printf("\nThe picture: %s (numbers: frontier.tsv, this text: report.txt)\n", (folder / "frontier.svg").c_str());
    return 0;
  }

  settings options;
  demo_job job;
  std::string output = "tilt-demo", backend;
};

}  // namespace

void add_demo(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("demo",
                                          "Reward against KL for DPO, IPO, hinge and KTO in a world where both are known; needs no files, takes less than a minute");
  const auto command = std::make_shared<demo_command>(app);
  app.callback([&chosen, command] { chosen = [command] { return command->run(); }; });
}

}  // namespace tilt::program

// SPDX-License-Identifier: Apache-2.0
#include "demo_full.hpp"

#include <algorithm>
#include <cstdio>
#include <thread>
#include <tilt/io/file.hpp>

#include "frontier_options.hpp"
#include "frontier_report.hpp"
#include "frontier_task.hpp"

namespace tilt::program {
namespace {

/// One file, without scripts, fonts or anything from elsewhere; in the colours that its reader has chosen.
std::string page_of(const frontier_report& report) {
  const auto part = [](const char* title, const std::string& body) {
    return std::string("<h2>").append(title).append("</h2>\n").append(body);
  };
  std::string verdict;
  for (std::string rest = report.verdict(); !rest.empty();) {
    const std::size_t end = rest.find('\n');
    verdict.append(verdict.empty() ? "<ul>\n<li>" : "<li>").append(rest, 2, end - 2).append("</li>\n");
    rest.erase(0, end + 1);
  }
  if (!verdict.empty()) verdict += "</ul>\n";
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n"
         "<meta name=\"color-scheme\" content=\"light dark\"><title>Reward and distance</title>\n<style>\n"
         ":root { --ink: #222222; --paper: #ffffff; --line: #cccccc; }\n"
         "@media (prefers-color-scheme: dark) { :root { --ink: #dddddd; --paper: #181818; --line: #555555; } }\n"
         "body { color: var(--ink); background: var(--paper); font: 15px/1.45 sans-serif; max-width: 76em; margin: 2em auto; padding: 0 "
         "1em; }\n"
         "p, ul, svg { max-width: 58rem; }\n"
         "table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }\n"
         "th, td { text-align: left; padding: 0.15em 0.8em 0.15em 0; white-space: nowrap; }\n"
         "th { border-bottom: 1px solid var(--line); }\ntr.group td { border-top: 1px solid var(--line); }\n"
         "svg { width: 100%; height: auto; border-radius: 6px; }\n</style></head><body>\n"
         "<h1>Reward and distance</h1>\n"
         "<p>A language model learns the sentences of a small world whose rewards are known. Its texts are compared into preferences, a "
         "reward model learns from these, and a dozen "
         "methods make a better policy of it. How much true reward each has gained, and how far it has gone for it, KL(π‖π<sub>ref</sub>), "
         "against the most that any policy of that KL "
         "can have. DPO aims at that line because its labels follow Bradley–Terry; PPO with the true reward is told what the others must "
         "guess.</p>\n" +
         report.picture() + verdict + part("Each method at each strength", report.frontier_table().html()) +
         part("True reward at the same KL", report.matched_table().html()) + part("DPO less the others", report.difference_table().html()) +
         part("The reward model", report.judge_table().html()) + part("Best of N: its KL", report.best_of_table().html()) +
         part("Trainings that diverged, by learning rate (mean true reward)", report.divergence_table().html()) +
         part("What it costs", report.cost_table().html()) + "</body></html>\n";
}

}  // namespace

int run_full_demo(const frontier_job& job, const backend_entry& backend, const std::string& output, index threads) {
  const frontier_folder folder(output, options_of(job));
  const index machine = std::max<index>(1, static_cast<index>(std::thread::hardware_concurrency()));
  frontier_outcome outcome;
  const frontier_task task = world_task(job.sizes, job.seed);
  backend.compare(job, task, folder, threads > 0 ? threads : machine, outcome);
  const frontier_statistics found(job, outcome);
  const frontier_report report(found, task.sound);
  const std::string text = report.frontier_table().text() + "\n" + report.matched_table().text() + "\n" + report.difference_table().text() +
                           "\n" + report.verdict() + "\n" + report.judge_table().text() + "\n" + report.divergence_table().text() + "\n" +
                           report.cost_table().text();
  std::fputs(text.c_str(), stdout);
  write_file(folder.path() / "report.txt", text);
  write_file(folder.path() / "frontier.tsv", report.numbers());
  write_file(folder.path() / "frontier.svg", report.picture());
  write_file(folder.path() / "index.html", page_of(report));
  std::printf("\nThe page: %s (numbers: frontier.tsv, picture: frontier.svg, this text: report.txt)\n",
              (folder.path() / "index.html").c_str());
  return 0;
}

}  // namespace tilt::program

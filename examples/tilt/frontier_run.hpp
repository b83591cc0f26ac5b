// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "frontier_experiment.hpp"
#include "frontier_outcome.hpp"
#include "progress.hpp"

namespace tilt::program {

/// Does the cells that the folder has not, and reads those that it has. `threads` of them at a time, each on a backend of one thread; the
/// numbers do not depend on it. make_backend(): a backend of one thread.
template <class MakeBackend>
frontier_outcome run_frontier(const frontier_job& job, const frontier_task& task, const frontier_folder& folder, index threads,
                              const MakeBackend& make_backend) {
  using B = decltype(make_backend());
  const std::vector<frontier_cell> cells = frontier_cells(job);
  const index seeds = std::max(job.sizes.seeds, job.sizes.grid_seeds);
  std::vector<index> missing;
  std::vector<bool> seed_is_needed(static_cast<std::size_t>(seeds), false);
  for (std::size_t c = 0; c < cells.size(); ++c)
    if (!folder.find(cells[c]) || (is_specimen(cells[c]) && !folder.find_specimen(*cells[c].method))) {
      missing.push_back(static_cast<index>(c));
      seed_is_needed[static_cast<std::size_t>(cells[c].seed - 1)] = true;
    }
  const index total = static_cast<index>(cells.size()) + seeds + 1;
  progress bar("comparison", total, {.first = total - static_cast<index>(missing.size()), .unit = "trainings"});
  std::mutex mutex;
  index done = static_cast<index>(cells.size() - missing.size());
  const auto tell = [&](const std::string& note) {
    const std::lock_guard lock(mutex);
    bar.update(++done, note);
  };

  B own = make_backend();
  frontier_experiment<B> first(own, task, job.sizes, job.seed);
  auto reference = folder.find_weights("reference", first.reference().size());
  if (!reference) {
    reference = first.learn_language();
    folder.keep_weights("reference", *reference);
  }
  first.take_reference(*reference);
  const rival_rewards rivals = first.rivals();
  tell("the reference knows its language");

  // work(experiment, i) for i in [0, count), by whoever is free.
  const auto share = [&](index count, const auto& work) {
    std::atomic<index> next{0};
    std::exception_ptr failed;
    const auto worker = [&] {
      try {
        B backend = make_backend();
        frontier_experiment<B> experiment(backend, task, job.sizes, job.seed);
        experiment.take_reference(*reference);
        for (index i; (i = next++) < count;) work(experiment, i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failed) failed = std::current_exception();
        next = count;
      }
    };
    std::vector<std::thread> others;
    for (index t = 1; t < std::min(threads, count); ++t) others.emplace_back(worker);
    worker();
    for (std::thread& t : others) t.join();
    if (failed) std::rethrow_exception(failed);
  };

  std::vector<frontier_preferences> preferences(static_cast<std::size_t>(seeds));
  frontier_outcome outcome;
  outcome.judges.resize(static_cast<std::size_t>(seeds));
  share(seeds, [&](frontier_experiment<B>& experiment, index s) {
    const auto at = static_cast<std::size_t>(s);
    const auto known = folder.find_judge(s + 1);
    auto weights = known ? folder.find_weights(frontier_folder::judge_name(s + 1), experiment.judge_size()) : std::nullopt;
    if (known && weights && !seed_is_needed[at]) {
      outcome.judges[at] = *known;
    } else {
      preferences[at] = experiment.compare_samples(s + 1);
      if (known && weights) {
        outcome.judges[at] = *known;
        preferences[at].judge = std::move(*weights);
      } else {
        outcome.judges[at] = experiment.learn_reward(s + 1, preferences[at]);
        folder.keep_weights(frontier_folder::judge_name(s + 1), preferences[at].judge);
        folder.keep_judge(s + 1, outcome.judges[at]);
      }
    }
    tell(frontier_folder::judge_name(s + 1));
  });
  share(static_cast<index>(missing.size()), [&](frontier_experiment<B>& experiment, index i) {
    const frontier_cell& cell = cells[static_cast<std::size_t>(missing[static_cast<std::size_t>(i)])];
    const frontier_result result = experiment.run(cell, preferences[static_cast<std::size_t>(cell.seed - 1)], rivals);
    if (is_specimen(cell)) folder.keep_specimen(*cell.method, result.specimen);
    folder.keep(cell, result);
    tell(frontier_folder::name_of(cell));
  });
  bar.finish();

  for (const frontier_cell& c : cells) {
    outcome.cells.emplace_back(c, folder.find(c).value());
    if (is_specimen(c)) outcome.cells.back().second.specimen = folder.find_specimen(*c.method).value();
  }
  outcome.reference = first.stand_of_reference(rivals);
  if (task.world) {
    const exact_reference exact(*task.world, first.reference(), task.held_out);
    outcome.exact = true;
    outcome.reference_reward = exact.of_reference();
    for (double beta = 50; beta > 0.09; beta *= 0.9) outcome.frontier.emplace_back(beta, exact.of_reward(beta));
    for (const double beta : job.methods.front().strengths) outcome.aims.emplace_back(beta, exact.of_reward(beta));
  } else {
    constexpr double enough = 10;  // texts that an estimate rests on
    const auto add = [&](std::vector<std::pair<double, optimum>>& line, double beta) {
      if (const estimated_optimum e = estimate_optimum(rivals, beta); e.texts >= enough) line.emplace_back(beta, e.at);
    };
    outcome.reference_reward = estimate_optimum(rivals, 1e9).at.reward;
    for (double beta = 50; beta > 0.01; beta *= 0.9) add(outcome.frontier, beta);
    for (const double beta : job.methods.front().strengths) add(outcome.aims, beta);
  }
  return outcome;
}

}  // namespace tilt::program

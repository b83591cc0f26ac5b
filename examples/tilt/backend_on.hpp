// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <concepts>
#include <memory>
#include <string>

#include "backends.hpp"
#include "demo_report.hpp"
#include "frontier_run.hpp"
#include "session_on.hpp"

namespace tilt::program {

/// "3.4.0" of 3, 4, 0.
template <class... Numbers> std::string version_of(Numbers... numbers) {
  std::string text;
  ((text += (text.empty() ? "" : ".") + std::to_string(numbers)), ...);
  return text;
}

namespace detail {

/// A backend that takes a number of threads has them.
template <class B> inline constexpr bool has_threads = std::constructible_from<B, int>;

/// use(threads...) with what B's constructor takes.
template <class B, class Use> auto with_threads(index threads, const Use& use) {
  if constexpr (has_threads<B>) {
    return use(static_cast<int>(std::min<index>(threads, 1 << 16)));  // which is more than a backend makes
  } else {
    if (threads > 1)
      throw input_error("--threads: the backend " + std::string(B::name) + " has one thread; leave it away, or take another --backend");
    return use();
  }
}

template <class B> std::unique_ptr<session> open_on(const compute& machine, const model_folder& folder) {
  return with_threads<B>(machine.threads, [&](auto... threads) { return std::make_unique<session_on<B>>(folder, threads...); });
}

template <class B> demo_result demo_on(const demo_job& job) {
  return with_threads<B>(job.threads, [&](auto... threads) {
    B backend(threads...);
    demo_experiment<B> experiment(backend, job.sizes, job.seed);
    const demo_outcome outcome = experiment.run(job.methods);
    const demo_report report(experiment.world(), outcome);
    return demo_result{report.text(), report.numbers(), report.picture()};
  });
}

/// As many trainings at a time as there are threads, each on a backend of one.
template <class B>
void compare_on(const frontier_job& job, const frontier_task& task, const frontier_folder& folder, index threads, frontier_outcome& found) {
  found = run_frontier(job, task, folder, threads, [] {
    if constexpr (has_threads<B>)
      return B(1);
    else
      return B();
  });
}

}  // namespace detail

/// The entry of Backend<T>, completed by what runs on it: everything that depends on a backend's type is instantiated here, for float
/// and, where it `doubles`, for double.
template <template <class...> class Backend, bool doubles = true> backend_entry backend_on(backend_entry e) {
  e.threads = detail::has_threads<Backend<float>>;
  e.dtypes = doubles ? "float32, float64" : "float32";
  e.open = [](const compute& machine, const model_folder& folder) {
    if (machine.dtype == "float32") return detail::open_on<Backend<float>>(machine, folder);
    if constexpr (doubles)
      return detail::open_on<Backend<double>>(machine, folder);
    else
      throw input_error("--dtype: the backend " + machine.backend + " has float32 alone; leave it away, or take another --backend");
  };
  e.demo = detail::demo_on<Backend<float>>;
  e.compare = detail::compare_on<Backend<float>>;
  return e;
}

}  // namespace tilt::program

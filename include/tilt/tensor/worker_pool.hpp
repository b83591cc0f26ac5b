// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <concepts>
#include <tilt/scalar/config.hpp>

namespace tilt {

namespace detail {
struct any_job {
  void operator()(index, int) const {}
};
}  // namespace detail

/// Workers on the host: run(jobs, f) calls f(job, worker) once for each job in [0, jobs), in any order, worker in [0, size()), and
/// returns when all are done; two jobs at the same time never have the same worker. `threads` is the library's own; a parallel
/// runtime (OpenMP, TBB) can stand in for it. A job owns what it writes, so results do not depend on who does it.
template <class Pool>
concept worker_pool = requires(Pool& pool, const Pool& fixed) {
  { fixed.size() } -> std::convertible_to<int>;
  pool.run(index{}, detail::any_job{});
};

}  // namespace tilt

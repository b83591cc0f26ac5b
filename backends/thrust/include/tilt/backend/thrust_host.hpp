// SPDX-License-Identifier: Apache-2.0
#pragma once
#if !defined(THRUST_DEVICE_SYSTEM)
#error "tilt/backend/thrust_host.hpp: include tilt/backend/thrust.hpp, which says how to choose a device system"
#endif
#include <thrust/execution_policy.h>
#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/version.h>

#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <tilt/backend/thrust_buffer.hpp>
#include <tilt/backend/vector_packet.hpp>
#include <tilt/tensor/packet_backend.hpp>
#include <utility>

namespace tilt {

/// The workers of Thrust's device system: each is one element of a thrust::for_each, and claims jobs until none is left. How many of
/// them run at once is the runtime's affair (OMP_NUM_THREADS, TBB's arena; CPP has one thread, so all jobs are the first worker's).
class thrust_workers {
 public:
  /// n workers; 0: as many as the hardware has threads. Never more than one on CPP.
  explicit thrust_workers(int n = 0) : size_(n > 0 ? n : static_cast<int>(std::thread::hardware_concurrency())) {
    if (size_ < 1 || THRUST_DEVICE_SYSTEM == THRUST_DEVICE_SYSTEM_CPP) size_ = 1;
  }
  int size() const { return size_; }

  /// f(job, worker) once for each job; the first exception that a job throws is thrown again here, and jobs not begun by then are dropped.
  template <class F> void run(index jobs, const F& f) {
    if (size_ == 1 || jobs <= 1) {
      for (index job = 0; job < jobs; ++job) f(job, 0);
      return;
    }
    shared state;
    const thrust::counting_iterator<int> workers(0);
    thrust::for_each_n(thrust::device, workers, jobs < size_ ? static_cast<int>(jobs) : size_, worker<F>{&state, std::addressof(f), jobs});
    if (state.failure) std::rethrow_exception(state.failure);
  }

 private:
  struct shared {
    alignas(64) std::atomic<index> next{0};
    std::mutex failure_mutex;
    std::exception_ptr failure;
  };
  template <class F> struct worker {
    shared* state;
    const F* f;
    index jobs;
    void operator()(int self) const {
      try {
        for (index job; (job = state->next.fetch_add(1, std::memory_order_relaxed)) < jobs;) (*f)(job, self);
      } catch (...) {
        state->next.store(jobs, std::memory_order_relaxed);
        const std::lock_guard<std::mutex> lock(state->failure_mutex);
        if (!state->failure) state->failure = std::current_exception();
      }
    }
  };
  int size_;
};
static_assert(worker_pool<thrust_workers>);

/// What Thrust's device system is called: TBB, OpenMP, C++, or CUDA.
#if THRUST_DEVICE_SYSTEM == THRUST_DEVICE_SYSTEM_TBB
inline constexpr const char* thrust_system = "TBB";
#elif THRUST_DEVICE_SYSTEM == THRUST_DEVICE_SYSTEM_OMP
inline constexpr const char* thrust_system = "OpenMP";
#else
inline constexpr const char* thrust_system = "C++";
#endif

/// Runs on the CPU, on Thrust's device system CPP, OMP or TBB: its threads and its memory. Thrust knows no packets and no product, so
/// these are the library's own (vector_packet, packed_gemm), and bits do not depend on the system or the number of workers.
template <class T> class thrust_backend : public packet_backend<vector_packet<T>, thrust_workers> {
 public:
  static constexpr const char* name = "thrust";
  using packet_backend<vector_packet<T>, thrust_workers>::packet_backend;

  template <class U> thrust_buffer<U> allocate(index n) { return thrust_buffer<U>(n); }
};

}  // namespace tilt

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <tilt/tensor/worker_pool.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// A pool of n − 1 workers beside the calling thread. `run` shares out jobs; between runs the workers sleep. One thread at a time
/// may call `run`, which allocates nothing. A job that calls `run` again gets its jobs done on its own thread.
class threads {
 public:
  /// n threads in all; 0: as many as the hardware has.
  explicit threads(int n = 0) {
    if (n <= 0) n = static_cast<int>(std::thread::hardware_concurrency());
    n = n < 1 ? 1 : n > most ? most : n;
    workers_.reserve(static_cast<std::size_t>(n) - 1);
    try {
      for (int id = 1; id < n; ++id) workers_.emplace_back([this, id] { serve(id); });
    } catch (...) {
      stop();
      throw;
    }
  }
  threads(const threads&) = delete;
  threads& operator=(const threads&) = delete;
  ~threads() { stop(); }

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  /// f(job, thread) once for each job in [0, jobs), thread in [0, size()); returns when all are done. Threads claim jobs as they
  /// become free, so a job must own what it writes: then the result does not depend on who did it. The first exception thrown by a
  /// job is thrown again here, and jobs that were not begun by then are dropped.
  template <class F> void run(index jobs, const F& f) {
    if (jobs <= 0) return;
    if (jobs == 1 || workers_.empty() || caller_.pool == this) {
      const int self = caller_.pool == this ? caller_.id : 0;
      const membership inside(this, self);
      for (index job = 0; job < jobs; ++job) f(job, self);
      return;
    }
    call_ = [](const void* context, index job, int thread) { (*static_cast<const F*>(context))(job, thread); };
    context_ = std::addressof(f);
    jobs_ = jobs;
    next_.store(0, std::memory_order_relaxed);
    open();
    work(0);
    close();
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

 private:
  // state_ holds, from the low bits up: how many workers are inside the current run, whether more may enter, the number of the run.
  // A worker that is late (asleep, or the core is taken) finds the door closed, and nobody waits for it.
  static constexpr unsigned inside_mask = 0x3ff, open_bit = 0x400, run_unit = 0x800;
  static constexpr int most = 512;
  static constexpr int spins = 2000;  // some 20 µs, then sleep

  struct caller {
    const threads* pool;
    int id;
  };
  struct membership {
    membership(const threads* pool, int id) : before(std::exchange(caller_, caller{pool, id})) {}
    ~membership() { caller_ = before; }
    caller before;
  };
  inline static thread_local caller caller_{nullptr, 0};

  static void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
  }
  /// Waits until state_ is not `old`; returns what it is then.
  unsigned changed_from(unsigned old) {
    for (int i = 0; i < spins; ++i) {
      const unsigned now = state_.load(std::memory_order_acquire);
      if (now != old) return now;
      pause();
    }
    state_.wait(old, std::memory_order_acquire);
    return state_.load(std::memory_order_acquire);
  }

  void open() {  // nobody is inside and the door is closed: only the caller writes
    state_.store(((state_.load(std::memory_order_relaxed) | open_bit) & ~inside_mask) + run_unit, std::memory_order_release);
    state_.notify_all();
  }
  void close() {
    unsigned now = state_.fetch_and(~open_bit, std::memory_order_acq_rel) & ~open_bit;
    while (now & inside_mask) now = changed_from(now);
  }

  void work(int id) {
    const membership inside(this, id);
    try {
      for (index job; (job = next_.fetch_add(1, std::memory_order_relaxed)) < jobs_;) call_(context_, job, id);
    } catch (...) {
      next_.store(jobs_, std::memory_order_relaxed);
      const std::lock_guard<std::mutex> lock(failure_mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }

  void serve(int id) {
    unsigned done = 0;  // the last run that this worker took part in
    for (unsigned now = state_.load(std::memory_order_acquire);;) {
      if (stopping_.load(std::memory_order_acquire)) return;
      if (!(now & open_bit) || now / run_unit == done) {
        now = changed_from(now);
        continue;
      }
      if (!state_.compare_exchange_weak(now, now + 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      done = now / run_unit;
      work(id);
      now = state_.fetch_sub(1, std::memory_order_acq_rel) - 1;
      if (!(now & (open_bit | inside_mask))) state_.notify_all();
    }
  }

  void stop() {
    stopping_.store(true, std::memory_order_release);
    state_.fetch_add(run_unit, std::memory_order_acq_rel);
    state_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  std::vector<std::thread> workers_;
  alignas(64) std::atomic<unsigned> state_{0};
  alignas(64) std::atomic<index> next_{0};
  alignas(64) void (*call_)(const void*, index, int) = nullptr;
  const void* context_ = nullptr;
  index jobs_ = 0;
  std::exception_ptr failure_;
  std::mutex failure_mutex_;
  std::atomic<bool> stopping_{false};
};

static_assert(worker_pool<threads>);

}  // namespace tilt

// SPDX-License-Identifier: Apache-2.0
// Replaces the C library's allocation functions in its program by some that count: what calls malloc itself, as Eigen's products may,
// is seen too, and so are worker threads. In a file of its own, as nothing else may see inside them.
#include <atomic>
#include <cstddef>
#include <cstdlib>

namespace tilt::test {
std::atomic<long> allocations{0};
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // sanitizers replace these functions themselves
extern const bool counts_allocations = true;
#else
extern const bool counts_allocations = false;
#endif
}  // namespace tilt::test

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
using tilt::test::allocations;

// glibc's own names for them, which it exports for this purpose; the signatures are the C library's.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t n) noexcept { return ++allocations, __libc_malloc(n); }
void* calloc(std::size_t n, std::size_t size) noexcept { return ++allocations, __libc_calloc(n, size); }
void* realloc(void* p, std::size_t n) noexcept { return ++allocations, __libc_realloc(p, n); }
void* aligned_alloc(std::size_t alignment, std::size_t n) noexcept { return ++allocations, __libc_memalign(alignment, n); }
void* memalign(std::size_t alignment, std::size_t n) noexcept { return ++allocations, __libc_memalign(alignment, n); }
int posix_memalign(void** p, std::size_t alignment, std::size_t n) noexcept {
  ++allocations;
  *p = __libc_memalign(alignment, n);
  return *p ? 0 : 12;
}
}
#endif

// SPDX-License-Identifier: Apache-2.0
// Puts functions that count in the place of the C library's allocation functions, for the program that this is linked into. In a file of
// its own, as no compiler may see inside them where they are called.
#include "counting_malloc.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define TILT_MALLOC_TAKEN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define TILT_MALLOC_TAKEN
#endif

namespace {
std::atomic<long> calls{0};
}

long tilt::test::allocations() { return calls; }

#ifdef TILT_MALLOC_TAKEN
bool tilt::test::counts_allocations() { return false; }
#else
bool tilt::test::counts_allocations() { return true; }

// glibc's own names for them, which it exports for this purpose; the signatures are the C library's.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t n) noexcept { return ++calls, __libc_malloc(n); }
void* calloc(std::size_t n, std::size_t size) noexcept { return ++calls, __libc_calloc(n, size); }
void* realloc(void* p, std::size_t n) noexcept { return ++calls, __libc_realloc(p, n); }
void* aligned_alloc(std::size_t alignment, std::size_t n) noexcept { return ++calls, __libc_memalign(alignment, n); }
void* memalign(std::size_t alignment, std::size_t n) noexcept { return ++calls, __libc_memalign(alignment, n); }
int posix_memalign(void** p, std::size_t alignment, std::size_t n) noexcept {
  ++calls;
  *p = __libc_memalign(alignment, n);
  return *p ? 0 : ENOMEM;
}
}
#endif

// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tilt::test {

/// Whether this build can count allocations: with the C library's own malloc, and no sanitizer that has taken its place.
bool counts_allocations();

/// Calls so far of malloc and its kin in the whole process, by operator new, worker threads and libraries too.
long allocations();

}  // namespace tilt::test

// SPDX-License-Identifier: Apache-2.0
#include <tilt/tilt.hpp>

#include <cstdio>

int main() {
  const tilt::packed_trees nothing;
  std::printf("tilt %s packs %zu tokens\n", tilt::version, nothing.ids.size());
}

// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a backend fuses against the composite on its own primitives, on the same inputs. That the fused form is right is also asked of the
// composites' tests, which call it where it is there.
#include <conformance/attention.hpp>
#include <conformance/head.hpp>
#include <conformance/optimizers.hpp>
#include <support/primitives_only.hpp>

namespace tilt::test {

/// run(backend) as the backend does it and as its primitives compose it.
template <class B, class Run> void check_fast_path(const Run& run, long double bound, const std::string& at, worst_element& worst) {
  for_each_setting<B>([&](B& backend) {
    primitives_only<B> primitives(backend);
    worst.compare(run(backend), run(primitives), bound, at);
  });
}

}  // namespace tilt::test

TEST_CASE(TILT_TESTED_AS "fused attention equals the composed") {
  using namespace tilt::test;
  using T = tested_backend::scalar;
  if constexpr (tilt::fuses_attention<tested_backend>) {
    worst_element worst;
    for_each_attention_case<T>([&](const attention_case<T>& c) {
      check_fast_path<tested_backend>([&](auto& backend) { return run_attention(backend, c); }, attention_bound(c), c.text(), worst);
    });
    worst.report("fused attention");
  } else {
    TILT_SKIP("this backend composes attention");
  }
}

TEST_CASE(TILT_TESTED_AS "a fused vocabulary head equals the composed") {
  using namespace tilt::test;
  using T = tested_backend::scalar;
  if constexpr (tilt::fuses_head<tested_backend>) {
    worst_element worst;
    for_each_head_case<T>([&](const head_case<T>& c) {
      check_fast_path<tested_backend>([&](auto& backend) { return run_head(backend, c); }, head_bound(c), c.text(), worst);
    });
    worst.report("fused vocabulary head");
  } else {
    TILT_SKIP("this backend composes the vocabulary head");
  }
}

TEST_CASE(TILT_TESTED_AS "a fused AdamW equals the composed") {
  using namespace tilt::test;
  using T = tested_backend::scalar;
  if constexpr (tilt::fuses_adamw<tested_backend>) {
    std::mt19937_64 random(21);
    worst_element worst;
    for (const double weight_decay : {0.0, 0.1})
      for_each_optimizer_size<T>(random, tilt::adamw{.weight_decay = weight_decay}, [&](const optimizer_case<T>& c) {
        const std::string at = std::to_string(c.weights.size()) + " parameters, " + std::to_string(c.decayed) + " decaying";
        check_fast_path<tested_backend>([&](auto& backend) { return run_optimizer(backend, c); }, optimizer_bound(c), at, worst);
      });
    worst.report("fused AdamW");
  } else {
    TILT_SKIP("this backend composes AdamW");
  }
}

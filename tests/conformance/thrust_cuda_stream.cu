// SPDX-License-Identifier: Apache-2.0
// What only the CUDA backend promises: how its policies of precision round, and that work on its stream can be captured in a graph.
#include <tilt/backend/thrust.hpp>

#include <cmath>
#include <cstdio>
#include <conformance/support.hpp>
#include <tilt/tensor/elementwise.hpp>

namespace tilt::test {
namespace {

/// The largest |error| of an element of a·b over Σ |a_ik b_kj|.
template <class Product> double relative_error() {
  constexpr index m = 130, n = 257, k = 311;
  std::mt19937_64 random(3);
  const random_matrix<float> a(m, k, layout::rows, random), b(k, n, layout::rows, random), c(m, n, layout::rows, random);
  thrust_backend<float, Product> backend;
  auto own_a = own(backend, a.memory), own_b = own(backend, b.memory), own_c = own(backend, c.memory);
  backend.gemm(a.in<const float>(own_a.data()), b.in<const float>(own_b.data()), c.in<float>(own_c.data()), false);
  const std::vector<float> product = own_c.host();
  double worst = 0;
  for (index i = 0; i < m; ++i)
    for (index j = 0; j < n; ++j) {
      double exact = 0, scale = 0;
      for (index l = 0; l < k; ++l) {
        const double term = static_cast<double>(a.view()(i, l)) * static_cast<double>(b.view()(l, j));
        exact += term, scale += std::abs(term);
      }
      const double error = std::abs(static_cast<double>(product[static_cast<std::size_t>(c.at(i, j))]) - exact) / scale;
      if (!(error <= worst)) worst = error;
    }
  return worst;
}

struct next_program {
  const float* from;
  float* to;
  index width;
  template <class Team> TILT_HD void operator()(const Team& team, index row) const {
    const float* const x = from + row * width;
    float* const y = to + row * width;
    const float largest = team.max(width, [=](const auto& lane, index i) { return lane.load(x, i); });
    team.each(width, [=](const auto& lane, index i) { lane.store(y, i, lane.load(x, i) - largest); });
  }
};

}  // namespace
}  // namespace tilt::test

TEST_CASE("cuda: float32 products keep every bit of their factors, the shorter policies round once") {
  using namespace tilt::test;
  // Factors with b significant bits have an error of at most 2·2^-b of each term; float32's own sums add 311 roundings at worst.
  const double sum = static_cast<double>(tolerance<float>::sum(311));
  const double full = relative_error<tilt::float32_product>(), tf32 = relative_error<tilt::tf32_product>(),
               bfloat16 = relative_error<tilt::bfloat16_product>();
  std::printf("error over sum of |terms|: float32 %.2g, TF32 %.2g, bfloat16 %.2g\n", full, tf32, bfloat16);
  CHECK(full < 4e-7);  // a TF32 product would be near 1e-4
  CHECK(tf32 < std::ldexp(1.0, -10) + sum);
  CHECK(bfloat16 < std::ldexp(1.0, -7) + sum);
  CHECK(bfloat16 > tf32);
  CHECK(tf32 > full);
}

TEST_CASE("cuda: maps, row programs, products and fills on the stream are captured in a graph and replayed") {
  using namespace tilt;
  using tilt::index;
  using namespace tilt::test;
  constexpr index n = 96;
  thrust_backend<float> backend;
  std::mt19937_64 random(9);
  auto weights = own(backend, random_vector<float>(n * n, random)), x = own(backend, std::vector<float>(n * n, 0)),
       y = own(backend, std::vector<float>(n * n, 0)), z = own(backend, std::vector<float>(n * n, 0)),
       alone = own(backend, std::vector<float>(n * n, 0));
  const auto matrix = [](auto* data) { return matrix_view<std::remove_reference_t<decltype(*data)>>{data, {n, n}, {n, 1}}; };
  const auto work = [&](float* result) {
    backend.rows(n, next_program{x.data(), y.data(), n});
    fill(backend, z.data(), n * n, 0.5F);
    backend.gemm(matrix(static_cast<const float*>(y.data())), matrix(static_cast<const float*>(weights.data())), matrix(z.data()), true);
    backend.map(n * n, detail::add_body<float>{z.data(), y.data(), result});
  };
  auto replayed = own(backend, std::vector<float>(n * n, 0));
  work(replayed.data());  // first calls load kernels, which a capture may not
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t runnable = nullptr;
  REQUIRE(cudaStreamBeginCapture(backend.stream(), cudaStreamCaptureModeGlobal) == cudaSuccess);
  work(replayed.data());
  REQUIRE(cudaStreamEndCapture(backend.stream(), &graph) == cudaSuccess);
  std::size_t nodes = 0;
  REQUIRE(cudaGraphGetNodes(graph, nullptr, &nodes) == cudaSuccess);
  CHECK(nodes >= 4);
  REQUIRE(cudaGraphInstantiate(&runnable, graph, 0) == cudaSuccess);
  for (int round = 0; round < 3; ++round) {  // other numbers, the same graph
    const std::vector<float> input = random_vector<float>(n * n, random);
    backend.copy_in(input.data(), n * n, x.data());
    work(alone.data());
    const std::vector<float> expected = alone.host();
    REQUIRE(cudaGraphLaunch(runnable, backend.stream()) == cudaSuccess);
    CHECK(replayed.host() == expected);
  }
  cudaGraphExecDestroy(runnable);
  cudaGraphDestroy(graph);
}

// SPDX-License-Identifier: Apache-2.0
#pragma once
#if !defined(__CUDACC__)
#error "tilt/backend/cuda_product.hpp is CUDA source: compile it with nvcc"
#endif
#include <cublas_v2.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <tilt/backend/cuda_team.hpp>
#include <tilt/backend/thrust_buffer.hpp>
#include <tilt/error.hpp>

namespace tilt {

/// How a CUDA backend multiplies float32 matrices, as one type. Weights, activations, sums and results are float32 in all of them.
/// float32 as it stands: TF32 is off, whatever the library's default …
struct float32_product {
  static constexpr cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  static constexpr const char* name = "float32 products";
};
/// … factors rounded to bfloat16 on their way into the tensor cores …
struct bfloat16_product {
  static constexpr cublasComputeType_t compute = CUBLAS_COMPUTE_32F_FAST_16BF;
  static constexpr const char* name = "bfloat16 products";
};
/// … or to TF32's 10 bits.
struct tf32_product {
  static constexpr cublasComputeType_t compute = CUBLAS_COMPUTE_32F_FAST_TF32;
  static constexpr const char* name = "TF32 products";
};

namespace detail {

inline void check_cuda(cudaError_t status, const char* what) {
  if (status != cudaSuccess) throw error(std::string("CUDA: ") + what + ": " + cudaGetErrorString(status));
}
inline void check_cublas(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) throw error(std::string("cuBLAS: ") + what + ": " + cublasGetStatusString(status));
}

/// cuBLAS on one stream, with a workspace of its own, so that a product allocates nothing and can be captured in a graph.
template <class Product> class cuda_product {
 public:
  explicit cuda_product(cudaStream_t stream) : stream_(stream), workspace_(workspace_bytes) {
    check_cublas(cublasCreate(&handle_), "cublasCreate");
    try {
      check_cublas(cublasSetStream(handle_, stream), "cublasSetStream");
      check_cublas(cublasSetWorkspace(handle_, workspace_.data(), static_cast<std::size_t>(workspace_bytes)), "cublasSetWorkspace");
      // The compute type decides; this keeps sums in float32 where the factors are shorter.
      constexpr int mode = static_cast<int>(CUBLAS_DEFAULT_MATH) | static_cast<int>(CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION);
      check_cublas(cublasSetMathMode(handle_, static_cast<cublasMath_t>(mode)), "cublasSetMathMode");
      // No atomics: the same bits in every run.
      check_cublas(cublasSetAtomicsMode(handle_, CUBLAS_ATOMICS_NOT_ALLOWED), "cublasSetAtomicsMode");
    } catch (...) {
      cublasDestroy(handle_);
      throw;
    }
  }
  cuda_product(const cuda_product&) = delete;
  cuda_product& operator=(const cuda_product&) = delete;
  ~cuda_product() { cublasDestroy(handle_); }

  template <class T> void multiply(matrix_view<const T> a, matrix_view<const T> b, matrix_view<T> c, bool accumulate) {
    if (c.extent[0] == 0 || c.extent[1] == 0 || (accumulate && a.extent[1] == 0)) return;
    if (c.stride[1] != 1 && c.stride[0] == 1) {
      const matrix_view<const T> left = transposed(b);
      b = transposed(a), a = left, c = transposed(c);
    }
    const operand left = operand_of(a), right = operand_of(b), result = operand_of(c);
    if (a.extent[1] == 0 || !left.usable || !right.usable || !result.usable || result.transposed) return strided(a, b, c, accumulate);
    // cuBLAS is column-major: a row-major cᵀ = bᵀaᵀ is what it calls c.
    using factor = std::conditional_t<sizeof(T) == 8, double, float>;
    const factor alpha = 1, beta = accumulate ? factor(1) : factor(0);
    constexpr cudaDataType_t type = sizeof(T) == 8 ? CUDA_R_64F : CUDA_R_32F;
    constexpr cublasComputeType_t compute = sizeof(T) == 8 ? CUBLAS_COMPUTE_64F : Product::compute;
    check_cublas(
        cublasGemmEx_64(handle_, right.operation(), left.operation(), c.extent[1], c.extent[0], a.extent[1], &alpha, b.data, type,
                        right.leading, a.data, type, left.leading, &beta, c.data, type, result.leading, compute, CUBLAS_GEMM_DEFAULT),
        "cublasGemmEx");
  }

 private:
  static constexpr index workspace_bytes = index{32} << 20;  // what cuBLAS asks for on sm_90

  /// A matrix as BLAS sees it: rows `leading` apart, or columns, which then are the transposed matrix's rows.
  struct operand {
    bool usable, transposed;
    std::int64_t leading;
    cublasOperation_t operation() const { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; }
  };
  template <class U> static operand operand_of(const matrix_view<U>& m) {
    for (const int along : {1, 0}) {
      const index length = m.extent[along], count = m.extent[1 - along];
      const index leading = count > 1 ? m.stride[1 - along] : std::max<index>(length, 1);  // of one row, the distance does not matter
      if ((m.stride[along] == 1 || length <= 1) && leading >= std::max<index>(length, 1)) return {true, along == 0, leading};
    }
    return {false, false, 0};
  }
  template <class T> void strided(matrix_view<const T> a, matrix_view<const T> b, matrix_view<T> c, bool accumulate) {
    const index tiles = ((c.extent[0] + cuda_tile - 1) / cuda_tile) * ((c.extent[1] + cuda_tile - 1) / cuda_tile);
    cuda_strided_product<T><<<static_cast<unsigned>(std::min<index>(tiles, 1 << 20)), cuda_workers, 0, stream_>>>(a, b, c, accumulate);
    check_cuda(cudaPeekAtLastError(), "launch of a product");
  }

  cudaStream_t stream_;
  thrust_buffer<std::byte> workspace_;
  cublasHandle_t handle_ = nullptr;
};

}  // namespace detail

}  // namespace tilt

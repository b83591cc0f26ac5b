// SPDX-License-Identifier: Apache-2.0
#pragma once
#if !defined(__CUDACC__)
#error "tilt/backend/cuda_product.hpp is CUDA source: compile it with nvcc"
#endif
#include <cublas_v2.h>
#include <cuda_bf16.h>

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
  using factor = float;
  static constexpr cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  static constexpr const char* name = "float32 products";
};
/// … factors rounded to bfloat16, in a copy that lives for the one product …
struct bfloat16_product {
  using factor = __nv_bfloat16;
  static constexpr cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  static constexpr const char* name = "bfloat16 products";
};
/// … or, by the tensor cores themselves, to TF32's 10 bits.
struct tf32_product {
  using factor = float;
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

/// `to` in lines `to_stride` apart from lines of elements `step` apart.
template <class T, class Factor>
__global__ void cuda_round(const T* from, index lines, index length, index from_stride, index step, Factor* to, index to_stride) {
  for (index line = blockIdx.y * blockDim.y + threadIdx.y; line < lines; line += gridDim.y * blockDim.y)
    for (index i = blockIdx.x * blockDim.x + threadIdx.x; i < length; i += gridDim.x * blockDim.x)
      to[line * to_stride + i] = static_cast<Factor>(from[line * from_stride + i * step]);
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
    const operand result = operand_of(c);
    operand left = operand_of(a), right = operand_of(b);
    if (a.extent[1] == 0 || !result.usable || result.transposed) return strided(a, b, c, accumulate);
    // cuBLAS is column-major: a row-major cᵀ = bᵀaᵀ is what it calls c.
    if constexpr (rounds<T>) {
      const auto* const rounded_a = rounded(a, left, 0);
      const auto* const rounded_b = rounded(b, right, 1);
      call<float>(right, rounded_b, left, rounded_a, result, c.data, {c.extent[1], c.extent[0], a.extent[1]}, accumulate);
    } else {
      if (!left.usable || !right.usable) return strided(a, b, c, accumulate);
      call<T>(right, b.data, left, a.data, result, c.data, {c.extent[1], c.extent[0], a.extent[1]}, accumulate);
    }
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

  using factor = typename Product::factor;
  /// Whether float32 factors are copied into shorter ones.
  template <class T> static constexpr bool rounds = sizeof(T) == 4 && sizeof(factor) < sizeof(T);

  template <class U> static constexpr cudaDataType_t type_of() {
    return sizeof(U) == 8 ? CUDA_R_64F : sizeof(U) == 4 ? CUDA_R_32F : CUDA_R_16BF;
  }
  struct sizes {
    std::int64_t m, n, k;
  };
  /// The column-major product of m×k by k×n.
  template <class T, class U>
  void call(const operand& left, const U* a, const operand& right, const U* b, const operand& result, T* c, const sizes& s,
            bool accumulate) {
    const T alpha = 1, beta = accumulate ? T(1) : T(0);
    constexpr cublasComputeType_t compute = sizeof(T) == 8 ? CUBLAS_COMPUTE_64F : Product::compute;
    check_cublas(cublasGemmEx_64(handle_, left.operation(), right.operation(), s.m, s.n, s.k, &alpha, a, type_of<U>(), left.leading, b,
                                 type_of<U>(), right.leading, &beta, c, type_of<T>(), result.leading, compute, CUBLAS_GEMM_DEFAULT),
                 "cublasGemmEx");
  }

  /// A copy of m in `factor`s, of which there is one for either side; it lies as m does, in lines that are as aligned as the tensor cores
  /// want them. Its memory grows to the largest factor met.
  template <class T> const factor* rounded(const matrix_view<const T>& m, operand& o, int side) {
    constexpr index line = 16 / static_cast<index>(sizeof(factor));
    o.transposed = o.usable && o.transposed;
    o.usable = true;
    const int along = o.transposed ? 0 : 1;
    const index length = m.extent[along], lines = m.extent[1 - along];
    o.leading = (length + line - 1) / line * line;
    thrust_buffer<factor>& memory = rounded_[side];
    if (memory.size() < lines * o.leading) memory = thrust_buffer<factor>(lines * o.leading * 5 / 4);
    const dim3 threads(64, 4), blocks(static_cast<unsigned>(std::min<index>((length + 63) / 64, 64)),
                                      static_cast<unsigned>(std::min<index>((lines + 3) / 4, 1 << 14)));
    cuda_round<<<blocks, threads, 0, stream_>>>(m.data, lines, length, m.stride[1 - along], m.stride[along], memory.data(), o.leading);
    check_cuda(cudaPeekAtLastError(), "launch of rounding");
    return memory.data();
  }

  template <class T> void strided(matrix_view<const T> a, matrix_view<const T> b, matrix_view<T> c, bool accumulate) {
    const index tiles = ((c.extent[0] + cuda_tile - 1) / cuda_tile) * ((c.extent[1] + cuda_tile - 1) / cuda_tile);
    cuda_strided_product<T><<<static_cast<unsigned>(std::min<index>(tiles, 1 << 20)), cuda_workers, 0, stream_>>>(a, b, c, accumulate);
    check_cuda(cudaPeekAtLastError(), "launch of a product");
  }

  cudaStream_t stream_;
  thrust_buffer<std::byte> workspace_;
  thrust_buffer<factor> rounded_[2] = {thrust_buffer<factor>(0), thrust_buffer<factor>(0)};
  cublasHandle_t handle_ = nullptr;
};

}  // namespace detail

}  // namespace tilt

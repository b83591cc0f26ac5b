// SPDX-License-Identifier: Apache-2.0
#pragma once
#if !defined(__CUDACC__)
#error "tilt/backend/thrust_cuda.hpp is CUDA source: include tilt/backend/thrust.hpp and compile with nvcc"
#endif
#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/system/cuda/execution_policy.h>
#include <thrust/version.h>
#if THRUST_VERSION < 300000
#error "tilt/backend/thrust_cuda.hpp: this is not the Thrust of a CUDA 13 toolkit; take other Thrust headers out of the include path"
#endif

#include <cstring>
#include <tilt/backend/cuda_attention.hpp>
#include <tilt/backend/cuda_product.hpp>
#include <tilt/tensor/backend.hpp>

namespace tilt {

namespace detail {

template <class T, class Body> struct cuda_map_element {
  Body body;
  TILT_HD void operator()(index i) const { body(scalar_lane<T>{}, i); }
};

/// A stream, and pinned memory through which host data goes to the device without the host waiting.
class cuda_stream {
 public:
  cuda_stream() {
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
    if (const cudaError_t status = cudaMallocHost(&staging_, staging_bytes); status != cudaSuccess) {
      cudaStreamDestroy(stream_);
      check_cuda(status, "cudaMallocHost");
    }
  }
  cuda_stream(const cuda_stream&) = delete;
  cuda_stream& operator=(const cuda_stream&) = delete;
  ~cuda_stream() {
    cudaStreamSynchronize(stream_);
    cudaFreeHost(staging_);
    cudaStreamDestroy(stream_);
  }
  cudaStream_t get() const { return stream_; }
  void wait() { check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

  /// The host's memory is free for other use on return. Waits only for large copies, and when all staging memory is in flight.
  void upload(const void* host, std::size_t bytes, void* own) {
    if (bytes == 0) return;
    if (bytes > staging_bytes / 4) {
      check_cuda(cudaMemcpyAsync(own, host, bytes, cudaMemcpyHostToDevice, stream_), "copy to the device");
      return wait();
    }
    if (staged_ + bytes > staging_bytes) wait(), staged_ = 0;
    std::byte* const place = static_cast<std::byte*>(staging_) + staged_;
    std::memcpy(place, host, bytes);
    check_cuda(cudaMemcpyAsync(own, place, bytes, cudaMemcpyHostToDevice, stream_), "copy to the device");
    staged_ += (bytes + 255) / 256 * 256;
  }
  void download(const void* own, std::size_t bytes, void* host) {
    if (bytes > 0) check_cuda(cudaMemcpyAsync(host, own, bytes, cudaMemcpyDeviceToHost, stream_), "copy to the host");
    wait();
  }

 private:
  static constexpr std::size_t staging_bytes = std::size_t{16} << 20;
  cudaStream_t stream_ = nullptr;
  void* staging_ = nullptr;
  std::size_t staged_ = 0;
};

}  // namespace detail

/// What Thrust's device system is called.
inline constexpr const char* thrust_system = "CUDA";

/// Runs on a GPU: Thrust's device system CUDA. Everything goes to one stream of its own, in order; only copy_out waits for it. A map is
/// a thrust::for_each, a row program a block of 128 threads a row, a product cuBLAS's, with the precision that `Product` names. After
/// construction the four primitives but for the copies can be captured in a CUDA graph. Uses the device that is current at construction.
template <class T, class Product = float32_product> class thrust_backend {
 public:
  using scalar = T;
  static constexpr bool row_exact = false;  // cuBLAS chooses its order of summation by shape
  static constexpr const char* name = "cuda";

  thrust_backend() : product_(stream_.get()) {
    int device = 0, processors = 0;
    detail::check_cuda(cudaGetDevice(&device), "cudaGetDevice");
    detail::check_cuda(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device), "cudaDeviceGetAttribute");
    teams_ = index{4} * processors;
    int shared = 0;
    detail::check_cuda(cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "cudaDeviceGetAttribute");
    shared_bytes_ = static_cast<std::size_t>(shared) - 1024;  // less what a kernel declares
  }

  template <class U> thrust_buffer<U> allocate(index n) { return thrust_buffer<U>(n); }
  template <class U> void copy_in(const U* host, index n, U* own) { stream_.upload(host, bytes<U>(n), own); }
  template <class U> void copy_out(const U* own, index n, U* host) { stream_.download(own, bytes<U>(n), host); }

  template <class Body> void map(index n, const Body& body) {
    if (n == 0) return;
    thrust::for_each_n(thrust::cuda::par_nosync.on(stream_.get()), thrust::counting_iterator<index>(0), n,
                       detail::cuda_map_element<T, Body>{body});
  }

  /// Without scratch a row has a block of its own; with it, teams() blocks share the rows.
  template <class Program> void rows(index n, const Program& program, team_scratch<T> scratch = {}) {
    if (n == 0) return;
    detail::cuda_rows<T>
        <<<blocks(n, scratch.data != nullptr ? teams_ : 1 << 20), detail::cuda_workers, 0, stream_.get()>>>(n, program, scratch);
    detail::check_cuda(cudaPeekAtLastError(), "launch of a row program");
  }
  index teams() const { return teams_; }

  void gemm(matrix_view<const T> a, matrix_view<const T> b, matrix_view<T> c, bool accumulate) { product_.multiply(a, b, c, accumulate); }

  /// Attention as cuda_attention.hpp has it; heads too wide for its shared memory have the library's row programs (fuses_attention).
  void attention_forward(const detail::attention_arguments<T>& a, matrix_view<T> out, team_scratch<T> scratch) {
    if (!fits(a.head_dim)) return rows(a.plan.tiles * a.kv_heads, detail::attention_forward_program<T>{a, out}, scratch);
    detail::with_attention_columns(a.head_dim, [&](auto columns) {
      attend(detail::cuda_attention_forward<T, columns()>, a.plan.tiles * a.heads, a.head_dim, a, out);
    });
  }
  /// Memory for what it keeps of each query grows to the largest batch met.
  void attention_backward(const detail::attention_arguments<T>& a, matrix_view<const T> d_out, matrix_view<T> d_query, matrix_view<T> d_key,
                          matrix_view<T> d_value, team_scratch<T> scratch) {
    if (!fits(a.head_dim))
      return rows(a.plan.trees * a.kv_heads, detail::attention_backward_program<T>{a, d_out, d_query, d_key, d_value}, scratch);
    const index kept = a.query.extent[0] * a.heads * detail::cuda_attention_statistics;
    if (statistics_.size() < kept) statistics_ = thrust_buffer<T>(kept + kept / 4);
    const index runs = (a.key.extent[0] + detail::cuda_keys - 1) / detail::cuda_keys;
    detail::with_attention_columns(a.head_dim, [&](auto columns) {
      attend(detail::cuda_attention_queries<T, columns()>, a.plan.tiles * a.heads, a.head_dim, a, d_out, d_query, statistics_.data());
      attend(detail::cuda_attention_keys<T, columns()>, a.plan.tiles > 0 ? runs * a.kv_heads : 0, a.head_dim, a, d_out, d_key, d_value,
             static_cast<const T*>(statistics_.data()));
    });
  }

  /// The stream that all work goes to, for capturing it or for waiting on it.
  cudaStream_t stream() const { return stream_.get(); }

 private:
  bool fits(index head_dim) const {
    return head_dim <= 32 * detail::cuda_attention_columns && detail::cuda_attention_memory<T>::bytes(head_dim) <= shared_bytes_;
  }
  template <class Kernel, class... Arguments> void attend(Kernel* kernel, index jobs, index head_dim, const Arguments&... arguments) {
    if (jobs == 0) return;
    const std::size_t bytes = detail::cuda_attention_memory<T>::bytes(head_dim);
    detail::check_cuda(
        cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)),
        "shared memory of attention");
    kernel<<<blocks(jobs, 1 << 20), detail::cuda_workers, bytes, stream_.get()>>>(arguments...);
    detail::check_cuda(cudaPeekAtLastError(), "launch of attention");
  }
  static unsigned blocks(index jobs, index most) { return static_cast<unsigned>(std::min(jobs, most)); }
  template <class U> static std::size_t bytes(index n) { return static_cast<std::size_t>(n) * sizeof(U); }

  detail::cuda_stream stream_;
  detail::cuda_product<Product> product_;
  thrust_buffer<T> statistics_{0};
  index teams_ = 0;
  std::size_t shared_bytes_ = 0;
};

}  // namespace tilt

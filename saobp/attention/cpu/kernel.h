// The fused CPU kernels: softmax attention and its refinement by a signed strength, in encoder and in causal form, with
// padding, grouped key-value heads and dropout; float or bfloat16 in and out, float in between. Raw pointers, strides
// and sizes; nothing here knows about autograd.
#pragma once

#include <cstdint>
#include <optional>

namespace saobp::attention::cpu {

// [batch, heads, length, channels] with unit stride over the channels.
template <class T>
struct View {
  T* data;
  int64_t batch_stride, head_stride, row_stride;
};

struct Problem {
  int64_t batch, heads, queries, keys, channels;
  const bool* query_mask;  // [batch, queries], true = real; null: all are
  const bool* key_mask;    // [batch, keys]
  double strength;         // signed λ
  bool exclude_self;
  double dropout;
  int64_t seed;
  const double* strengths = nullptr;  // [heads], instead of `strength`
  bool learn_strengths = false;       // their gradient is wanted: strength 0 is refined, too
  bool causal = false;
  int64_t group = 1;            // so many neighbouring query heads share a head of key and value
  int64_t strength_length = 0;  // 0: none

  // What the strength of `senders` messages is multiplied by.
  double strength_share(int64_t senders) const {
    return strength_length == 0 || senders <= strength_length
               ? 1.0
               : static_cast<double>(strength_length) / static_cast<double>(senders);
  }
  double strength_of(int64_t head) const { return strengths ? strengths[head] : strength; }
};

// The rows of a head are cut into chunks that several threads can work on. What is summed up over the rows is summed up
// by chunks and then over these in order, also where one thread does them all: so the number of threads changes no bit.
inline constexpr int64_t kMaxChunks = 8, kMinChunkRows = 128;

inline int64_t chunk_count(int64_t rows) {
  const int64_t chunks = rows / kMinChunkRows;
  return chunks < 1 ? 1 : chunks < kMaxChunks ? chunks : kMaxChunks;
}

// What the backward pass needs to make the matrices again. Rows and columns of a head are its real ones, in order; the
// places after them hold 0. All logarithms are to base 2.
struct Saved {
  float* rows;          // [4][batch, heads, queries]: maximum of S, 1 / Σ 2^(S − max), logsumexp of the refined logits,
                        // fold ratio (forward.cpp)
  float* column_bias;   // encoder: [batch, heads, keys], c − max c; 0 for strength 0
  double* prefix_sums;  // causal: [batch, heads, chunk_count(queries), keys], c after the last row of each chunk
  // Not for the backward pass; null: not wanted. [4][batch, heads, queries] at the queries' own positions, entropy (in
  // nats) and squared norm of A's rows, then of B's, without dropout. Padded rows are not written.
  float* statistics = nullptr;
};

template <class T>
struct Inputs {
  View<const T> query, key, value;
};

// Of the batch · heads heads those from `begin` up to, not including, `end`.
struct HeadRange {
  int64_t begin, end;
};

// T: float, c10::BFloat16. The heads of `some` alone go in the calling thread, which may be any.
template <class T>
void forward(const Problem& problem, const Inputs<T>& inputs, const View<T>& output, const Saved& saved,
             std::optional<HeadRange> some = {});

template <class T>
struct OutputGradient {
  View<const T> output, gradient;  // the forward pass's output, ∂L/∂O
};

// Key and value gradients are those of each query head (key and value heads may be shared: see Problem::group).
template <class T, class KeyT>
struct Gradients {
  View<T> query;
  View<KeyT> key, value;
  double* strength;  // [batch, heads], ∂L/∂λ; 0 where it was not refined, left alone where a head is all padding
};

// KeyT: T, or float where key gradients of a group are still to be added up.
template <class T, class KeyT>
void backward(const Problem& problem, const Inputs<T>& inputs, const OutputGradient<T>& upstream, const Saved& saved,
              const Gradients<T, KeyT>& gradients, std::optional<HeadRange> some = {});

}  // namespace saobp::attention::cpu

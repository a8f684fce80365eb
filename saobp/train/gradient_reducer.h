// Gradients summed over all ranks while the backward still runs, as PyTorch's DistributedDataParallel does. c10d's own
// Reducer averages; here ranks may hold different numbers of tokens, so that only a sum gives the mean over all of
// them.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "saobp/model/libtorch.h"
#include "saobp/train/distributed.h"

namespace saobp::train {

// Parameters lie in buckets, the last one first, since the backward reaches them in that order. As soon as all
// gradients of a bucket (and of those before it) are there, the bucket's sum is started in the background.
//
//   for each pass of a step:
//     loss = sum of the rank's losses / number of tokens of all ranks in this step (World::sum)
//     reducer.backward(loss, last pass of the step)
//   optimizer.update()
//
// In a world of one that is loss.backward() and nothing more.
class GradientReducer {
 public:
  // The parameters, in order of use and in the same order on all ranks; those that need no gradient are left out.
  // They must be contiguous and keep their type and device. `world` must outlive the reducer.
  GradientReducer(const World& world, const std::vector<torch::Tensor>& parameters, int64_t bucket_bytes);
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;

  // loss.backward(). In the last pass of a step it returns when every parameter's gradient is the sum of the gradients
  // of all ranks over all passes since gradients were last reset; a parameter without a gradient on some rank counts as
  // zero there, and has a gradient everywhere. The gradients then lie in the buckets: drop them
  // (mutable_grad().reset()) or zero them, both are fine. The same world size and buckets give the same bits. Error
  // when another rank is lost.
  void backward(const torch::Tensor& loss, bool last_pass);

  const World& world() const { return world_; }
  size_t buckets() const { return buckets_.size(); }

 private:
  struct Bucket {
    torch::Tensor flat = {};
    int64_t missing = 0;              // gradients of the pass that are not there yet
    std::function<void()> wait = {};  // for the sum, once it is started
  };
  struct Parameter {
    torch::Tensor tensor;
    torch::Tensor place = {};  // in the bucket
    size_t bucket = 0;
    bool ready = false;
    c10::intrusive_ptr<torch::autograd::Node> accumulator = {};  // the tensor itself holds it only weakly
    uintptr_t hook = 0;
  };

  void fill_buckets(int64_t bucket_bytes);
  void add_hooks();
  void start_pass();
  void mark_ready(Parameter& parameter);
  void finish();

  const World& world_;
  std::vector<Parameter> parameters_;
  std::vector<Bucket> buckets_;
  size_t started_ = 0;      // buckets whose sums run; always the first ones, so that all ranks agree on the order
  bool last_pass_ = false;  // between start_pass and finish
};

}  // namespace saobp::train

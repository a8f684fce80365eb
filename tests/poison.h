// Makes it show when memory that was never written takes part in a result.
#pragma once

#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <string_view>

#include "saobp/attention/cpu/scratch.h"

namespace saobp::tests {

// The CPU's allocator, with every byte of a fresh block 0xFF, which is NaN in every floating type; behind each block
// lies more of it.
class PoisoningAllocator final : public c10::Allocator {
 public:
  explicit PoisoningAllocator(c10::Allocator* inner) : inner_(inner) {}

  c10::DataPtr allocate(size_t bytes) override {
    auto block = inner_->allocate(bytes + kBehind);
    std::memset(block.get(), 0xFF, bytes + kBehind);
    return block;
  }
  c10::DeleterFnPtr raw_deleter() const override { return inner_->raw_deleter(); }
  void copy_data(void* to, const void* from, std::size_t count) const override { default_copy_data(to, from, count); }

 private:
  static constexpr size_t kBehind = 256;
  c10::Allocator* inner_;
};

// While it lives, fresh tensors and the kernels' scratch memory hold NaN.
class PoisonedMemory {
 public:
  PoisonedMemory() : before_(c10::GetCPUAllocator()) {
    static PoisoningAllocator allocator(before_);  // storages outlive this object, and remember their allocator
    c10::SetCPUAllocator(&allocator);
    attention::cpu::poison_scratch(true);
  }
  PoisonedMemory(const PoisonedMemory&) = delete;
  ~PoisonedMemory() {
    c10::SetCPUAllocator(before_);
    attention::cpu::poison_scratch(false);
  }

 private:
  c10::Allocator* before_;
};

// While it lives, looks at every matrix product that goes through ATen: at the elements of 16-bit operands' storage
// that lie within their tile behind a row or a column, where the kernels of some processors (AMX) read on. What is not
// finite there is a fault, whether this processor reads it or not. The kernels for float end where the operand does,
// and blocks of the attention's scratch memory, which older processors multiply by way of ATen, have gaps that nobody
// wrote.
class ProductWatch {
 public:
  ProductWatch() {
    faults_().clear();
    products_() = 0;
    handle_ = at::addGlobalCallback(at::RecordFunctionCallback(look).needsInputs(true).scopes(
        {at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
  }
  ProductWatch(const ProductWatch&) = delete;
  ~ProductWatch() { at::removeCallback(handle_); }

  const std::set<std::string>& faults() const { return faults_(); }  // operator, sizes and strides
  int64_t products() const { return products_(); }

 private:
  static constexpr int64_t kTile = 64;

  // Products run on the thread that calls them and on autograd's, one after the other.
  static std::set<std::string>& faults_() {
    static std::set<std::string> faults;
    return faults;
  }
  static int64_t& products_() {
    static int64_t count;
    return count;
  }

  static std::unique_ptr<at::ObserverContext> look(const at::RecordFunction& call) {
    static const std::set<std::string_view> products = {"aten::mm", "aten::bmm", "aten::mv", "aten::dot"},
                                            sums = {"aten::addmm",    "aten::addmm_", "aten::baddbmm",
                                                    "aten::baddbmm_", "aten::addmv",  "aten::addbmm"};
    const bool with_sum = sums.contains(call.name());
    if (!with_sum && !products.contains(call.name())) return nullptr;
    ++products_();
    const auto inputs = call.inputs();
    for (size_t i = with_sum ? 1 : 0; i < (with_sum ? 3 : 2); ++i) check(call.name(), inputs[i].toTensor());
    return nullptr;
  }

  static void check(const char* name, const at::Tensor& operand) {
    const bool read_on = operand.scalar_type() == at::kBFloat16 || operand.scalar_type() == at::kHalf;
    if (!read_on || operand.dim() < 2 || operand.numel() == 0) return;
    if (gaps_are_finite(operand)) return;
    std::string text = name;
    for (const auto sizes : {operand.sizes(), operand.strides()}) {
      text += sizes == operand.sizes() ? " [" : ", strides [";
      for (const int64_t size : sizes) text += std::to_string(size) + " ";
      text.back() = ']';
    }
    faults_().insert(text);
  }

  static bool gaps_are_finite(const at::Tensor& operand) {
    const int64_t rows = operand.size(-2), columns = operand.size(-1), matrix = rows * columns;
    const auto up = [](int64_t size) { return (size + kTile - 1) / kTile * kTile; };
    return AT_DISPATCH_REDUCED_FLOATING_TYPES(operand.scalar_type(), "gaps_are_finite", [&] {
      const auto* data = static_cast<const scalar_t*>(operand.storage().data());
      const auto size = static_cast<int64_t>(operand.storage().nbytes() / sizeof(scalar_t));
      for (int64_t b = 0; b < operand.numel() / matrix; ++b) {
        const int64_t first = operand.storage_offset() + (operand.dim() > 2 ? b * operand.stride(0) : 0);
        for (int64_t r = 0; r < up(rows); ++r)
          for (int64_t c = r < rows ? columns : 0; c < up(columns); ++c) {
            const int64_t at = first + r * operand.stride(-2) + c * operand.stride(-1);
            if (at < size && !std::isfinite(static_cast<float>(data[at]))) return false;
          }
      }
      return true;
    });
  }

  at::CallbackHandle handle_;
};

}  // namespace saobp::tests

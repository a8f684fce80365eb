#include "saobp/attention/checks.h"

#include <ATen/TensorSubclassLikeUtils.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <cmath>

namespace saobp::attention {
namespace {

void check_agree(const char* first, int64_t first_size, const char* second, int64_t second_size, const char* what) {
  TORCH_CHECK(first_size == second_size, "refined_attention: ", first, " has ", first_size, " ", what, ", ", second,
              " has ", second_size, "; they must agree");
}

void check_tensor(const at::Tensor& tensor, const char* name) {
  TORCH_CHECK(tensor.defined(), "refined_attention: ", name, " is undefined");
  TORCH_CHECK(tensor.dim() == 4, "refined_attention: ", name, " has ", tensor.dim(),
              " dimensions; expected 4: batch, heads, length, channels");
  TORCH_CHECK(at::isFloatingType(tensor.scalar_type()), "refined_attention: ", name, " is of type ",
              tensor.scalar_type(), "; expected a floating point type");
  TORCH_CHECK(tensor.size(3) > 0, "refined_attention: ", name, " has 0 channels; expected at least 1");
}

void check_pair(const at::Tensor& query, const at::Tensor& other, const char* name) {
  check_agree(name, other.size(0), "query", query.size(0), "batch rows");
  check_agree(name, other.size(3), "query", query.size(3), "channels");
  TORCH_CHECK(other.scalar_type() == query.scalar_type(), "refined_attention: ", name, " is of type ",
              other.scalar_type(), ", query of type ", query.scalar_type(), "; they must agree");
  TORCH_CHECK(other.device() == query.device(), "refined_attention: ", name, " is on ", other.device(), ", query on ",
              query.device(), "; they must agree");
}

void check_mask(const std::optional<at::Tensor>& mask, const char* name, const at::Tensor& query, int64_t length) {
  if (!mask.has_value()) return;
  TORCH_CHECK(mask->scalar_type() == at::kBool, "refined_attention: ", name, " is of type ", mask->scalar_type(),
              "; expected Bool, true where a position is real");
  TORCH_CHECK(mask->dim() == 2 && mask->size(0) == query.size(0) && mask->size(1) == length,
              "refined_attention: ", name, " has shape ", mask->sizes(), "; expected [batch, length] = [",
              query.size(0), ", ", length, "]");
  TORCH_CHECK(mask->device() == query.device(), "refined_attention: ", name, " is on ", mask->device(), ", query on ",
              query.device(), "; they must agree");
}

// Grouped heads: each key head serves as many query heads.
void check_heads(const at::Tensor& query, const at::Tensor& key) {
  const int64_t heads = query.size(1), key_heads = key.size(1);
  TORCH_CHECK(key_heads > 0 ? heads % key_heads == 0 : heads == 0, "refined_attention: key has ", key_heads,
              " heads, query has ", heads, "; the heads of the query must be a multiple of the key's");
}

void check_strengths(const at::Tensor& strengths, const at::Tensor& query) {
  TORCH_CHECK(strengths.scalar_type() == at::kFloat || strengths.scalar_type() == at::kDouble,
              "refined_attention: strengths are of type ", strengths.scalar_type(), "; expected Float or Double");
  const int64_t heads = query.size(1);
  TORCH_CHECK(strengths.dim() == 1 && (strengths.size(0) == 1 || strengths.size(0) == heads),
              "refined_attention: strengths have shape ", strengths.sizes(), "; expected [1] or [heads] = [", heads,
              "]");
  TORCH_CHECK(strengths.device() == query.device(), "refined_attention: strengths are on ", strengths.device(),
              ", query on ", query.device(), "; they must agree");
  // Tensors that are being traced, and those of the meta device, have no values to look at.
  if (strengths.is_meta() || at::isTensorSubclassLike(strengths)) return;
  const auto values = strengths.detach().to(at::kCPU, at::kDouble);
  for (int64_t head = 0; head < values.numel(); ++head) {
    const double strength = values.const_data_ptr<double>()[head * values.stride(0)];
    TORCH_CHECK(std::abs(strength) <= kMaxStrength, "refined_attention: strengths[", head, "] is ", strength,
                "; expected a number between -", kMaxStrength, " and ", kMaxStrength);
  }
}

// Which options exclude each other.
void check_forms(const AttentionOptions& options) {
  TORCH_CHECK(!options.strengths || options.strength == 0, "refined_attention: strengths are given and strength is ",
              options.strength, "; give one of them");
  TORCH_CHECK(!options.elemmul || !options.strengths, "refined_attention: elemmul takes no strengths, found a tensor");
  TORCH_CHECK(!options.elemmul || options.steps == 1, "refined_attention: elemmul takes one step, found ",
              options.steps);
  TORCH_CHECK(!options.leaky_causal || !options.causal,
              "refined_attention: causal and leaky_causal are both true; choose one");
  TORCH_CHECK(!options.leaky_causal || !options.elemmul,
              "refined_attention: elemmul and leaky_causal are both true; elemmul has the causal form only");
}

void check_lengths(const at::Tensor& query, const at::Tensor& key, const AttentionOptions& options) {
  const char* form = options.causal         ? "causal"
                     : options.leaky_causal ? "leaky_causal"
                     : options.elemmul      ? "elemmul"
                                            : nullptr;
  TORCH_CHECK(form == nullptr || query.size(2) == key.size(2), "refined_attention: ", form != nullptr ? form : "",
              " needs as many queries as keys, found ", query.size(2), " and ", key.size(2));
}

void check_numbers(const AttentionOptions& options) {
  TORCH_CHECK(std::abs(options.strength) <= kMaxStrength, "refined_attention: strength is ", options.strength,
              "; expected a number between -", kMaxStrength, " and ", kMaxStrength);
  TORCH_CHECK(!options.elemmul || options.strength == 0, "refined_attention: elemmul takes no strength, found ",
              options.strength, "; expected 0");
  TORCH_CHECK(options.dropout >= 0 && options.dropout < 1, "refined_attention: dropout is ", options.dropout,
              "; expected a probability from 0 up to, not including, 1");
  TORCH_CHECK(options.strength_length >= 0, "refined_attention: strength_length is ", options.strength_length,
              "; expected a number of queries, or 0 for none");
  TORCH_CHECK(!options.elemmul || options.strength_length == 0,
              "refined_attention: elemmul takes no strength_length, found ", options.strength_length, "; expected 0");
  TORCH_CHECK(options.steps >= 1, "refined_attention: steps is ", options.steps, "; expected at least 1");
}

}  // namespace

void check_arguments(const at::Tensor& query, const at::Tensor& key, const AttentionOptions& options) {
  check_numbers(options);
  check_forms(options);
  check_tensor(query, "query");
  check_tensor(key, "key");
  check_pair(query, key, "key");
  check_heads(query, key);
  if (options.strengths) check_strengths(*options.strengths, query);
  check_mask(options.key_mask, "key_mask", query, key.size(2));
  check_mask(options.query_mask, "query_mask", query, query.size(2));
  check_lengths(query, key, options);
}

void check_arguments(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                     const AttentionOptions& options) {
  check_arguments(query, key, options);
  check_tensor(value, "value");
  check_pair(query, value, "value");
  check_agree("value", value.size(1), "key", key.size(1), "heads");
  check_agree("value", value.size(2), "key", key.size(2), "rows");
}

std::optional<at::Tensor> effective_query_mask(const at::Tensor& query, const at::Tensor& key,
                                               const AttentionOptions& options) {
  if (options.query_mask.has_value() || query.size(2) != key.size(2)) return options.query_mask;
  return options.key_mask;
}

at::Tensor empty_output(const at::Tensor& query) {
  const int64_t batch = query.size(0), heads = query.size(1), length = query.size(2), channels = query.size(3);
  const bool heads_inside_rows = query.stride(1) < query.stride(2);
  if (heads_inside_rows) return at::empty({batch, length, heads, channels}, query.options()).transpose(1, 2);
  return at::empty({batch, heads, length, channels}, query.options());
}

}  // namespace saobp::attention

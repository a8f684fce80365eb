#include "saobp/attention/decode.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "saobp/attention/checks.h"
#include "saobp/attention/reference.h"

namespace saobp::attention {
namespace {

constexpr int64_t kFirstCapacity = 64;
// Rows are taken in blocks whose [B, H, rows, keys] matrices have about this many elements.
constexpr int64_t kBlockElements = int64_t{1} << 21;
constexpr int64_t kMaxBlockRows = 256;

at::ScalarType working_type(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// left [B, H, n, x] · right [B, H_k, x, y] → [B, H, n, y]. The query heads of a group are one after the other, so that
// a group's rows form one matrix and no key head is repeated.
at::Tensor grouped_matmul(const at::Tensor& left, const at::Tensor& right) {
  const int64_t batch = left.size(0), heads = left.size(1), rows = left.size(2), key_heads = right.size(1);
  if (heads == key_heads) return at::matmul(left, right);
  const auto grouped = left.reshape({batch, key_heads, heads / key_heads * rows, left.size(3)});
  return at::matmul(grouped, right).view({batch, heads, rows, right.size(3)});
}

void check_matches(const char* what, int64_t found, int64_t held) {
  TORCH_CHECK(found == held, "decode: the new tokens have ", found, " ", what, ", the cache has ", held,
              "; they must agree");
}

void check_type(const char* name, at::ScalarType found, at::ScalarType held) {
  TORCH_CHECK(found == held, "decode: ", name, " calls for arithmetic of type ", found, ", the cache was begun with ",
              held, "; they must agree");
}

}  // namespace

DecodeCache::DecodeCache(const AttentionOptions& options, std::optional<at::ScalarType> storage)
    : options_(options), storage_(storage) {
  TORCH_CHECK(options.dropout == 0, "decode: dropout is ", options.dropout, "; expected 0");
  TORCH_CHECK(!options.leaky_causal,
              "decode: leaky_causal needs the rows to come; only the causal form can be decoded");
  TORCH_CHECK(!options.key_mask && !options.query_mask, "decode: masks are given with the tokens, not in the options");
  TORCH_CHECK(!storage || at::isFloatingType(*storage), "decode: storage is of type ", *storage,
              "; expected a floating point type");
  options_.causal = true;
  if (options_.strengths) options_.strengths = options_.strengths->detach();
}

template <class Function>
void DecodeCache::for_each_tensor(const Function& function) {
  for (auto* tensor : {&key_, &value_, &padded_, &products_}) {
    if (tensor->defined()) function(*tensor);
  }
  for (auto& tensor : column_sums_) function(tensor);
}

void DecodeCache::reserve(int64_t capacity) {
  TORCH_CHECK(key_.defined(), "decode: the cache is empty; its first tokens fix what is to be reserved");
  if (capacity <= capacity_) return;
  for_each_tensor([&](at::Tensor& tensor) {
    auto sizes = tensor.sizes().vec();
    sizes[2] = capacity;
    auto grown = at::zeros(sizes, tensor.options());
    grown.narrow(2, 0, length_).copy_(tensor.narrow(2, 0, length_));
    tensor = grown;
  });
  capacity_ = capacity;
}

void DecodeCache::reorder(const at::Tensor& indices) {
  TORCH_CHECK(indices.dim() == 1 && indices.scalar_type() == at::kLong, "decode: indices have shape ", indices.sizes(),
              " and type ", indices.scalar_type(), "; expected [new batch] and Long");
  if (!key_.defined()) return;
  const int64_t rows = key_.size(0);
  if (indices.numel() > 0) {
    const int64_t least = indices.min().item<int64_t>(), largest = indices.max().item<int64_t>();
    TORCH_CHECK(least >= 0 && largest < rows, "decode: indices reach from ", least, " to ", largest,
                "; the cache has batch rows 0 to ", rows - 1);
  }
  for_each_tensor([&](at::Tensor& tensor) { tensor = tensor.index_select(0, indices.to(tensor.device())); });
}

void DecodeCache::check(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                        const std::optional<at::Tensor>& key_mask) const {
  AttentionOptions options = options_;
  options.key_mask = key_mask;
  check_arguments(query, key, value, options);
  if (!key_.defined()) return;
  check_matches("batch rows", query.size(0), key_.size(0));
  check_matches("heads", query.size(1), column_sums_[0].size(1));
  check_matches("key heads", key.size(1), key_.size(1));
  check_matches("channels", query.size(3), key_.size(3));
  const bool held_in_double = (options_.elemmul ? products_ : key_).scalar_type() == at::kDouble;
  check_type("query", working_type(query), held_in_double ? at::kDouble : at::kFloat);
  TORCH_CHECK(query.device() == key_.device(), "decode: query is on ", query.device(), ", the cache on ", key_.device(),
              "; they must agree");
}

void DecodeCache::allocate(const at::Tensor& query, const at::Tensor& key) {
  const int64_t batch = query.size(0), heads = query.size(1), channels = query.size(3);
  capacity_ = kFirstCapacity;
  const auto stored = key.options().dtype(storage_.value_or(key.scalar_type()));
  const auto working = query.options().dtype(working_type(query));
  key_ = at::zeros({batch, key.size(1), capacity_, channels}, stored);
  if (options_.elemmul) {
    products_ = at::zeros({batch, heads, capacity_, channels}, working);
    column_sums_ = {at::zeros({batch, heads, capacity_}, working)};
    return;
  }
  value_ = at::zeros_like(key_);
  for (int64_t step = 0; step < options_.steps; ++step) {
    column_sums_.push_back(at::zeros({batch, heads, capacity_}, working.dtype(at::kDouble)));
  }
}

void DecodeCache::append(const at::Tensor& key, const at::Tensor& value, const std::optional<at::Tensor>& key_mask) {
  const int64_t count = key.size(2), needed = length_ + count;
  if (needed > capacity_) reserve(std::max(needed, 2 * capacity_));
  if (key_mask && !padded_.defined()) {
    padded_ = at::zeros({key.size(0), 1, capacity_}, key.options().dtype(at::kBool));
  }
  // Whatever padded tokens hold, NaN even, must not meet a weight of 0.
  const auto store = [&](const at::Tensor& held, const at::Tensor& fresh) {
    auto place = held.narrow(2, length_, count);
    place.copy_(fresh);
    if (key_mask) place.masked_fill_(key_mask->logical_not().unsqueeze(1).unsqueeze(-1), 0);
  };
  store(key_, key);
  if (value_.defined()) store(value_, value);
  if (key_mask) padded_.narrow(2, length_, count).copy_(key_mask->logical_not().unsqueeze(1));
  length_ = needed;
}

// S of the rows from `begin` on against the keys up to the last of them, −∞ where a query does not see the key.
at::Tensor DecodeCache::scores(const at::Tensor& query, int64_t begin) const {
  const int64_t rows = query.size(2), end = begin + rows;
  const double scale = 1 / std::sqrt(static_cast<double>(query.size(3)));
  const auto keys = key_.narrow(2, 0, end).to(query.scalar_type());
  auto result = grouped_matmul(query * scale, keys.transpose(-1, -2));
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (rows > 1) {
    const auto later = at::ones({rows, rows}, query.options().dtype(at::kBool)).triu(1);
    result.narrow(-1, begin, rows).masked_fill_(later, -infinity);
  }
  if (padded_.defined()) result.masked_fill_(padded_.narrow(2, 0, end).unsqueeze(2), -infinity);
  return result;
}

// A real query sees at least itself; the rows of padded ones are 0.
at::Tensor DecodeCache::row_softmax(const at::Tensor& logits, int64_t begin) const {
  auto result = logits.softmax(-1);
  if (padded_.defined()) result.masked_fill_(padded_.narrow(2, begin, logits.size(2)).unsqueeze(-1), 0);
  return result;
}

// Of the rows from `begin` on, [B or 1, 1, rows, 1]: what the sum of their messages is multiplied by.
at::Tensor DecodeCache::shares(int64_t begin, int64_t rows, const at::Tensor& like) const {
  const auto last = at::arange(begin, begin + rows, like.options().dtype(at::kLong)).view({1, 1, rows, 1});
  auto senders = options_.exclude_self ? last : last + 1;
  if (padded_.defined()) {
    const auto padding =
        padded_.narrow(2, 0, begin + rows).to(at::kLong).cumsum(2).narrow(2, begin, rows).unsqueeze(-1);
    senders = senders - padding;  // of real rows: none of the padding up to it is its own
  }
  return strength_shares(senders.clamp_min(0), options_, like);
}

at::Tensor DecodeCache::refined_rows(const at::Tensor& query, int64_t begin) {
  const int64_t rows = query.size(2), end = begin + rows;
  const auto logits = scores(query, begin);
  auto weights = row_softmax(logits, begin);
  if (options_.strengths || options_.strength != 0) {
    for (auto& held : column_sums_) {
      const auto messages = make_messages(weights, options_).to(at::kDouble);
      auto before = held.narrow(2, 0, end).unsqueeze(2);
      auto bias = rows > 1 ? messages.cumsum(2) : messages;
      if (options_.exclude_self) bias = bias - messages;
      bias = bias + before;
      if (options_.strength_length > 0) bias = bias * shares(begin, rows, bias);
      before.add_(messages.sum(2, /*keepdim=*/true));
      // c may be thousands: its largest is taken out before it is rounded to float.
      bias = bias - bias.amax(-1, /*keepdim=*/true);
      weights = row_softmax(logits + bias.to(logits.scalar_type()), begin);
    }
  }
  return grouped_matmul(weights, value_.narrow(2, 0, end).to(query.scalar_type()));
}

// O_j = a_j Σ_{i≤j} a_iᵀ v_i / (a_j Σ_{i≤j} a_i): the rows before the block from W and s, those in it as a product.
at::Tensor DecodeCache::elemmul_rows(const at::Tensor& query, const at::Tensor& value_in, int64_t begin) {
  const int64_t end = begin + query.size(2), group = query.size(1) / std::max<int64_t>(1, value_in.size(1));
  const auto attention = row_softmax(scores(query, begin), begin);
  auto value = value_in;
  if (padded_.defined()) value = value.masked_fill(padded_.narrow(2, begin, query.size(2)).unsqueeze(-1), 0);
  if (group > 1) value = value.repeat_interleave(group, 1);
  auto products = products_.narrow(2, 0, end), sums = column_sums_[0].narrow(2, 0, end);
  const auto inner = at::matmul(attention, attention.transpose(-1, -2)).tril();
  const auto numerator = at::matmul(attention, products) + at::matmul(inner, value);
  auto normaliser = at::matmul(attention, sums.unsqueeze(-1)) + inner.sum(-1, /*keepdim=*/true);
  if (padded_.defined()) normaliser.masked_fill_(padded_.narrow(2, begin, query.size(2)).unsqueeze(-1), 1);
  if (query.size(2) == 1) {
    products.addcmul_(attention.transpose(-1, -2), value);
  } else {
    products.add_(at::matmul(attention.transpose(-1, -2), value));
  }
  sums.add_(attention.sum(2));
  return numerator / normaliser;
}

at::Tensor prefill(DecodeCache& cache, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                   const std::optional<at::Tensor>& key_mask) {
  const c10::NoGradGuard no_grad;
  cache.check(query, key, value, key_mask);
  if (!cache.key_.defined()) cache.allocate(query, key);
  const int64_t begin = cache.length_, count = query.size(2);
  cache.append(key, value, key_mask);
  auto output = empty_output(query);
  const int64_t row_elements = std::max<int64_t>(1, query.size(0) * query.size(1) * cache.length_);
  const int64_t block = std::clamp<int64_t>(kBlockElements / row_elements, 1, kMaxBlockRows);
  for (int64_t row = 0; row < count; row += block) {
    const int64_t rows = std::min(block, count - row);
    const auto part = [&](const at::Tensor& tensor) { return tensor.narrow(2, row, rows).to(working_type(query)); };
    output.narrow(2, row, rows)
        .copy_(cache.options_.elemmul ? cache.elemmul_rows(part(query), part(value), begin + row)
                                      : cache.refined_rows(part(query), begin + row));
  }
  return output;
}

at::Tensor decode_step(DecodeCache& cache, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                       const std::optional<at::Tensor>& key_mask) {
  TORCH_CHECK(query.dim() != 4 || query.size(2) == 1, "decode: a step takes one token, found ", query.size(2),
              "; prefill takes several");
  return prefill(cache, query, key, value, key_mask);
}

}  // namespace saobp::attention

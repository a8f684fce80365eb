// A table whose gradient is sparse is updated as if it were dense, and its rows at rest are decayed alone.
#include "saobp/train/adamw_rows.h"

#include <gtest/gtest.h>

#include <cmath>

#include "saobp/train/optimizer.h"
#include "tests/model/tools.h"

namespace saobp::train {
namespace {

using model::TensorList;
using model::testing::largest_difference;
using model::testing::same_bits;
using model::testing::ThreadCount;

constexpr int64_t kRows = 1100, kColumns = 21;  // of no vector's width
constexpr int64_t kGap = 27;                    // only rows that it divides are ever read

torch::Tensor drawn(at::IntArrayRef sizes, uint64_t seed, double scale = 1) {
  return torch::randn(sizes, at::make_generator<at::CPUGeneratorImpl>(seed)) * scale;
}

OptimizerOptions strong_options() {
  OptimizerOptions options;
  options.weight_decay = 0.3, options.beta1 = 0.8, options.beta2 = 0.95, options.epsilon = 1e-6, options.clip = 5;
  return options;
}

// A table that a step reads a few rows of, some of them twice, and a vector.
struct Table {
  torch::Tensor table = drawn({kRows, kColumns}, 1).requires_grad_(), vector = drawn({7}, 2).requires_grad_();

  TensorList list() const { return {{"table", table}, {"vector", vector}}; }

  // Of every third step no row, of every fifth a dense gradient. The scales are such that some steps are clipped.
  void set_gradients(uint64_t step, bool sparse) {
    auto generator = at::make_generator<at::CPUGeneratorImpl>(100 + step);
    const int64_t read = step % 3 == 0 ? 0 : 12;
    const auto rows = torch::randint(0, 40, {1, read}, generator, torch::kLong) * kGap;
    const auto values = drawn({read, kColumns}, 200 + step, std::pow(10.0, static_cast<double>(step % 4) - 2));
    const auto gradient = torch::sparse_coo_tensor(rows, values, {kRows, kColumns});
    table.mutable_grad() = sparse && step % 5 != 0 ? gradient : gradient.to_dense();
    vector.mutable_grad() = drawn({7}, 300 + step, 0.1);
  }
};

TEST(AdamWRows, EqualADenseUpdate) {
  Table sparse, dense;
  AdamW of_rows(sparse.list(), strong_options()), of_all(dense.list(), strong_options());
  int clipped = 0;
  for (uint64_t step = 1; step <= 14; ++step) {
    sparse.set_gradients(step, true), dense.set_gradients(step, false);
    const double norm = of_rows.update(0.05), expected = of_all.update(0.05);
    EXPECT_NEAR(norm, expected, 1e-5 * expected);
    clipped += norm > 5;
    EXPECT_FALSE(sparse.table.grad().defined()) << "gradients are dropped";
  }
  EXPECT_TRUE(clipped > 1 && clipped < 10) << clipped;
  EXPECT_LT(largest_difference(sparse.table, dense.table), 5e-6);
  EXPECT_LT(largest_difference(sparse.vector, dense.vector), 5e-6);
  const auto a = of_rows.state(), b = of_all.state();
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_LT(largest_difference(a[i].second, b[i].second), 1e-5 * b[i].second.abs().max().item<double>())
        << a[i].first;
  const auto at_rest = torch::arange(kRows).remainder(kGap).ne(0).unsqueeze(1);
  const auto moved = (sparse.table - Table().table * std::pow(1 - 0.05 * 0.3, 14)).detach();
  EXPECT_LT(moved.masked_fill(~at_rest, 0).abs().max().item<double>(), 1e-5) << "these were never read";
  EXPECT_GT(moved.masked_fill(at_rest, 0).abs().max().item<double>(), 0.1);
}

TEST(AdamWRows, GoOnToTheSameBitsFromASavedState) {
  Table whole, resumed;
  AdamW first(whole.list(), strong_options()), second(resumed.list(), strong_options());
  for (uint64_t step = 1; step <= 4; ++step) whole.set_gradients(step, true), first.update(0.05);
  second.load_state(first.state(), "optimizer.safetensors");
  {
    torch::NoGradGuard no_grad;
    resumed.table.copy_(whole.table), resumed.vector.copy_(whole.vector);
  }
  for (uint64_t step = 6; step <= 9; ++step) {  // none of them dense
    whole.set_gradients(step, true), first.update(0.05);
    resumed.set_gradients(step, true), second.update(0.05);
  }
  EXPECT_TRUE(same_bits(whole.table, resumed.table));
  const auto a = first.state(), b = second.state();
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(same_bits(a[i].second, b[i].second)) << a[i].first;
}

TEST(AdamWRows, GiveTheSameBitsOnAnyNumberOfThreads) {
  const auto after = [](int threads) {
    const ThreadCount set(threads);
    Table table;
    AdamW optimizer(table.list(), strong_options());
    for (uint64_t step = 1; step <= 4; ++step) table.set_gradients(step, true), optimizer.update(0.05);
    return table.table;
  };
  EXPECT_TRUE(same_bits(after(1), after(3)));
}

TEST(AdamWRows, ANonFiniteGradientChangesNothing) {
  Table table;
  AdamW optimizer(table.list(), strong_options());
  table.set_gradients(1, true);
  const auto rows = torch::tensor({{3}});
  table.table.mutable_grad() = torch::sparse_coo_tensor(rows, torch::full({1, kColumns}, NAN), {kRows, kColumns});
  EXPECT_TRUE(std::isnan(optimizer.update(0.05)));
  EXPECT_TRUE(same_bits(table.table, Table().table));
}

}  // namespace
}  // namespace saobp::train

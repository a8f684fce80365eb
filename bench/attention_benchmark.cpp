// Times the operator over the tests' case table, and over the shapes that docs/performance.md speaks of: forward alone,
// and with every gradient. google/benchmark's flags apply, e.g.
//   build/release/bin/attention_benchmark --benchmark_filter=causal --benchmark_format=json
// That the results are right is what the tests hold, over the same cases.
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>

#include "tests/attention/case_table.h"

namespace saobp::attention::testing {
namespace {

void forward(benchmark::State& state, const Case& c) {
  const auto in = inputs_of(c);
  const auto options = options_of(c);
  const c10::NoGradGuard no_grad;
  for (auto _ : state) benchmark::DoNotOptimize(refined_attention(in.query, in.key, in.value, options));
  state.SetLabel(last_kernel());
}

void train(benchmark::State& state, const Case& c) {
  const auto in = inputs_of(c);
  const auto options = options_of(c);
  const auto upstream = at::ones_like(in.query);
  for (auto _ : state) benchmark::DoNotOptimize(run(in, options, upstream));
  state.SetLabel(last_kernel() + " " + last_backward_kernel());
}

void add(const Case& c) {
  const auto name = describe(c);
  benchmark::RegisterBenchmark(("forward " + name).c_str(), forward, c)->UseRealTime()->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark(("train " + name).c_str(), train, c)->UseRealTime()->Unit(benchmark::kMillisecond);
}

}  // namespace
}  // namespace saobp::attention::testing

int main(int argc, char** argv) {
  using namespace saobp::attention::testing;
  for (const auto& c : encoder_cases()) add(c);
  for (const auto& c : causal_cases()) add(c);
  for (const auto& [batch, length] : {std::pair{16, 128}, {4, 512}, {1, 2048}}) {
    for (const double strength : {0.0, 0.2}) {
      for (const bool causal : {false, true}) add({batch, 8, 8, length, length, 64, {strength}, causal});
    }
  }
  benchmark::AddCustomContext("threads", std::to_string(at::get_num_threads()));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "saobp/attention/reference.h"
#include "saobp/attention/refined_attention.h"
#include "saobp/cli/bench_dtype.h"
#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/flags.h"

namespace saobp::cli {
namespace {

using attention::AttentionOptions;
using attention::Variant;

enum class Pass { forward, train };

const std::vector<std::string>& enum_names(Pass) {
  static const std::vector<std::string> names = {"forward", "train"};
  return names;
}

struct BenchAttentionOptions {
  std::string shape = "16,8,128,64";  // batch, heads, length, channels
  BenchDtype dtype = BenchDtype::f32;
  Variant variant = Variant::high;
  double strength = 0.2;
  bool causal = false;
  Pass pass = Pass::forward;
  int64_t threads = 0;  // 0: as many as the process has
  int64_t repeats = 20;
  bool sdpa = false, statistics = false;
  std::optional<Variant> against;
  Console console;
};

struct Inputs {
  at::Tensor query, key, value, upstream;
};

std::vector<int64_t> parse_shape(const std::string& text) {
  std::vector<int64_t> shape;
  std::stringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    char* end = nullptr;
    const long long size = std::strtoll(part.c_str(), &end, 10);
    if (part.empty() || *end != '\0' || size < 1) fail_usage("--shape: \"", part, "\" is not a positive number");
    shape.push_back(size);
  }
  if (shape.size() != 4)
    fail_usage("--shape: found ", io::counted(shape.size(), "number"), " in \"", text,
               "\"; expected batch,heads,length,channels");
  return shape;
}

AttentionOptions attention_options(const BenchAttentionOptions& options) {
  AttentionOptions result = attention::from_variant(options.variant, options.strength);
  result.causal = options.causal;
  return result;
}

// What PyTorch's users run instead: plain attention.
std::vector<at::Tensor> call_sdpa(const Inputs& in, const AttentionOptions& options, bool train) {
  const auto attend = [&] {
    return at::scaled_dot_product_attention(in.query, in.key, in.value, {}, 0.0, options.causal);
  };
  if (!train) {
    const at::NoGradGuard no_grad;
    return {attend()};
  }
  return torch::autograd::grad({attend()}, {in.query, in.key, in.value}, {in.upstream});
}

// One timed call: the public operator, with fresh outputs. Returns output and, for the train pass, three gradients.
std::vector<at::Tensor> call(const Inputs& in, const AttentionOptions& options, bool train, bool statistics = false) {
  if (!train) {
    const at::NoGradGuard no_grad;
    if (!statistics) return {attention::refined_attention(in.query, in.key, in.value, options)};
    const auto result = attention::refined_attention_with_statistics(in.query, in.key, in.value, options);
    return {result.output, result.entropy_a};
  }
  const auto output = attention::refined_attention(in.query, in.key, in.value, options);
  auto results = torch::autograd::grad({output}, {in.query, in.key, in.value}, {in.upstream});
  results.insert(results.begin(), output.detach());
  return results;
}

std::vector<at::Tensor> reference(const Inputs& in, const AttentionOptions& options, bool train, at::ScalarType type) {
  const auto leaf = [&](const at::Tensor& t) { return t.detach().to(type).set_requires_grad(train); };
  const auto query = leaf(in.query), key = leaf(in.key), value = leaf(in.value);
  const auto output = attention::reference_attention(query, key, value, options);
  std::vector<at::Tensor> results = {output.detach()};
  if (train) {
    for (auto& g : torch::autograd::grad({output}, {query, key, value}, {in.upstream.to(type)})) results.push_back(g);
  }
  return results;
}

// The same results in the order of `dims` from their other end, which sums everything the other way round.
std::vector<at::Tensor> reference_flipped(const Inputs& in, const AttentionOptions& options, bool train,
                                          at::IntArrayRef query_key_dims, at::IntArrayRef all_dims) {
  const auto flip = [&](const at::Tensor& t, bool with_channels) {
    return t.detach().flip(all_dims).flip(with_channels ? query_key_dims : at::IntArrayRef());
  };
  const Inputs flipped = {flip(in.query, true), flip(in.key, true), flip(in.value, false), flip(in.upstream, false)};
  auto results = reference(flipped, options, train, in.query.scalar_type());
  for (size_t i = 0; i < results.size(); ++i) results[i] = flip(results[i], i == 1 || i == 2);
  return results;
}

// At most twice (gradients: three times) the error of the reference in the same type, both against double, plus a few
// roundings of the largest value. One run of the reference may be close by chance: the largest error of three orders
// counts.
void verify_heads(const Inputs& in, const AttentionOptions& options, bool train,
                  const std::vector<at::Tensor>& actual) {
  const auto exact = reference(in, options, train, at::kDouble);
  std::vector<std::vector<at::Tensor>> plain = {reference_flipped(in, options, train, {}, {}),
                                                reference_flipped(in, options, train, {3}, {})};
  if (!options.causal) plain.push_back(reference_flipped(in, options, train, {}, {2}));
  const char* names[] = {"output", "query gradient", "key gradient", "value gradient"};
  const double rounding = in.query.scalar_type() == at::kFloat ? 6e-8 : 4e-3;
  for (size_t i = 0; i < exact.size(); ++i) {
    const auto error = [&](const at::Tensor& t) { return (t.to(at::kDouble) - exact[i]).abs().max().item<double>(); };
    double largest = 0;
    for (const auto& run : plain) largest = std::max(largest, error(run[i]));
    const double allowed = (i == 0 ? 2 : 3) * largest + 4 * rounding * exact[i].abs().max().item<double>();
    const double found = error(actual[i]);
    if (!(found <= allowed)) {
      fail("bench attention: the ", names[i], " is off by ", found, " from the reference; at most ", allowed,
           " is allowed");
    }
  }
}

// The reference makes L×L matrices, so large inputs are checked head by head, and the largest not at all. Returns what
// was checked.
std::string verify(const Inputs& in, const AttentionOptions& options, bool train,
                   const std::vector<at::Tensor>& actual) {
  constexpr int64_t kLongest = 4096, kTogether = int64_t{1} << 24;
  const int64_t batch = in.query.size(0), heads = in.query.size(1), length = in.query.size(2);
  if (length > kLongest) return concat("nothing: the reference makes L×L matrices, and L exceeds ", kLongest);
  if (batch * heads * length * length <= kTogether) {
    verify_heads(in, options, train, actual);
    return "everything";
  }
  for (int64_t head = 0; head < batch * heads; ++head) {
    const auto one = [&](const at::Tensor& t) {
      return t.detach().narrow(0, head / heads, 1).narrow(1, head % heads, 1);
    };
    std::vector<at::Tensor> of_head;
    for (const auto& result : actual) of_head.push_back(one(result));
    verify_heads({one(in.query), one(in.key), one(in.value), one(in.upstream)}, options, train, of_head);
  }
  return "everything, head by head";
}

// A field of /proc/self/status, in bytes; 0 where there is none.
int64_t status_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field + ":")) return std::strtoll(line.c_str() + field.size() + 1, nullptr, 10) * 1024;
  }
  return 0;
}

// The most memory that one call takes beyond its inputs and results, from the resident set of the process. For the
// first call of that size: later ones find the allocator's pages in place.
int64_t peak_bytes(const Inputs& in, const AttentionOptions& options, bool train) {
  const auto part = [](const at::Tensor& t) {
    return t.detach().slice(0, 0, 1).slice(1, 0, 1).slice(2, 0, 2).clone().set_requires_grad(t.requires_grad());
  };
  call({part(in.query), part(in.key), part(in.value), part(in.upstream)}, options, train);  // loads the code
  const int64_t before = status_bytes("VmRSS");
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak starts anew
  const auto results = call(in, options, train);
  int64_t used = status_bytes("VmHWM") - before;
  for (const auto& result : results) used -= static_cast<int64_t>(result.nbytes());
  return std::max<int64_t>(used, 0);
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Peer {
  std::string name;
  std::function<std::vector<at::Tensor>()> run;
  std::vector<double> milliseconds;
};

nlohmann::json measure(const BenchAttentionOptions& options) {
  const auto shape = parse_shape(options.shape);
  const AttentionOptions attention = attention_options(options);
  const bool train = options.pass == Pass::train;
  if (train && options.statistics) fail_usage("--statistics goes with --pass forward");
  if (options.threads > 0) at::set_num_threads(static_cast<int>(options.threads));
  at::manual_seed(1);
  const auto type = options.dtype == BenchDtype::bf16 ? at::kBFloat16 : at::kFloat;
  const auto normal = [&] { return at::randn(shape, type).set_requires_grad(train); };
  const Inputs in{normal(), normal(), normal(), at::ones(shape, type)};

  const int64_t peak = peak_bytes(in, attention, train);
  // What the call is held against, in turn, so that all meet the same machine.
  std::vector<Peer> peers;
  if (options.sdpa) peers.push_back({"sdpa", [&] { return call_sdpa(in, attention, train); }, {}});
  if (options.statistics) {
    peers.push_back({"no_statistics", [&] { return call(in, attention, train, /*statistics=*/false); }, {}});
  }
  if (options.against) {
    BenchAttentionOptions other = options;
    other.variant = *options.against;
    peers.push_back({io::enum_name(other.variant),
                     [&in, train, other = attention_options(other)] { return call(in, other, train); },
                     {}});
  }
  std::vector<double> milliseconds;
  std::vector<at::Tensor> results;
  const int64_t warm_ups = std::min<int64_t>(3, options.repeats);
  for (int64_t i = 0; i < warm_ups + options.repeats; ++i) {
    const auto time = [&](std::vector<double>& times, auto&& run) {
      results.clear();
      const auto start = std::chrono::steady_clock::now();
      results = run();
      const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
      if (i >= warm_ups) times.push_back(elapsed.count());
    };
    for (Peer& peer : peers) time(peer.milliseconds, peer.run);
    time(milliseconds, [&] { return call(in, attention, train, options.statistics); });
  }
  const std::string kernel = attention::last_kernel();
  const std::string checked = verify(in, attention, train, results);

  const double median = median_of(milliseconds);
  // Plain attention's products, whatever the path really does: Q Kᵀ and A V, and the five of the backward pass.
  const double products = (train ? 7 : 2) * (options.causal ? 0.5 : 1);
  const double flops = 2.0 * products * shape[0] * shape[1] * shape[2] * shape[2] * shape[3];
  nlohmann::json result = {{"shape", shape},
                           {"dtype", io::enum_name(options.dtype)},
                           {"variant", io::enum_name(options.variant)},
                           {"strength", options.strength},
                           {"pass", io::enum_name(options.pass)},
                           {"statistics", options.statistics},
                           {"against", options.against ? io::enum_name(*options.against) : ""},
                           {"causal", options.causal},
                           {"threads", at::get_num_threads()},
                           {"repeats", options.repeats},
                           {"median_ms", median},
                           {"min_ms", *std::min_element(milliseconds.begin(), milliseconds.end())},
                           {"gflops", flops / median * 1e-6},
                           {"peak_bytes", peak},
                           {"checked", checked},
                           {"kernel", kernel}};
  for (const Peer& peer : peers) {
    std::vector<double> ratios;
    for (size_t i = 0; i < milliseconds.size(); ++i) ratios.push_back(milliseconds[i] / peer.milliseconds[i]);
    result[peer.name + "_median_ms"] = median_of(peer.milliseconds);
    result["ratio_to_" + peer.name] = median_of(ratios);
  }
  return result;
}

std::string sentence(const nlohmann::json& r) {
  char line[240];
  std::snprintf(
      line, sizeof line, "%s attention, %s, %s, %s%s, %s: %.3f ms (best %.3f), %.1f GFLOP/s, %.1f MB, %s; checked: %s",
      r["variant"].get<std::string>().c_str(), r["shape"].dump().c_str(), r["dtype"].get<std::string>().c_str(),
      r["pass"].get<std::string>().c_str(), r["causal"].get<bool>() ? ", causal" : "",
      io::counted(r["threads"].get<int64_t>(), "thread").c_str(), r["median_ms"].get<double>(),
      r["min_ms"].get<double>(), r["gflops"].get<double>(), r["peak_bytes"].get<double>() / 1e6,
      r["kernel"].get<std::string>().c_str(), r["checked"].get<std::string>().c_str());
  std::string text = line;
  const std::pair<std::string, std::string> peers[] = {
      {"sdpa", "plain SDPA's time"},
      {"no_statistics", "the time without statistics"},
      {r["against"].get<std::string>(), r["against"].get<std::string>() + "'s time"}};
  for (const auto& [name, meaning] : peers) {
    const auto ratio = r.find(concat("ratio_to_", name));
    if (ratio == r.end()) continue;
    std::snprintf(line, sizeof line, "; %.3f of %s (%.3f ms)", ratio->get<double>(), meaning.c_str(),
                  r[concat(name, "_median_ms")].get<double>());
    text += line;
  }
  return text;
}

}  // namespace

void add_bench_attention(CLI::App& bench) {
  auto options = std::make_shared<BenchAttentionOptions>();
  auto* command = bench.add_subcommand("attention", "Time the attention operator, and check its result");
  FieldsToFlags flags{*command};
  flags("shape", options->shape, "batch,heads,length,channels");
  flags("dtype", options->dtype, "type of query, key and value");
  flags.add("--attention,--variant", options->variant, "which attention");
  flags("strength", options->strength, "λ; low turns its sign", io::between(0, 20));
  command->add_flag("--causal", options->causal, "the decoder's form");
  flags("pass", options->pass, "forward, or train: with the gradients");
  flags("threads", options->threads, "threads; 0: as many as the process has", io::between(0, 1024));
  flags("repeats", options->repeats, "timed calls, after up to 3 that are not; fewer than 20 only to look at memory",
        io::between(1, 1e6));
  command->add_flag("--statistics", options->statistics, "ask for the rows' entropies and norms too (forward only)");
  command->add_flag("--sdpa", options->sdpa, "also time PyTorch's plain attention, in turn, and give the ratio");
  flags("against", options->against, "also time this variant, in turn, and give the ratio");
  add_example(*command, "Example:\n  saobp bench attention --shape 16,8,128,64 --sdpa");
  options->console.add_flag(*command);
  command->callback([options] {
    const auto result = measure(*options);
    options->console.line(sentence(result));
    options->console.result(result);
  });
}

}  // namespace saobp::cli

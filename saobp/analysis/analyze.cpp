#include "saobp/analysis/analyze.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "saobp/analysis/long_attention.h"
#include "saobp/io/error.h"
#include "saobp/io/words.h"

namespace saobp::analysis {
namespace {

// Tokens whose activations are kept at a time, while they are measured.
constexpr int64_t kBlockTokens = 8192;

// work(0), work(1) …, each in one thread. A single one has all threads to itself. These are no threads of OpenMP's: in
// a parallel region of its own MKL's LU decomposition goes wrong now and then ("parameter 6 was incorrect on entry to
// DLASWP").
void in_parallel(int64_t count, const std::function<void(int64_t)>& work) {
  const int all = at::get_num_threads();
  const int64_t threads = std::min<int64_t>(count, all);
  if (threads <= 1) {
    for (int64_t i = 0; i < count; ++i) work(i);
    return;
  }
  std::atomic<int64_t> next = 0;  // whoever is free takes the next, as sequences differ in length
  std::exception_ptr failure;
  std::mutex failing;
  const auto run = [&] {
    at::set_num_threads(1);
    try {
      for (int64_t i = next++; i < count; i = next++) work(i);
    } catch (...) {
      const std::lock_guard lock(failing);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  std::vector<std::thread> others;
  others.reserve(static_cast<size_t>(threads));
  for (int64_t i = 0; i < threads; ++i) others.emplace_back(run);
  for (auto& other : others) other.join();
  at::set_num_threads(all);  // which new threads begin with
  if (failure) std::rethrow_exception(failure);
}

// "1-32", "33-64", "65-128" …
std::string length_bucket(int64_t length) {
  int64_t last = 32;
  while (last < length) last *= 2;
  return concat(last == 32 ? 1 : last / 2 + 1, "-", last);
}

std::vector<const Measure*> without_spectra(const std::vector<const Measure*>& measures) {
  std::vector<const Measure*> rest;
  for (const auto* measure : measures)
    if (measure->cost != Cost::spectra) rest.push_back(measure);
  return rest;
}

// Means of all sequences and of parts of them.
struct AllMeans {
  MeasureMeans whole;
  std::map<std::string, std::map<std::string, MeasureMeans>> parts;  // "position", "length", "label" …

  io::Json to_json() const {
    auto json = whole.to_json();
    for (const auto& [part, groups] : parts)
      for (const auto& [name, means] : groups) json["by_" + part][name] = means.to_json();
    return json;
  }
};

// The share that the first key would get if each query looked at all that it sees alike: the mean over sequences.
double even_share(const std::vector<AnalysisItem>& items, bool causal) {
  double sum = 0;
  for (const auto& item : items) {
    const auto length = static_cast<double>(item.tokens.ids.size());
    double share = 1 / length;
    if (causal) {
      share = 0;
      for (double row = 1; row <= length; ++row) share += 1 / (row * length);
    }
    sum += share;
  }
  return sum / static_cast<double>(items.size());
}

io::Json described(const std::vector<const Measure*>& measures) {
  io::Json json;
  for (const auto* measure : measures)
    json[measure->name] = {{"heading", measure->heading}, {"unit", measure->unit}, {"definition", measure->definition}};
  return json;
}

}  // namespace

void AnalysisOptions::check(const std::vector<std::string>& besides) const {
  io::check_limits(*this);
  auto taken = besides;
  for (const Measure* each : find_measures(measures)) taken.push_back(each->name);
  const MeasureOptions usual;
  const AnalysisOptions plain;
  struct Setting {
    const char* flag;
    bool changed;
    std::vector<std::string> users;
  };
  std::vector<std::string> spectra;
  for (const auto& each : all_measures())
    if (each.cost == Cost::spectra) spectra.push_back(each.name);
  const std::vector<std::string> chains = {"gtd", "indirect_entropy", "cross_layer_gtd"},
                                 graphs = {"clustering", "betweenness"};
  for (const auto& [flag, changed, users] :
       {Setting{"--gtd-discount", measure.gtd_discount != usual.gtd_discount, chains},
        Setting{"--gtd-hops", measure.gtd_hops != usual.gtd_hops, chains},
        Setting{"--sparsity-threshold", measure.sparsity_threshold != usual.sparsity_threshold, {"sparsity"}},
        Setting{"--sink-threshold", measure.sink_threshold != usual.sink_threshold, {"sink_rate"}},
        Setting{"--graph-threshold", measure.graph_threshold != usual.graph_threshold, graphs},
        Setting{"--graph-tokens", measure.graph_tokens != usual.graph_tokens, graphs},
        Setting{"--spectrum-sequences", spectrum_sequences != plain.spectrum_sequences, spectra}})
    if (changed && std::find_first_of(taken.begin(), taken.end(), users.begin(), users.end()) == taken.end())
      fail_usage(flag, " is for ", io::listed(users), ", and --measures has none of them");
}

io::Json analyze(const model::Model& model, const std::vector<AnalysisItem>& items, const AnalysisOptions& options,
                 const std::string& model_name, const std::string& text_name, const std::function<void(size_t)>& done,
                 const std::function<void(size_t, const Measured&)>& each) {
  io::check_limits(options);
  const MeasureRequest all{find_measures(options.measures), options.buckets};
  const MeasureRequest cheap{without_spectra(all.measures), options.buckets};
  const auto count = static_cast<int64_t>(items.size());
  const int64_t with_spectra = options.spectrum_sequences == 0 ? count : std::min(count, options.spectrum_sequences);
  // Whether a sequence is one of those, which lie as evenly as whole numbers can.
  const auto has_spectra = [&](int64_t i) { return (i + 1) * with_spectra / count > i * with_spectra / count; };

  AllMeans means;
  int64_t long_sequences = 0;
  for (int64_t first = 0; first < count;) {
    std::vector<Captured> block;
    for (int64_t tokens = 0; first + std::ssize(block) < count;) {
      const auto& sequence = items[static_cast<size_t>(first + std::ssize(block))].tokens;
      tokens += std::ssize(sequence.ids);
      if (!block.empty() && tokens > kBlockTokens) break;
      block.push_back(capture(model, sequence, model_name));
    }
    std::vector<MeasuredSequence> measured(block.size());
    const auto is_long = [&](int64_t i) {
      return std::ssize(items[static_cast<size_t>(first + i)].tokens.ids) > options.dense_length;
    };
    for (int64_t i = 0; i < std::ssize(block); ++i)  // each with all threads, which the operator shares
      if (is_long(i)) {
        ++long_sequences;
        measured[static_cast<size_t>(i)] = measure_long(
            block[static_cast<size_t>(i)], items[static_cast<size_t>(first + i)].tokens, model->config.causal(), cheap,
            options.measure, options.probes, static_cast<uint64_t>(first + i));
      }
    in_parallel(std::ssize(block), [&](int64_t i) {
      if (is_long(i)) return;
      const auto& tokens = items[static_cast<size_t>(first + i)].tokens;
      const auto& request = has_spectra(first + i) ? all : cheap;
      measured[static_cast<size_t>(i)] =
          measure(model, block[static_cast<size_t>(i)], tokens, request, options.measure);
    });
    for (size_t i = 0; i < block.size(); ++i) {
      const auto& item = items[static_cast<size_t>(first) + i];
      means.whole.add(measured[i].whole);
      if (each) each(static_cast<size_t>(first) + i, measured[i].whole);
      for (const auto& [name, part] : measured[i].by_position) means.parts["position"][name].add(part);
      if (options.buckets) means.parts["length"][length_bucket(std::ssize(item.tokens.ids))].add(measured[i].whole);
      for (const auto& [group, name] : item.groups) means.parts[group][name].add(measured[i].whole);
    }
    first += std::ssize(block);
    if (done) done(static_cast<size_t>(first));
  }
  io::Json json = {{"model", model_name}, {"text", text_name}, {"settings", io::fields_to_json(options)}};
  json.update(means.to_json());
  if (long_sequences > 0) json["long_sequences"] = long_sequences;
  json["idempotent_gtd"] = idempotent_gtd(options.measure);
  json["even_share"] = even_share(items, model->config.causal());
  json["layers"] = model->config.num_hidden_layers;
  json["heads"] = model->config.num_attention_heads;
  json["measures"] = described(all.measures);
  json["weights"] = measure_weights(model, all.measures);
  return json;
}

}  // namespace saobp::analysis

// What attention does while a model trains: entropy and GTD of every head on one fixed batch, so that a collapse is
// seen when it happens.
//
//   model->eval();
//   auto state = monitor_attention(options, {}, [&](const auto& probe) { model->hidden_states({ids, mask}, probe); });
//   metrics.write(state.to_json(step));                     // a line of metrics.jsonl
//   tensorboard.write(step, state.scalars());
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "saobp/analysis/gtd_probes.h"
#include "saobp/io/json.h"
#include "saobp/model/backbone.h"

namespace saobp::analysis {

struct MonitorOptions {
  // The error of GTD falls only with the square root of the probes: it is about 0.002 with 64, 0.0001 with these.
  static constexpr int64_t kMaxProbes = 16384;

  int64_t monitor_every = 0;
  int64_t monitor_rows = 8;
  int64_t monitor_probes = 64;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("monitor_every", self.monitor_every, "steps between looks at attention entropy and GTD; 0: none",
          io::at_least(0));
    visit("monitor_rows", self.monitor_rows, "validation rows that are looked at, the first ones, always the same",
          io::at_least(1));
    visit("monitor_probes", self.monitor_probes, "random vectors that GTD is estimated from, for each row and head",
          io::between(2, kMaxProbes));
  }

  // Throws UsageError that names the flag, its value and its range.
  void check() const;
};

// Of A or B, [layer][head]: means over the sequences of the batch.
struct MonitoredMatrix {
  std::vector<std::vector<double>> attention_entropy;  // nats; empty for B of elemmul
  std::vector<std::vector<double>> gtd;                // estimate
  std::vector<std::vector<double>>
      gtd_standard_error;                          // of the estimate: how far off the exact GTD of this batch it is
  std::vector<std::vector<double>> top_key_share;  // of all attention, on the key that gets most
};

struct MonitoredAttention {
  MonitoredMatrix before, after;  // refinement: A and B; the same where nothing is refined
  int64_t sequences = 0;

  // {"step", "monitored_sequences", "attention": {"A": {"attention_entropy": [[value per head] per layer], "gtd",
  // "gtd_standard_error", "top_key_share"}, "B": {…}}}, rounded to six decimals. attention_entropy is null where there
  // is none.
  io::Json to_json(int64_t step) const;

  // For TensorBoard: of each matrix and layer the means over heads, attention_entropy_A/layer_0, gtd_A/layer_0,
  // top_key_share_A/layer_0 …, and the lowest entropy of a head, lowest_head_entropy_A/layer_0. Layers count from 0.
  std::vector<std::pair<std::string, double>> scalars() const;

  // For people, of the matrix that the layers use: "attention entropy 3.214 nats (lowest: 0.871, layer 2 head 5),
  // GTD 0.853 ± 0.002, top key 0.124 (highest: 0.613, layer 2 head 5)".
  std::string summary() const;
};

// `forward` runs the model, in evaluation mode, over one batch or several and gives each pass the probe; gradients are
// off meanwhile. Probes are drawn from `options` alone, the same ones at every call: changes from one look to the next
// are seen more sharply than the standard error says. Sequences without a real token are left out. `stop` is asked
// between passes over the probes; when it says yes, there is nothing to give.
// Throws Error when there is nothing to look at or attention yields NaN, naming the layer.
std::optional<MonitoredAttention> monitor_attention(const MonitorOptions& options, const MeasureOptions& measures,
                                                    const std::function<void(const model::AttentionProbe&)>& forward,
                                                    const std::function<bool()>& stop = {});

}  // namespace saobp::analysis

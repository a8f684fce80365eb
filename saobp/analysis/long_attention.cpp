#include "saobp/analysis/long_attention.h"

#include <algorithm>

#include "saobp/analysis/gtd_probes.h"
#include "saobp/analysis/values.h"
#include "saobp/model/dropout.h"

namespace saobp::analysis {
namespace {

// What one of A and B is like under these options: B's are the layer's own, A's those without refinement.
std::map<std::string, torch::Tensor> rows_of(const Captured::Layer& layer, const attention::AttentionOptions& options,
                                             Sequence& sequence) {
  // Attention over the marks of tokens is the share that lies on them.
  auto marks = torch::zeros_like(layer.query);
  marks.select(-1, 0).select(-1, 0).fill_(1);
  marks.select(-1, 1).copy_(sequence.special_tokens());
  const auto found = attention::refined_attention_with_statistics(layer.query, layer.key, marks, options);
  const auto most = sequence.visible_keys().log();
  std::map<std::string, torch::Tensor> rows = {{"first_token_share", found.output[0].select(-1, 0)},
                                               {"special_token_share", found.output[0].select(-1, 1)}};
  if (options.elemmul) return rows;  // whose B has no statistics
  const bool refined = is_refined(options);
  const auto entropy = refined ? found.entropy_b[0] : found.entropy_a[0];
  rows["attention_entropy"] = entropy;
  rows["normalized_entropy"] = (entropy / most).masked_fill(most.eq(0), NAN);
  return rows;
}

}  // namespace

MeasuredSequence measure_long(const Captured& captured, const Tokens& tokens, bool causal,
                              const MeasureRequest& request, const MeasureOptions& options, int64_t probes,
                              uint64_t place) {
  const torch::NoGradGuard no_grad;
  MeasuredSequence out;
  Sequence sequence(tokens, causal);
  out.whole.tokens = sequence.length();
  const auto wanted = [&](const std::string& name) {
    return std::any_of(request.measures.begin(), request.measures.end(),
                       [&](const auto* m) { return m->name == name; });
  };
  for (const auto& layer : captured.layers) out.whole.refined |= is_refined(layer.options);
  for (const auto& layer : captured.layers) {
    const auto put = [&](const std::map<std::string, torch::Tensor>& rows, auto& into) {
      for (const char* name : {"attention_entropy", "normalized_entropy", "first_token_share", "special_token_share"}) {
        if (!wanted(name)) continue;
        const auto found = rows.find(name);
        into[name].push_back(found == rows.end() ? std::vector<double>(static_cast<size_t>(layer.query.size(1)), NAN)
                                                 : to_vector(found->second.to(torch::kDouble).nanmean(-1)));
      }
    };
    put(rows_of(layer, unrefined(layer.options), sequence), out.whole.before);
    if (out.whole.refined) put(rows_of(layer, layer.options, sequence), out.whole.after);
    if (!wanted("gtd")) continue;
    const auto [a, b] = probe_attention(layer.query, layer.key, layer.options, options, probes,
                                        model::derive_seed(out.whole.before["gtd"].size() + 1, place));
    out.whole.before["gtd"].push_back(to_vector(a.gtd[0]));
    out.whole.estimate_errors["A"]["gtd"].push_back(to_vector(a.gtd_standard_error[0]));
    if (out.whole.refined) out.whole.after["gtd"].push_back(to_vector(b.gtd[0]));
    out.whole.estimate_errors["B"]["gtd"].push_back(to_vector(b.gtd_standard_error[0]));
  }
  measure_states(captured, request, out.whole);
  return out;
}

}  // namespace saobp::analysis

#include "saobp/recipes/importance.h"

#include <cmath>

#include "saobp/analysis/capture.h"
#include "saobp/io/words.h"
#include "saobp/recipes/questions.h"
#include "saobp/recipes/series.h"

namespace saobp::recipes {
namespace {

enum class Replacement { uniform, mean };

// The rows that take the place of a head's matrix [L, L].
torch::Tensor replaced(const torch::Tensor& matrix, Replacement by, bool causal) {
  auto rows =
      by == Replacement::uniform ? torch::ones_like(matrix) : matrix.mean(0, /*keepdim=*/true).expand_as(matrix);
  if (causal) rows = rows.tril();
  return rows / rows.sum(-1, /*keepdim=*/true);
}

// While it lives, one head of the model looks at the same keys whatever the query.
class Ablation {
 public:
  Ablation(model::ModelImpl& model, int64_t layer, int64_t head, Replacement by) : model_(model) {
    model.change_attention = [=, causal = model.config.causal()](const model::AttentionCall& call,
                                                                 torch::Tensor output) {
      if (call.layer != layer) return output;
      const analysis::Captured::Layer seen{call.query, call.key, call.value, call.options};
      const auto rows = replaced(analysis::matrices_of(seen).after[head], by, causal);
      output = output.clone();
      output[0][head].copy_(torch::mm(rows, call.value[0][head].to(rows.scalar_type())));
      return output;
    };
  }
  ~Ablation() { model_.change_attention = {}; }
  Ablation(const Ablation&) = delete;
  Ablation& operator=(const Ablation&) = delete;

 private:
  model::ModelImpl& model_;
};

}  // namespace

io::Json importance(const AnalyzedModel& analyzed, const AnalysisItems& items_in, int64_t sequences,
                    const std::function<void(const std::string&)>& tell) {
  auto items = items_in;
  if (std::ssize(items.list) > sequences) items.list.resize(static_cast<size_t>(sequences));
  auto& model = *analyzed.opened.model;
  const auto questions = questions_of(analyzed.opened, items);
  std::vector<Answer> before;
  Series loss;
  int64_t predictions = 0;
  for (const auto& question : questions) {
    before.push_back(answer(model, question));
    loss.add(before.back().loss);
    predictions += question.positions.defined() ? question.positions.size(0) : 0;
  }
  io::Json json = {{"sequences", questions.size()}, {"predictions", predictions}, {"loss", loss.mean()}};
  for (const auto by : {Replacement::uniform, Replacement::mean}) {
    auto& part = json[by == Replacement::uniform ? "uniform" : "mean"];
    for (int64_t layer = 0; layer < model.config.num_hidden_layers; ++layer) {
      io::Json heads, errors;
      for (int64_t head = 0; head < model.config.num_attention_heads; ++head) {
        tell(concat("importance of layer ", layer, " head ", head));
        const Ablation ablation(model, layer, head, by);
        Series rise, divergence, cosine;
        for (size_t q = 0; q < questions.size(); ++q) {
          const auto now = answer(model, questions[q]);
          const auto change = change_of(before[q], now);
          rise.add(now.loss - before[q].loss);
          divergence.add(change.divergence), cosine.add(change.states_cosine);
        }
        for (const auto& [name, series] :
             {std::pair("loss", &rise), std::pair("divergence", &divergence), std::pair("states_cosine", &cosine)}) {
          heads[name].push_back(series->mean());
          errors[name].push_back(series->error());
        }
      }
      for (const auto& [name, values] : heads.items()) part[name].push_back(values);
      for (const auto& [name, values] : errors.items()) part["standard_errors"][name].push_back(values);
    }
  }
  return json;
}

}  // namespace saobp::recipes

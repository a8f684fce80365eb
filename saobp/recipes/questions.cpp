#include "saobp/recipes/questions.h"

#include <algorithm>
#include <cmath>

#include "saobp/data/masking.h"
#include "saobp/io/error.h"

namespace saobp::recipes {
namespace {

constexpr uint64_t kMaskSeed = 20'250'211;

torch::Tensor row(const std::vector<int64_t>& values) { return torch::tensor(values).unsqueeze(0); }

// Every n-th of them, so that few are left.
void thin(Question& question, int64_t keep) {
  const int64_t count = question.positions.size(0);
  if (count <= keep) return;
  const auto kept =
      (torch::arange(keep, torch::kDouble) * (static_cast<double>(count) / static_cast<double>(keep))).to(torch::kLong);
  question.positions = question.positions.index_select(0, kept);
  question.targets = question.targets.index_select(0, kept);
}

}  // namespace

std::vector<Question> questions_of(const pretrained::Pretrained& opened, const AnalysisItems& items, int64_t most) {
  const auto& model = *opened.model;
  const bool asked = model.has_language_head(), causal = model.config.causal();
  std::optional<data::Masker> masker;
  if (asked && !causal) masker.emplace(data::MaskingOptions{}, data::TokenRoles(*opened.tokenizer), kMaskSeed);
  const auto each = std::max<int64_t>(1, most / std::max<int64_t>(1, std::ssize(items.list)));
  std::vector<Question> questions;
  for (size_t i = 0; i < items.list.size(); ++i) {
    const auto& tokens = items.list[i].tokens;
    Question question{row(tokens.ids), tokens.types.empty() ? torch::Tensor() : row(tokens.types), {}, {}};
    if (masker) {
      data::Batch batch;
      const std::vector<int32_t> ids(tokens.ids.begin(), tokens.ids.end());
      masker->append(ids, i, batch);
      question.ids = row(batch.input_ids);
      question.positions = torch::tensor(batch.positions), question.targets = torch::tensor(batch.targets);
    } else if (asked && tokens.ids.size() > 1) {
      const auto length = std::ssize(tokens.ids);
      question.positions = torch::arange(length - 1);
      question.targets = question.ids[0].narrow(0, 1, length - 1).clone();
    }
    if (question.positions.defined()) thin(question, each);
    questions.push_back(question);
  }
  return questions;
}

Answer answer(model::ModelImpl& model, const Question& question) {
  const torch::NoGradGuard no_grad;
  Answer found;
  found.states = model.hidden_states({question.ids, {}, question.types})[0];
  if (question.positions.defined() && question.positions.size(0) > 0) {
    const auto logits = model.logits(found.states.index_select(0, question.positions)).to(torch::kFloat);
    found.log_probabilities = torch::log_softmax(logits, -1);
    found.loss = -found.log_probabilities.gather(1, question.targets.unsqueeze(1)).mean().item<double>();
  }
  return found;
}

Change change_of(const Answer& first, const Answer& second) {
  const auto cosine = [](const torch::Tensor& x, const torch::Tensor& y) {
    return torch::cosine_similarity(x.to(torch::kDouble), y.to(torch::kDouble), -1).mean().item<double>();
  };
  Change change{NAN, cosine(first.states, second.states), cosine(first.states.mean(0), second.states.mean(0))};
  if (first.log_probabilities.defined())
    change.divergence = (first.log_probabilities.exp() * (first.log_probabilities - second.log_probabilities))
                            .sum(-1)
                            .mean()
                            .item<double>();
  return change;
}

}  // namespace saobp::recipes

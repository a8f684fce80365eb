#include "saobp/tasks/language_scores.h"

#include <cmath>

namespace saobp::tasks {
namespace {

// A figure that tells how likely texts are, of a sample of the documents: exp(−Σ log p / units).
struct LanguageFigure {
  const char *name, *log_likelihood, *unit;
  bool bits = false;  // −Σ log2 p / units
};
constexpr LanguageFigure kOfDecoders[] = {{"token_perplexity", "log_likelihood", "tokens"},
                                          {"word_perplexity", "log_likelihood", "words"},
                                          {"byte_perplexity", "log_likelihood", "bytes"},
                                          {"bits_per_byte", "log_likelihood", "bytes", true}};
constexpr LanguageFigure kOfEncoders[] = {{"masked_perplexity", "masked_log_likelihood", "masked_tokens"},
                                          {"pseudo_perplexity", "pseudo_log_likelihood", "tokens"},
                                          {"pseudo_perplexity_word_l2r", "pseudo_log_likelihood_word_l2r", "tokens"}};

std::span<const LanguageFigure> figures_of(const std::vector<Prediction>& predictions) {
  const auto& details = predictions.front().details;
  if (details.is_object() && details.contains("log_likelihood")) return kOfDecoders;
  return kOfEncoders;
}

std::function<double(std::span<const int64_t>)> language_score(const LanguageFigure& figure,
                                                               const std::vector<Prediction>& predictions) {
  std::vector<double> sums, units;
  for (const auto& p : predictions) {
    const auto where = concat("prediction ", p.id);
    sums.push_back(io::require<double>(p.details, figure.log_likelihood, where));
    units.push_back(io::require<double>(p.details, figure.unit, where));
    if (sums.back() > 0) fail(where, ": \"", figure.log_likelihood, "\" is ", sums.back(), "; at most 0 was expected");
    if (units.back() < 0) fail(where, ": \"", figure.unit, "\" is ", units.back(), "; at least 0 was expected");
  }
  return [sums, units, bits = figure.bits](std::span<const int64_t> sample) {
    double sum = 0, count = 0;
    for (int64_t n : sample) sum += sums[static_cast<size_t>(n)], count += units[static_cast<size_t>(n)];
    if (count == 0) return std::nan("");
    return bits ? -sum / count / std::log(2.0) : std::exp(-sum / count);
  };
}

}  // namespace

io::Json to_json(const scores::Estimate& estimate) {
  return {{"value", io::number_or_null(estimate.value)},
          {"standard_error", io::number_or_null(estimate.standard_error)}};
}

io::Json language_scores(const std::vector<Prediction>& predictions) {
  io::Json made = {{"examples", predictions.size()}, {"scores", io::Json::object()}, {"baselines", io::Json::object()}};
  for (const auto& figure : figures_of(predictions)) {
    auto found = scores::estimate(static_cast<int64_t>(predictions.size()), language_score(figure, predictions));
    if (predictions.size() < 2) found.standard_error = std::nan("");  // of one document nothing is known
    made["scores"][figure.name] = to_json(found);
  }
  for (const char* unit : {"tokens", "words", "bytes"}) {
    int64_t sum = 0;
    for (const auto& p : predictions) sum += io::require<int64_t>(p.details, unit, concat("prediction ", p.id));
    made[unit] = sum;
  }
  return made;
}

std::function<double(std::span<const int64_t>)> language_figure(const std::string& name,
                                                                const std::vector<Prediction>& predictions) {
  for (const auto& figure : figures_of(predictions))
    if (name == figure.name) return language_score(figure, predictions);
  std::vector<std::string> names;
  for (const auto& figure : figures_of(predictions)) names.emplace_back(figure.name);
  fail_usage("--score: ", name, " was given; of these predictions there is ", io::listed(names));
}

}  // namespace saobp::tasks

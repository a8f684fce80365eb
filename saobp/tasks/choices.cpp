#include "saobp/tasks/choices.h"

#include <algorithm>

#include "saobp/io/json.h"

namespace saobp::tasks {
namespace {

using io::Json;

double number_of(const Json& option, const char* name) { return io::require<double>(option, name, "an option"); }
double log_likelihood(const Json& option) { return number_of(option, "log_likelihood"); }

// What is divided by, or taken off, before the likeliest option is chosen.
struct Normaliser {
  const char* name;
  double (*score)(const Json& option);
};
constexpr Normaliser kNormalisers[] = {
    {"accuracy_characters", [](const Json& o) { return log_likelihood(o) / number_of(o, "characters"); }},
    {"accuracy_bytes", [](const Json& o) { return log_likelihood(o) / number_of(o, "bytes"); }},
    {"accuracy_tokens", [](const Json& o) { return log_likelihood(o) / number_of(o, "tokens"); }},
    {"accuracy_pmi", [](const Json& o) { return log_likelihood(o) - number_of(o, "unconditional"); }}};

const Json& options_of(const Prediction& p) {
  if (!p.details.is_object() || !p.details.contains("options") || p.details.at("options").empty())
    fail("prediction ", p.id, ": has no \"options\"; a list of them was expected, as the first prediction has");
  return p.details.at("options");
}

}  // namespace

bool has_likelihoods(const std::vector<Prediction>& predictions) {
  const auto& details = predictions.front().details;
  return details.is_object() && details.contains("options") && !details.at("options").empty() &&
         details.at("options").front().contains("log_likelihood");
}

void check_options(const Prediction& p, int64_t predicted) {
  const auto& options = p.details.at("options");
  if (!options.is_array())
    fail("prediction ", p.id, ": \"options\" is ", io::type_name(options), "; a list was expected");
  for (const auto& option : options)
    if (!option.is_object())
      fail("prediction ", p.id, ": an option is ", io::type_name(option), "; an object was expected");
  if (predicted < 0 || predicted >= static_cast<int64_t>(options.size()))
    fail("prediction ", p.id, ": option ", predicted, " of ", options.size(), "; one of them, from 0, was expected");
}

std::vector<std::string> normalised_accuracies() {
  std::vector<std::string> names;
  names.reserve(std::size(kNormalisers));
  for (const auto& normaliser : kNormalisers) names.emplace_back(normaliser.name);
  return names;
}

std::vector<int64_t> chosen_by(const std::string& name, const std::vector<Prediction>& predictions) {
  const auto* normaliser =
      std::find_if(std::begin(kNormalisers), std::end(kNormalisers), [&](const auto& n) { return n.name == name; });
  if (normaliser == std::end(kNormalisers)) fail("chosen_by: ", name, " is no normalised accuracy");
  std::vector<int64_t> chosen;
  chosen.reserve(predictions.size());
  for (const auto& p : predictions) {
    const auto& options = options_of(p);
    int64_t best = 0;
    for (size_t n = 1; n < options.size(); ++n)
      if (normaliser->score(options.at(n)) > normaliser->score(options.at(static_cast<size_t>(best))))
        best = static_cast<int64_t>(n);
    chosen.push_back(best);
  }
  return chosen;
}

double length_baseline(const std::vector<Prediction>& predictions, const std::vector<int64_t>& gold, bool longest) {
  int64_t right = 0;
  for (size_t i = 0; i < predictions.size(); ++i) {
    const auto& options = options_of(predictions[i]);
    int64_t best = 0;
    const auto size = [&](int64_t n) {
      return io::require<int64_t>(options.at(static_cast<size_t>(n)), "characters", "an option");
    };
    for (int64_t n = 1; n < static_cast<int64_t>(options.size()); ++n)
      if (longest ? size(n) > size(best) : size(n) < size(best)) best = n;
    right += best == gold[i];
  }
  return static_cast<double>(right) / static_cast<double>(predictions.size());
}

}  // namespace saobp::tasks

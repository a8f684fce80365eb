#include "saobp/tasks/choices.h"

#include <algorithm>

#include "saobp/io/json.h"

namespace saobp::tasks {
namespace {

using io::Json;

struct ListedOption {
  const Json& json;
  const std::string& id;  // of its prediction

  double number(const char* name) const {
    return io::require<double>(json, name, concat("prediction ", id, ": an option"));
  }
  double log_likelihood() const { return number("log_likelihood"); }
  double per(const char* unit) const {
    const double size = number(unit);
    if (size < 1) fail("prediction ", id, ": an option has ", size, " ", unit, "; at least one was expected");
    return log_likelihood() / size;
  }
};

// What is divided by, or taken off, before the likeliest option is chosen.
struct Normaliser {
  const char* name;
  double (*score)(const ListedOption& option);
};
constexpr Normaliser kNormalisers[] = {
    {"accuracy_characters", [](const ListedOption& o) { return o.per("characters"); }},
    {"accuracy_bytes", [](const ListedOption& o) { return o.per("bytes"); }},
    {"accuracy_tokens", [](const ListedOption& o) { return o.per("tokens"); }},
    {"accuracy_pmi", [](const ListedOption& o) { return o.log_likelihood() - o.number("unconditional"); }}};

const Json& options_of(const Prediction& p) {
  if (options_in(p) == 0)
    fail("prediction ", p.id, ": has no \"options\"; a list of them was expected, as the first prediction has");
  return p.details.at("options");
}

}  // namespace

bool has_likelihoods(const std::vector<Prediction>& predictions) {
  const auto& first = predictions.front();
  return options_in(first) > 0 && first.details.at("options").front().contains("log_likelihood");
}

int64_t options_in(const Prediction& p) {
  if (!p.details.is_object() || !p.details.contains("options")) return 0;
  const auto& options = p.details.at("options");
  if (!options.is_array())
    fail("prediction ", p.id, ": \"options\" is ", io::type_name(options), "; a list was expected");
  for (const auto& option : options)
    if (!option.is_object())
      fail("prediction ", p.id, ": an option is ", io::type_name(option), "; an object was expected");
  return static_cast<int64_t>(options.size());
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
      if (normaliser->score({options.at(n), p.id}) > normaliser->score({options.at(static_cast<size_t>(best)), p.id}))
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
      return io::require<int64_t>(options.at(static_cast<size_t>(n)), "characters",
                                  concat("prediction ", predictions[i].id, ": an option"));
    };
    for (int64_t n = 1; n < static_cast<int64_t>(options.size()); ++n)
      if (longest ? size(n) > size(best) : size(n) < size(best)) best = n;
    right += best == gold[i];
  }
  return static_cast<double>(right) / static_cast<double>(predictions.size());
}

}  // namespace saobp::tasks

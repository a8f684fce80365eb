#include "saobp/tasks/scoring.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <unordered_set>

#include "saobp/io/file.h"
#include "saobp/io/words.h"
#include "saobp/scores/metrics.h"
#include "saobp/scores/squad.h"
#include "saobp/tasks/choices.h"
#include "saobp/tasks/language_scores.h"

namespace saobp::tasks {
namespace {

using io::Json;

struct Numbers {
  std::vector<int64_t> gold, predicted;             // of classes and options
  std::vector<double> gold_value, predicted_value;  // of numbers
};

int64_t class_of(const Task& task, const Json& name, const std::string& id) {
  for (size_t i = 0; i < task.labels.size(); ++i)
    if (name.is_string() && task.labels[i].name == name.get<std::string>()) return static_cast<int64_t>(i);
  fail("prediction ", id, ": ", name.dump(), " is no label of ", task.title, "; ", io::listed(task.label_names()),
       " was expected");
}

Numbers numbers_of(const Task& task, const std::vector<Prediction>& predictions) {
  Numbers numbers;
  for (const auto& p : predictions) {
    if (p.gold.is_null()) fail("prediction ", p.id, ": has no gold; a split with labels was expected");
    if (task.kind == Kind::classification) {
      numbers.gold.push_back(class_of(task, p.gold, p.id));
      numbers.predicted.push_back(class_of(task, p.prediction, p.id));
      if (const auto options = options_in(p); options > 0 && options != static_cast<int64_t>(task.labels.size()))
        fail("prediction ", p.id, ": lists ", io::counted(options, "option"), "; ", task.title, " has ",
             task.labels.size());
    } else if (task.kind == Kind::choice) {
      numbers.gold.push_back(io::convert<int64_t>(p.gold, concat("prediction ", p.id, ": gold")));
      numbers.predicted.push_back(io::convert<int64_t>(p.prediction, concat("prediction ", p.id)));
      if (const auto options = options_in(p); options > 0)
        for (const auto* places : {&numbers.gold, &numbers.predicted})
          if (const auto place = places->back(); place < 0 || place >= options)
            fail("prediction ", p.id, ": ", places == &numbers.gold ? "gold " : "", "option ", place, " of ", options,
                 "; one of them, from 0, was expected");
    } else {
      numbers.gold_value.push_back(io::convert<double>(p.gold, concat("prediction ", p.id, ": gold")));
      numbers.predicted_value.push_back(io::convert<double>(p.prediction, concat("prediction ", p.id)));
    }
  }
  return numbers;
}

template <class T>
std::vector<T> picked(const std::vector<T>& values, std::span<const int64_t> places) {
  std::vector<T> found;
  found.reserve(places.size());
  for (int64_t place : places) found.push_back(values[static_cast<size_t>(place)]);
  return found;
}

double score(const Task& task, const std::string& name, const Numbers& numbers, std::span<const int64_t> of) {
  if (name == "pearson" || name == "spearman") {
    const auto gold = picked(numbers.gold_value, of), predicted = picked(numbers.predicted_value, of);
    return name == "pearson" ? scores::pearson(gold, predicted) : scores::spearman(gold, predicted);
  }
  const auto gold = picked(numbers.gold, of), predicted = picked(numbers.predicted, of);
  if (name == "accuracy") return scores::accuracy(gold, predicted);
  if (name == "matthews") return scores::matthews(gold, predicted);
  if (name == "f1") return scores::f1(gold, predicted, class_of(task, task.positive, "of F1"));
  fail(task.name, ": \"", name, "\" is no score; accuracy, f1, matthews, pearson or spearman was expected");
}

Json estimates_of(const Task& task, const Numbers& numbers, size_t examples) {
  Json made = Json::object();
  for (const auto& name : task.scores)
    made[name] = to_json(scores::estimate(static_cast<int64_t>(examples), [&](std::span<const int64_t> sample) {
      return score(task, name, numbers, sample);
    }));
  return made;
}

// How often each class or option is predicted, and right.
Json shares_of(const Task& task, const std::vector<int64_t>& values) {
  std::map<int64_t, double> times;
  for (int64_t value : values) ++times[value];
  const auto name = [&](int64_t value) {
    return task.kind == Kind::classification ? task.labels[static_cast<size_t>(value)].name : std::to_string(value);
  };
  Json shares = Json::object();
  for (const auto& [value, count] : times) shares[name(value)] = count / static_cast<double>(values.size());
  return shares;
}

// What trivial answers get: always the most frequent one; another one, where that gets more (as of F1 the positive
// class); the longest and the shortest option; of a correlation, a prediction that has nothing to do with the number.
Json baselines_of(const Task& task, const std::vector<Prediction>& predictions, const Numbers& numbers) {
  Json baselines = Json::object();
  if (numbers.gold.empty()) {
    for (const auto& name : task.scores) baselines["unrelated"][name] = 0.0;
    return baselines;
  }
  std::map<int64_t, int64_t> times;
  for (int64_t gold : numbers.gold) ++times[gold];
  const auto most = std::max_element(times.begin(), times.end(), [](auto& a, auto& b) { return a.second < b.second; });
  std::vector<int64_t> every(numbers.gold.size());
  std::iota(every.begin(), every.end(), int64_t{0});
  const auto constant = [&](const std::string& name, int64_t answer) {
    auto all = numbers;
    std::fill(all.predicted.begin(), all.predicted.end(), answer);
    return score(task, name, all, every);
  };
  for (const auto& name : task.scores) {
    const double majority = constant(name, most->first);
    baselines["majority"][name] = io::number_or_null(majority);
    for (const auto& [answer, count] : times)
      if (const double other = constant(name, answer); other > majority) baselines["best_constant"][name] = other;
  }
  if (task.kind == Kind::choice && !predictions.empty() && predictions[0].details.is_object() &&
      predictions[0].details.contains("options")) {
    baselines["longest_option"]["accuracy"] = length_baseline(predictions, numbers.gold, true);
    baselines["shortest_option"]["accuracy"] = length_baseline(predictions, numbers.gold, false);
  }
  if (has_likelihoods(predictions))
    for (auto& baseline : baselines)
      if (baseline.contains("accuracy"))
        for (const auto accuracy = baseline.at("accuracy"); const auto& name : normalised_accuracies())
          baseline[name] = accuracy;
  return baselines;
}

// The accuracies of every normaliser.
Json normalised_scores(const std::vector<Prediction>& predictions, const Numbers& numbers) {
  Json made = Json::object();
  for (const auto& name : normalised_accuracies()) {
    const auto chosen = chosen_by(name, predictions);
    made[name] = to_json(scores::estimate(static_cast<int64_t>(chosen.size()), [&](std::span<const int64_t> sample) {
      return scores::accuracy(picked(numbers.gold, sample), picked(chosen, sample));
    }));
  }
  return made;
}

// SQuAD's scores; of version 2.0 also those of questions with and without an answer, and the best thresholds.
Json span_scores(const std::vector<Prediction>& predictions) {
  const auto& first = predictions.front().details;
  const bool second_version = first.is_object() && first.contains("no_answer_margin");
  std::vector<double> exact, f1, parts[2][2];  // [has an answer][exact, f1]
  std::vector<scores::Answered> answered[2];
  for (const auto& p : predictions) {
    const auto where = concat("prediction ", p.id);
    if (p.gold.is_null()) fail(where, ": has no gold; a split with answers was expected");
    const auto golds = io::convert<std::vector<std::string>>(p.gold, where + ": gold");
    const auto text = io::convert<std::string>(p.prediction, where);
    const auto score = scores::answer_score(golds, text, second_version);
    exact.push_back(score.exact), f1.push_back(score.f1);
    if (!second_version) continue;
    parts[golds.empty() ? 0 : 1][0].push_back(score.exact), parts[golds.empty() ? 0 : 1][1].push_back(score.f1);
    const auto best = io::require<std::string>(p.details, "answer", where);
    const auto of_best = scores::answer_score(golds, best, true);
    const double margin = io::require<double>(p.details, "no_answer_margin", where);
    answered[0].push_back({of_best.exact, margin, !golds.empty(), best.empty()});
    answered[1].push_back({of_best.f1, margin, !golds.empty(), best.empty()});
  }
  Json made = {{"f1", to_json(scores::mean(f1))}, {"exact_match", to_json(scores::mean(exact))}};
  if (!second_version) return made;
  const char* names[2][2] = {{"no_answer_exact_match", "no_answer_f1"}, {"has_answer_exact_match", "has_answer_f1"}};
  for (int has : {1, 0})
    for (int which : {0, 1})
      if (!parts[has][which].empty()) made[names[has][which]] = to_json(scores::mean(parts[has][which]));
  const char* best_names[] = {"best_exact_match", "best_f1"};
  for (int which : {0, 1}) {
    const auto best = scores::best_threshold(answered[which]);
    made[best_names[which]] = {{"value", best.score}, {"standard_error", nullptr}, {"threshold", best.threshold}};
  }
  return made;
}

// Of version 2.0, what never answering gets.
Json span_baselines(const std::vector<Prediction>& predictions) {
  const auto& first = predictions.front().details;
  if (!first.is_object() || !first.contains("no_answer_margin")) return Json::object();
  const auto without =
      std::count_if(predictions.begin(), predictions.end(), [](const auto& p) { return p.gold.empty(); });
  const double share = static_cast<double>(without) / static_cast<double>(predictions.size());
  return {{"no_answer", {{"f1", share}, {"exact_match", share}}}};
}

// A model that was trained on other labels' order is far worse than guessing.
void add_doubt(const Task& task, Json& made) {
  const auto found = made.at("scores").value("accuracy", Json());
  if (!found.is_object() || !found.at("value").is_number() || !found.at("standard_error").is_number()) return;
  const double chance = 1.0 / static_cast<double>(task.labels.size()), value = found.at("value").get<double>();
  if (value + 4 * found.at("standard_error").get<double>() > chance || value > 0.8 * chance) return;
  made["doubt"] = concat(
      "far below guessing, which gives ", io::in_short(100 * chance),
      "; label order? Does config.json (\"id2label\") name the labels in another order than the model has them?");
}

// The task's scores, and of likelihoods those of every normaliser.
Json classified_scores(const Task& task, const std::vector<Prediction>& predictions, const Numbers& numbers) {
  auto made = estimates_of(task, numbers, predictions.size());
  if (has_likelihoods(predictions)) made.update(normalised_scores(predictions, numbers));
  return made;
}

// "scores" alone.
Json values_of(const Task& task, const std::vector<Prediction>& predictions) {
  if (task.kind == Kind::span) return span_scores(predictions);
  if (task.kind == Kind::language) return language_scores(predictions).at("scores");
  return classified_scores(task, predictions, numbers_of(task, predictions));
}

Json scores_of_all(const Task& task, const std::vector<Prediction>& predictions) {
  if (task.kind == Kind::span)
    return {{"examples", predictions.size()},
            {"scores", span_scores(predictions)},
            {"baselines", span_baselines(predictions)}};
  if (task.kind == Kind::language) return language_scores(predictions);
  const auto numbers = numbers_of(task, predictions);
  Json made = {{"examples", predictions.size()},
               {"scores", classified_scores(task, predictions, numbers)},
               {"baselines", baselines_of(task, predictions, numbers)}};
  if (!numbers.predicted.empty()) {
    made["predicted"] = shares_of(task, numbers.predicted);
    made["ties"] = std::count_if(predictions.begin(), predictions.end(), [](const Prediction& p) {
      return p.details.is_object() && p.details.value("tied", false);
    });
  }
  if (task.kind != Kind::classification) return made;
  for (const auto& gold : task.labels)
    for (const auto& predicted : task.labels) made["confusion"][gold.name][predicted.name] = 0;
  for (const auto& p : predictions) {
    auto& count = made["confusion"][p.gold.get<std::string>()][p.prediction.get<std::string>()];
    count = count.get<int64_t>() + 1;
  }
  if (!has_likelihoods(predictions)) add_doubt(task, made);
  return made;
}

// "" where it has none.
std::string group_of(const Prediction& p, const std::string& group) {
  if (!p.details.is_object() || !p.details.contains("groups")) return "";
  const auto& groups = p.details.at("groups");
  if (!groups.is_object())
    fail("prediction ", p.id, ": \"groups\" is ", io::type_name(groups), "; an object was expected");
  return io::get_or<std::string>(groups, group, "", concat("prediction ", p.id, ": groups"));
}

bool tell_tokens(const std::vector<Prediction>& predictions) {
  return std::all_of(predictions.begin(), predictions.end(),
                     [](const Prediction& p) { return p.details.is_object() && p.details.contains("tokens"); });
}

// "33-64": powers of two from 32 on.
std::string length_of(const Prediction& p) {
  const auto tokens = io::require<int64_t>(p.details, "tokens", concat("prediction ", p.id));
  if (tokens < 0 || tokens > int64_t{1} << 40)
    fail("prediction ", p.id, ": \"tokens\" is ", tokens, "; the tokens of an example were expected");
  int64_t most = 32;
  while (most < tokens) most *= 2;
  return most == 32 ? "1-32" : concat(most / 2 + 1, "-", most);
}

// Adds the scores of the examples of each value.
void add_group(const Task& task, const std::vector<Prediction>& predictions, const std::string& group,
               const std::function<std::string(const Prediction&)>& value_of, Json& made) {
  // Numbers in their order: "33-64" before "129-256".
  const auto before = [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  };
  std::map<std::string, std::vector<Prediction>, decltype(before)> parts(before);
  for (const auto& p : predictions) parts[value_of(p)].push_back(p);
  for (const auto& [value, part] : parts)
    made["groups"][group][value] = {{"examples", part.size()}, {"scores", values_of(task, part)}};
}

}  // namespace

Json scores_of(const Task& task, const std::vector<Prediction>& predictions) {
  if (predictions.empty()) fail(task.title, ": there are no predictions");
  auto made = scores_of_all(task, predictions);
  for (const auto& group : task.groups)
    add_group(task, predictions, group.first, [&](const Prediction& p) { return group_of(p, group.first); }, made);
  if (tell_tokens(predictions)) add_group(task, predictions, "length", length_of, made);
  return made;
}

std::function<double(std::span<const int64_t>)> score_of_sample(const Task& task,
                                                                const std::vector<Prediction>& predictions,
                                                                const std::string& name) {
  if (task.kind == Kind::language) return language_figure(name, predictions);
  auto names = task.scores;
  if (task.kind != Kind::span && has_likelihoods(predictions))
    for (const auto& each : normalised_accuracies()) {
      if (each == name)
        return [gold = numbers_of(task, predictions).gold,
                chosen = chosen_by(name, predictions)](std::span<const int64_t> sample) {
          return scores::accuracy(picked(gold, sample), picked(chosen, sample));
        };
      names.push_back(each);
    }
  if (std::find(names.begin(), names.end(), name) == names.end())
    fail_usage("--score: ", name, " was given; of these predictions for ", task.title, " there is ", io::listed(names));
  if (task.kind != Kind::span)
    return [task, name, numbers = numbers_of(task, predictions)](std::span<const int64_t> sample) {
      return score(task, name, numbers, sample);
    };
  std::vector<double> values;
  for (const auto& p : predictions) {
    const auto where = concat("prediction ", p.id);
    if (p.gold.is_null()) fail(where, ": has no gold; a split with answers was expected");
    const auto found = scores::answer_score(io::convert<std::vector<std::string>>(p.gold, where + ": gold"),
                                            io::convert<std::string>(p.prediction, where),
                                            p.details.is_object() && p.details.contains("no_answer_margin"));
    values.push_back(name == "f1" ? found.f1 : found.exact);
  }
  return [values](std::span<const int64_t> sample) { return scores::mean(picked(values, sample)).value; };
}

void write_predictions(const std::filesystem::path& path, const std::vector<Prediction>& predictions) {
  io::AtomicFile file(path);
  for (const auto& p : predictions) {
    Json line = {{"id", p.id}, {"gold", p.gold}, {"prediction", p.prediction}};
    if (p.details.is_object()) line.update(p.details);
    file.write(line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  }
  file.commit();
}

std::vector<Prediction> read_predictions(const std::filesystem::path& path) {
  std::vector<Prediction> predictions;
  std::unordered_set<std::string> seen;
  data::each_json_line(path, [&](Json json, const std::string& where) {
    Prediction p{io::require<std::string>(json, "id", where), io::get_or<Json>(json, "gold", nullptr, where),
                 io::require<Json>(json, "prediction", where), nullptr};
    for (const char* name : {"id", "gold", "prediction"}) json.erase(name);
    p.details = std::move(json);
    if (!seen.insert(p.id).second) fail(where, ": the id ", p.id, " was there before");
    predictions.push_back(std::move(p));
  });
  if (predictions.empty()) fail(path.string(), ": holds no predictions; a JSON object a line was expected");
  return predictions;
}

}  // namespace saobp::tasks

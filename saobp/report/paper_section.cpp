#include "saobp/report/paper_section.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "saobp/io/words.h"
#include "saobp/report/conditions.h"
#include "saobp/report/correlation_table.h"
#include "saobp/report/figures.h"
#include "saobp/report/html.h"
#include "saobp/report/paper.h"
#include "saobp/report/tables.h"
#include "saobp/scores/glue.h"
#include "saobp/scores/shown.h"

namespace saobp::report {
namespace {

using io::Json;

struct Figure {
  double value = 0;
  std::optional<double> error = {};
  std::optional<double> baseline = {};
};
using Found = std::optional<Figure>;

// One score of a task on its dev set; of names the first that is there. Of a suite with the spread over its seeds.
Found score_of(const RunInput& run, const std::string& task, const std::vector<const char*>& names) {
  for (const auto& record : run.tasks)
    for (const char* name : names) {
      const auto& scores = record.scores.at("scores");
      if (record.name != task || record.split != "dev" || !scores.contains(name)) continue;
      const double unit = scores::unit_of(name);
      const auto value = number_in(scores.at(name), "value"), spread = number_in(scores.at(name), "standard_deviation");
      const auto error = spread ? spread : number_in(scores.at(name), "standard_error");
      if (!value) continue;
      Figure found{unit * *value, error ? std::optional(unit * *error) : std::nullopt};
      const auto baselines = record.scores.value("baselines", Json::object());
      for (const auto& [key, of] : baselines.items())
        if (const auto level = number_in(of, name))
          found.baseline = std::max(found.baseline.value_or(-INFINITY), unit * *level);
      return found;
    }
  return {};
}

Found accuracy_of(const RunInput& run, const char* task) { return score_of(run, task, {"accuracy"}); }

Found glue_average(const RunInput& run) {
  scores::GlueScores all;
  for (const auto& record : run.tasks)
    for (const auto& [name, score] : record.scores.at("scores").items())
      if (const auto value = record.split == "dev" ? number_in(score, "value") : std::nullopt)
        all[record.name][name] = *value;
  const auto average = scores::glue_paper_average(all);
  return average ? Found(Figure{100 * *average}) : std::nullopt;
}

// Of RACE-Middle's rows; null where there is none that has the measure.
const AnalysisRecord* race_analysis(const RunInput& run, const char* measure) {
  for (const char* name : {"race-middle", "race"})
    for (const auto& analysis : run.analyses)
      if (analysis.name.starts_with(name) && !analysis.name.starts_with("race-high") &&
          !std::isnan(mean(analysis.refined.of(measure))))
        return &analysis;
  return nullptr;
}

// The mean of B over heads and layers, with its error over sequences.
Found measured(const RunInput& run, const char* measure) {
  const auto* analysis = race_analysis(run, measure);
  if (!analysis) return {};
  const auto& source = analysis->source;
  const auto all = io::get_or<Json>(analysis->json, "errors_of_means", Json::object(), source);
  const auto errors = io::get_or<Json>(all, "B", Json::object(), source);
  return Figure{mean(analysis->refined.of(measure)), number_in(errors, measure)};
}

Found tokens_per_second(const RunInput& run) {
  const auto final = run.record.is_object() ? run.record.value("final", Json()) : Json();
  const auto value = number_in(final, "tokens_per_s");
  return value ? Found(Figure{*value}) : std::nullopt;
}

Found milliseconds_a_step(const RunInput& run) {
  const auto speed = tokens_per_second(run);
  const Json *batch = find_setting(run, {"batch"}), *length = find_setting(run, {"length"}),
             *accumulation = find_setting(run, {"accumulation"});
  if (!speed || !batch || !length || !batch->is_number() || !length->is_number()) return {};
  const double times = accumulation && accumulation->is_number() ? accumulation->get<double>() : 1;
  const auto ranks = number_in(run.record, "ranks").value_or(1);
  return Figure{1000 * batch->get<double>() * length->get<double>() * times * ranks / speed->value};
}

Found wikitext(const RunInput& run) {
  return score_of(run, "wikitext", {"token_perplexity", "pseudo_perplexity", "masked_perplexity"});
}
Found squad(const RunInput& run) { return score_of(run, "squad", {"exact_match"}); }

using Cell = std::function<Found(const RunInput&)>;

std::vector<Cell> cells_of(int table) {
  const auto accuracy = [](const char* task) { return [task](const RunInput& run) { return accuracy_of(run, task); }; };
  const auto measure = [](const char* name) { return [name](const RunInput& run) { return measured(run, name); }; };
  const auto none = [](const RunInput&) { return Found(); };
  switch (table) {
    case 1:
      return {measure("gtd"), measure("indirect_entropy"), accuracy("race-middle"), measure("clustering"),
              measure("betweenness")};
    case 2:
      return {glue_average, accuracy("hellaswag"), accuracy("race-middle"), squad};
    case 3:
      return {wikitext, accuracy("qnli"), squad};
    case 7:
      return {accuracy("race-middle"), accuracy("boolq"), wikitext};
    case 8:
      return {[](const RunInput& run) { return score_of(run, "cola", {"matthews"}); },
              accuracy("mrpc"),
              accuracy("rte"),
              accuracy("sst2"),
              [](const RunInput& run) { return score_of(run, "stsb", {"pearson"}); },
              accuracy("wnli"),
              accuracy("qnli"),
              accuracy("mnli"),
              accuracy("qqp"),
              glue_average};
    default:
      return {milliseconds_a_step, tokens_per_second, none, none, none, none};
  }
}

const char* note_of(int table) {
  switch (table) {
    case 1:
      return "Measures are of B, on the analysis whose name begins with \"race\", ± their standard error over rows; "
             "the paper does not say whether its are. Higher GTD is not better: it falls when a sink goes.";
    case 2:
      return "SQuAD: exact match here; the paper says accuracy. GLUE's average as the paper takes it.";
    case 3:
      return "WikiText perplexity of an encoder is its pseudo-perplexity, or that of masked tokens; the paper does not "
             "say which.";
    case 7:
      return "A perplexity of 6.8 is not plausible for a model of that size which cannot see what comes.";
    case 8:
      return "CoLA: Matthews' correlation; STS-B: Pearson's; others accuracy. The paper's average for Small differs in "
             "Table 2.";
    default:
      return "The paper's figures follow from 1 × 128 tokens a step; ours from the run's own batch. Inference and "
             "GFLOPs "
             "are measured by saobp bench infer and bench cost, which leave nothing in a run.";
  }
}

// Of the seeds of a group: their mean and its spread, or the one figure with its error.
Found together(const std::vector<RunInput>& runs, const SeedGroup& group, const Cell& cell) {
  std::vector<Figure> found;
  for (const size_t run : group.runs)
    if (const auto figure = cell(runs[run])) found.push_back(*figure);
  if (found.size() < 2) return found.empty() ? Found() : Found(found.front());
  std::vector<double> values;
  values.reserve(found.size());
  for (const auto& figure : found) values.push_back(figure.value);
  return Figure{mean(values), deviation(values), found.front().baseline};
}

std::string written(const Figure& figure) {
  const auto number = [](double value) { return fixed(value, std::abs(value) < 1000 ? 2 : 0); };
  return number(figure.value) + (figure.error ? " ± " + number(*figure.error) : "");
}

std::string size_of(const RunInput& run) {
  const Json *layers = find_setting(run, {"num_hidden_layers", "layers"}), *hidden = find_setting(run, {"hidden_size"});
  if (!layers || !hidden || !layers->is_number() || !hidden->is_number()) return "";
  const auto shape = std::pair(layers->get<double>(), hidden->get<double>());
  if (shape == std::pair(4.0, 256.0)) return "Mini";
  if (shape == std::pair(4.0, 512.0)) return "Small";
  return shape == std::pair(8.0, 512.0) ? "Medium" : "";
}

// Its rows of these sizes, or of all where none of them is there.
template <class Add>
void add_paper(const PaperTable& paper, const std::set<std::string>& sizes, Add&& add) {
  const bool known =
      std::any_of(paper.rows.begin(), paper.rows.end(), [&](const PaperRow& row) { return sizes.contains(row.size); });
  for (const auto& row : paper.rows)
    if (!known || sizes.contains(row.size)) add(row);
}

// On how many rows the measures of Table 1 were taken, which need not be all that the score is of, and which were taken
// otherwise than the first.
std::string how_analysed(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups) {
  std::string words, others;
  const AnalysisRecord* first = nullptr;
  for (const auto& group : groups)
    for (const size_t run : group.runs)
      if (const auto* analysis = race_analysis(runs[run], "gtd")) {
        words += concat(words.empty() ? " Taken on " : ", ", io::counted(analysis->sequences, "row"), " (",
                        runs[run].name, ")");
        if (!first) first = analysis;
        if (const auto differs = apart(conditions_of(*analysis), conditions_of(*first)); !differs.empty())
          others += concat(" Not to be set beside the first, since measured otherwise: ", runs[run].name, " (",
                           io::listed(differs, "and"), ").");
      }
  return words.empty() ? "" : words + "." + others;
}

std::optional<Table> comparison(const PaperTable& paper, const std::vector<RunInput>& runs,
                                const std::vector<SeedGroup>& groups, const std::set<std::string>& sizes) {
  const auto cells = cells_of(paper.number);
  Table table{.id = concat("table-", paper.number),
              .title = concat("Table ", paper.number, ": ", paper.title),
              .columns = {{"run", false}},
              .note = note_of(paper.number)};
  for (const char* column : paper.columns) table.columns.push_back({column});
  Row baselines{{"best trivial baseline"}, true};
  baselines.cells.resize(table.columns.size(), "–");
  bool any = false, any_baseline = false;
  for (const auto& group : groups) {
    Row row{{group.runs.size() > 1 ? concat(group.name, " (", group.runs.size(), " seeds)") : group.name}};
    bool own = false;
    for (size_t i = 0; i < cells.size(); ++i) {
      const auto figure = together(runs, group, cells[i]);
      own |= figure.has_value();
      row.cells.push_back(figure ? written(*figure) : "–");
      if (!figure || !figure->baseline || baselines.cells[i + 1] != "–") continue;
      baselines.cells[i + 1] = fixed(*figure->baseline, 2), any_baseline = true;
    }
    any |= own;
    if (own) table.rows.push_back(std::move(row));
  }
  if (!any) return {};
  if (paper.number == 1) table.note += how_analysed(runs, groups);
  if (any_baseline) table.rows.push_back(baselines);
  add_paper(paper, sizes, [&](const PaperRow& of) {
    Row row{{concat("paper: ", of.size, " ", of.variant)}, true};
    for (double value : of.values) row.cells.push_back(coordinate(value));
    table.rows.push_back(std::move(row));
  });
  return table;
}

std::string written(const scores::Correlation& found) {
  return found.n < 3 || std::isnan(found.r) ? "–" : concat(in_words(found), ", n = ", found.n);
}

// What GTD stands against: what a run was validated by over its steps, or a score over runs that were analysed on a
// task's rows.
struct Against {
  std::string task;  // "": what a run was validated by
  std::array<std::pair<std::vector<double>, std::vector<double>>, 2>
      pairs;  // with GTD of single layers, of their product
};

std::map<std::string, Against> all_against(const std::vector<RunInput>& runs) {
  std::map<std::string, Against> found;
  const auto add = [&](const std::string& row, const std::string& task, const MatrixMeasures& refined, double y) {
    auto& against = found[row];
    against.task = task;
    size_t kind = 0;
    for (const char* measure : {"gtd", "cross_layer_gtd"}) {
      const double x = mean(refined.of(measure));
      auto& [xs, ys] = against.pairs[kind++];
      if (!std::isnan(x) && std::isfinite(y)) xs.push_back(x), ys.push_back(y);
    }
  };
  const auto looks = looks_with_scores(runs);
  for (size_t run = 0; run < runs.size(); ++run)
    for (const auto& look : looks[run])
      add(concat("validation ", look.score, ", ", runs[run].name, ", ", look.name), "", *look.refined, look.value);
  for (const auto& scored : scored_runs(runs))
    add(concat(scored.task->name, ", ", scored.score, ", over runs",
               scored.apart.empty() ? "" : concat(" (", io::listed(scored.apart, "and"), ")")),
        scored.task->name, scored.analysis->refined, scored.value);
  return found;
}

std::optional<Table> correlations(const std::vector<RunInput>& runs) {
  Table table{.id = "table-6",
              .title = "Table 6: what GTD correlates with",
              .columns = {{"GTD against", false},
                          {"GTD of single layers, mean"},
                          {"of the layers' product"},
                          {"paper, Mini: single layers"},
                          {"paper: cross-layer"}},
              .note =
                  "Pearson's r with its 95 % interval, two-sided p and the number of steps or runs. What changes "
                  "with training goes with whatever else does; a large r shows no cause. p is each row's own, not "
                  "corrected for how many there are. The paper's perplexity is WikiText's."};
  std::set<std::string> told;
  for (const auto& [name, against] : all_against(runs)) {
    const auto& [single, cross] = against.pairs;
    if (single.first.size() < 3) continue;
    Row row{{name, written(scores::pearson_test(single.first, single.second)),
             written(scores::pearson_test(cross.first, cross.second)), "–", "–"}};
    for (const auto& of : paper_correlations())
      if (against.task == of.task) {
        row.cells[3] = fixed(of.single_layer, 2), row.cells[4] = fixed(of.cross_layer, 2);
        told.insert(of.task);
      }
    table.rows.push_back(std::move(row));
  }
  if (table.rows.empty()) return {};
  for (const auto& of : paper_correlations())
    if (!told.contains(of.task))
      table.rows.push_back({{of.with, "–", "–", fixed(of.single_layer, 2), fixed(of.cross_layer, 2)}, true});
  return table;
}

bool is_decoder(const RunInput& run) {
  const Json* name = find_setting(run, {"family", "model_type", "name", "model"});
  return name && plain_text(*name).find("gpt") != std::string::npos;
}

}  // namespace

std::vector<Table> paper_comparisons(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups) {
  std::vector<Table> tables;
  for (const auto& paper : paper_tables()) {
    std::vector<SeedGroup> of_family;
    std::set<std::string> sizes;
    for (const auto& group : groups)
      if (is_decoder(runs[group.runs.front()]) == paper.decoder || paper.number == 9) {
        of_family.push_back(group);
        for (const size_t run : group.runs) sizes.insert(size_of(runs[run]));
      }
    if (auto table = comparison(paper, runs, of_family, sizes)) tables.push_back(std::move(*table));
    if (paper.number != 3) continue;
    if (auto table = correlations(runs)) tables.push_back(std::move(*table));
  }
  return tables;
}

}  // namespace saobp::report

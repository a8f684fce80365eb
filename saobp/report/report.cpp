#include "saobp/report/report.h"

#include <algorithm>
#include <map>
#include <set>

#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/io/words.h"
#include "saobp/report/correlation_table.h"
#include "saobp/report/differences.h"
#include "saobp/report/figures.h"
#include "saobp/report/group_tables.h"
#include "saobp/report/html.h"
#include "saobp/report/interactive.h"
#include "saobp/report/map_figures.h"
#include "saobp/report/page_parts.h"
#include "saobp/report/paper_section.h"
#include "saobp/report/style.h"
#include "saobp/report/tables.h"
#include "saobp/report/tasks_section.h"

namespace saobp::report {
namespace {

// A page goes by mail and opens on a telephone: so many bytes at most, of which tables and static charts take some.
constexpr size_t kRestOfPage = 1'000'000;

// What the figures can and cannot say.
std::string caution(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups) {
  std::vector<std::string> seeds;
  for (const auto& run : runs) {
    const io::Json* seed = find_setting(run, {"seed"});
    seeds.push_back(run.name + ": " + (seed ? plain_text(*seed) : "not recorded"));
  }
  const bool several =
      std::any_of(groups.begin(), groups.end(), [](const SeedGroup& group) { return group.runs.size() > 1; });
  const char* words =
      runs.size() == 1 ? "This is one run with one seed; another seed gives other figures."
      : several
          ? "Runs that differ in their seed alone are one curve: their mean, with the standard deviation over seeds "
            "around it. It says how far single runs lie apart, not how sure the mean is; saobp compare tests "
            "differences."
          : "Each curve is one run with one seed. How much a figure varies from seed to seed was not measured, so a "
            "difference between runs may be chance: this page does not say that one is better.";
  return concat("<p class='fine'>", words, " ", escape("Seeds: " + io::listed(seeds, "and") + "."), "</p>\n");
}

// Before any curve of one run stands beside one of another.
std::string warnings(const std::vector<RunInput>& runs) {
  std::string out;
  for (const auto& sentence : differences(runs)) out += "<p class='mind'><strong>Mind:</strong> " + sentence + "</p>\n";
  return out;
}

// The analyses that are the same measurements as this group's, under another name, are not shown twice.
std::string names_of(const AnalysisGroup& group) {
  std::vector<std::string> names = {group.name};
  names.insert(names.end(), group.same_as.begin(), group.same_as.end());
  return io::listed(names, "and");
}

std::string analysis_section(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups,
                             const AnalysisGroup& group, Figures& figures, Tables& tables) {
  std::vector<std::string> measured;
  std::set<std::pair<std::string, int64_t>> texts;
  std::set<int64_t> tokens;
  for (size_t i = 0; i < runs.size(); ++i) {
    const AnalysisRecord* analysis = group.of_run[i];
    if (!analysis) continue;
    texts.emplace(analysis->text, analysis->sequences);
    tokens.insert(analysis->tokens);
    measured.push_back(concat(runs[i].name, " on ", analysis->text, " (", io::counted(analysis->sequences, "sequence"),
                              ", ", io::counted(analysis->tokens, "token"), ")"));
  }
  std::string out = "<section><h2>Attention, layer by layer: " + escape(names_of(group)) + "</h2>\n";
  out +=
      "<p>A is the attention matrix before refinement, B the one after it, which the layer uses; with original "
      "attention both are "
      "the same. Every value is the mean over sequences, of their real tokens.</p>\n";
  if (!group.apart.empty())
    out +=
        "<p class='mind'><strong>Mind that these are other measurements under the same name</strong>, not to be set "
        "beside those above: " +
        escape(io::listed(group.apart, "and")) + ".</p>\n";
  if (tokens.size() > 1)
    out +=
        "<p class='mind'><strong>Mind that the same text has other tokens in each</strong> (another tokenizer, or "
        "sequences cut at another length).</p>\n";
  auto charts = layer_charts(runs, groups, group);
  for (auto& chart : head_charts(runs, groups, group)) charts.push_back(std::move(chart));
  out += figures.put(std::move(charts));
  if (tokens.size() == 1)
    out += "<p class='fine'>Measured on " +
           escape(concat(texts.begin()->first, ": ", io::counted(texts.begin()->second, "sequence"), ", ",
                         io::counted(*tokens.begin(), "token"), ".")) +
           "</p>\n";
  else
    out += "<p class='fine'>Measured: " + escape(io::listed(measured, "and")) + ".</p>\n";
  auto table = layer_table(runs, groups, group);
  if (!table.rows.empty()) out += tables.put(std::move(table));
  std::vector<std::pair<std::string, const AnalysisRecord*>> records;
  for (size_t i = 0; i < runs.size(); ++i)
    if (group.of_run[i]) records.emplace_back(runs[i].name, group.of_run[i]);
  for (auto& parts : group_tables(records, group.name)) out += tables.put(std::move(parts));
  std::vector<Table> correlations;
  for (size_t i = 0; i < runs.size(); ++i)
    if (const auto* analysis = group.of_run[i]; analysis && analysis->json.contains("correlations"))
      for (auto& found : correlation_tables(analysis->json.at("correlations"), concat(group.name, "-", i),
                                            analysis->source + ": \"correlations\"")) {
        found.title = concat(runs[i].name, ": ", found.title);
        correlations.push_back(std::move(found));
      }
  for (auto& table : correlations) {
    const auto title = table.title;
    const auto html = tables.put(std::move(table));
    out += correlations.size() > 2 ? folded(title, html) : html;
  }
  return out + "</section>\n";
}

std::string what_if_section(const std::string& charts) {
  if (charts.empty()) return "";
  return "<section id='what-if'><h2>What if it were refined?</h2>\n<p>The model as it is, refined at inference alone. "
         "A "
         "diagnosis, not a cure: how much it leans on what refinement takes away.</p>\n" +
         charts + "</section>\n";
}

std::string paper_section(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups, Tables& tables) {
  std::string out;
  for (auto& table : paper_comparisons(runs, groups)) out += tables.put(std::move(table));
  return out.empty() ? ""
                     : "<section><h2>Beside the paper</h2>\n<p>Rows of these runs above, scored on dev sets, the "
                       "figures of Lee et al. "
                       "(Findings of EMNLP 2025) in pale below: one seed, no intervals, larger corpora and many more "
                       "steps. ± is the standard deviation over seeds, or, of one seed, the standard error over "
                       "examples.</p>\n" +
                           out + "</section>\n";
}

std::string remarks(const std::vector<RunInput>& runs, const std::vector<std::string>& more) {
  std::string items;
  for (const auto& remark : more) items += "<li>" + escape(remark) + "</li>\n";
  for (const auto& run : runs)
    for (const auto& remark : run.remarks) items += "<li>" + escape(run.name + ": " + remark) + "</li>\n";
  return items.empty() ? "" : "<section><h2>Remarks</h2>\n<ul>" + items + "</ul></section>\n";
}

std::string lead(const std::vector<RunInput>& runs) {
  std::vector<std::string> names;
  std::set<std::string> commands;
  for (const auto& run : runs) {
    names.push_back(run.name);
    if (const io::Json* command = find_setting(run, {"command"})) commands.insert(plain_text(*command));
  }
  if (std::none_of(runs.begin(), runs.end(), [](const RunInput& run) { return run.trains(); }))
    return runs.size() == 1 ? "A model: " + names.front() + "."
                            : concat(runs.size(), " models: ", io::listed(names, "and"), ".");
  const std::string what = commands.size() == 1 ? "saobp " + *commands.begin() : "saobp";
  return runs.size() == 1 ? "One run of " + what + ": " + names.front() + "."
                          : concat(runs.size(), " runs of ", what, ": ", io::listed(names, "and"), ".");
}

}  // namespace

Report make_report(const std::vector<RunInput>& runs, const std::string& title) {
  if (runs.empty()) fail_usage("report: no run was given; at least one run folder was expected");
  const auto analyses = analysis_groups(runs);
  const auto groups = seed_groups(runs);
  Figures figures;
  Tables tables;
  std::string body = "<header><h1>" + escape(title) + "</h1>\n<p class='lead'>" + escape(lead(runs)) + "</p>\n" +
                     run_cards(runs, groups) + "</header>\n";
  body += tasks_section(runs, groups, figures, tables);
  const size_t findings_stand_here = body.size();
  body += what_if_section(figures.put(what_if_charts(runs, groups)));
  if (std::any_of(runs.begin(), runs.end(), [](const RunInput& run) { return run.trains(); })) {
    const auto losses = figures.put(loss_charts(runs, groups));
    body += "<section><h2>Training</h2>\n" + warnings(runs) +
            (losses.empty() ? "<p class='missing'>Losses were not recorded.</p>\n" : losses) +
            figures.put(monitor_charts(runs, groups)) + "</section>\n";
    body += "<section><h2>Final figures</h2>\n" + tables.put(final_table(runs, analyses)) + caution(runs, groups) +
            "</section>\n";
  }
  for (const auto& group : analyses) body += analysis_section(runs, groups, group, figures, tables);
  if (const auto charts = figures.put(score_charts(runs, groups)); !charts.empty())
    body += "<section><h2>Attention against scores</h2>\n" + charts + "</section>\n";
  body += paper_section(runs, groups, tables);
  const bool of_tasks = std::any_of(runs.begin(), runs.end(), [](const RunInput& run) { return !run.tasks.empty(); });
  if (analyses.empty() && !of_tasks)
    body += "<section><h2>Attention</h2><p class='missing'>No analysis was recorded.</p></section>\n";
  body += "<section><h2>Settings</h2>\n" + settings_table(runs) + "</section>\n";

  const size_t rest = body.size() + kRestOfPage;
  const auto interactive = interactive_parts(runs, groups, figures.all(), kLargestPage - std::min(kLargestPage, rest));
  body.insert(findings_stand_here, interactive.sections);
  body += remarks(runs, interactive.remarks);
  std::string page = "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>\n";
  page += "<meta name='viewport' content='width=device-width, initial-scale=1'>\n";
  // The page loads nothing, and a browser holds it to that.
  page +=
      "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'; script-src "
      "'unsafe-inline'; img-src data: blob:\">\n";
  page += "<title>" + escape(title) + "</title>\n<style>" + style_sheet() + page_part("page.css") +
          "</style></head>\n<body><main>\n" + body + "</main>\n" + interactive.scripts + "</body></html>\n";
  auto lacks = interactive.remarks;
  if (page.size() > kLargestPage)
    lacks.push_back(concat("The page has ", io::size_in_words(static_cast<double>(page.size())), ", more than ",
                           io::size_in_words(static_cast<double>(kLargestPage)), ": fewer runs make a smaller one."));
  return {std::move(page), figures.all(), tables.all(), std::move(lacks)};
}

namespace {

// Runs of one name in different places are called by their paths, without what all of these begin with.
void tell_apart(std::vector<RunInput>& runs) {
  std::map<std::string, int> uses;
  for (const auto& run : runs) ++uses[run.name];
  std::vector<std::pair<RunInput*, std::filesystem::path>> same;
  for (auto& run : runs)
    if (uses[run.name] > 1) same.emplace_back(&run, std::filesystem::weakly_canonical(run.folder));
  if (same.empty()) return;
  auto shared = same.front().second.parent_path();
  const auto is_elsewhere = [&](const auto& each) {
    return each.second.lexically_relative(shared).string().starts_with("..");
  };
  while (shared.has_relative_path() && std::any_of(same.begin(), same.end(), is_elsewhere))
    shared = shared.parent_path();
  for (auto& [run, path] : same) run->name = path.lexically_relative(shared).string();
}

}  // namespace

WrittenReport write_report(const std::vector<std::filesystem::path>& folders, const ReportOutputs& outputs,
                           const std::string& title) {
  std::set<std::filesystem::path> known;
  for (const auto& folder : folders)
    if (!known.insert(std::filesystem::weakly_canonical(folder)).second)
      fail_usage("report: ", folder.string(), " was given twice");
  std::vector<RunInput> runs;
  runs.reserve(folders.size());
  for (const auto& folder : folders) runs.push_back(read_run(folder));
  tell_apart(runs);
  const auto standing =
      runs.size() == 1 ? "Attention of " + runs.front().name : std::string("Attention, runs side by side");
  auto report = make_report(runs, title.empty() ? standing : title);
  std::vector<std::filesystem::path> written;
  const auto add = [&](const std::vector<std::filesystem::path>& paths) {
    written.insert(written.end(), paths.begin(), paths.end());
  };
  if (!outputs.figures.empty()) {
    add(write_figures(report.charts, outputs.figures));
    for (const auto& [name, svg] : map_figures(runs)) {
      written.push_back(outputs.figures / (name + ".svg"));
      io::write_file(written.back(), svg);
    }
  }
  if (!outputs.tables.empty()) add(write_tables(report.tables, outputs.tables));
  io::write_file(outputs.page, report.html);
  written.push_back(outputs.page);
  return {std::move(written), std::move(report.remarks)};
}

}  // namespace saobp::report

#include "saobp/report/report.h"

#include <algorithm>
#include <set>

#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/io/words.h"
#include "saobp/report/differences.h"
#include "saobp/report/figures.h"
#include "saobp/report/html.h"
#include "saobp/report/interactive.h"
#include "saobp/report/page_parts.h"
#include "saobp/report/style.h"
#include "saobp/report/tables.h"
#include "saobp/report/tasks_section.h"

namespace saobp::report {
namespace {

// A page goes by mail and opens on a telephone: so many bytes at most, of which tables and static charts take some.
constexpr size_t kLargestPage = 8'000'000, kRestOfPage = 1'000'000;

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) out += (i == 0 ? "" : i + 1 == parts.size() ? " and " : ", ") + parts[i];
  return out;
}

// What the figures can and cannot say.
std::string caution(const std::vector<RunInput>& runs) {
  std::vector<std::string> seeds;
  for (const auto& run : runs) {
    const io::Json* seed = find_setting(run, {"seed"});
    seeds.push_back(run.name + ": " + (seed ? plain_text(*seed) : "not recorded"));
  }
  const std::string seeds_text = "Seeds: " + joined(seeds) + ".";
  if (runs.size() == 1)
    return "<p class='fine'>This is one run with one seed; another seed gives other figures. " + escape(seeds_text) +
           "</p>\n";
  return "<p class='fine'>Each curve is one run with one seed. How much a figure varies from seed to seed was not "
         "measured, so a "
         "difference between runs may be chance: this page does not say that one is better. " +
         escape(seeds_text) + "</p>\n";
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
  return joined(names);
}

std::string analysis_section(const std::vector<RunInput>& runs, const AnalysisGroup& group, size_t index) {
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
  if (texts.size() > 1) out += "<p class='mind'><strong>Mind that the texts differ.</strong></p>\n";
  if (texts.size() == 1 && tokens.size() > 1)
    out +=
        "<p class='mind'><strong>Mind that the same text has other tokens in each</strong> (another tokenizer, or "
        "sequences cut at another length).</p>\n";
  out += layer_figures(runs, group, index);
  out += "<p class='fine'>Measured: " + escape(joined(measured)) + ".</p>\n";
  return out + layer_table(runs, group) + "</section>\n";
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
  const std::string what = commands.size() == 1 ? "saobp " + *commands.begin() : "saobp";
  return runs.size() == 1 ? "One run of " + what + ": " + names.front() + "."
                          : concat(runs.size(), " runs of ", what, ": ", joined(names), ".");
}

}  // namespace

std::string render_comparison_page(const std::vector<RunInput>& runs, const std::string& title) {
  if (runs.empty()) fail_usage("report: no run was given; at least one run folder was expected");
  const auto groups = analysis_groups(runs);
  const auto interactive = interactive_parts(runs, kLargestPage - kRestOfPage);
  std::string page = "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>\n";
  page += "<meta name='viewport' content='width=device-width, initial-scale=1'>\n";
  // The page loads nothing, and a browser holds it to that.
  page +=
      "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'; script-src "
      "'unsafe-inline'; img-src data: blob:\">\n";
  page += "<title>" + escape(title) + "</title>\n<style>" + kStyleSheet + page_part("page.css") +
          "</style></head>\n<body><main>\n";
  page += "<header><h1>" + escape(title) + "</h1>\n<p class='lead'>" + escape(lead(runs)) + "</p>\n" + run_cards(runs) +
          "</header>\n";
  page += tasks_section(runs) + interactive.sections;
  page += "<section><h2>Training</h2>\n" + warnings(runs) + loss_figure(runs) + monitor_figure(runs) + "</section>\n";
  page += "<section><h2>Final figures</h2>\n" + final_table(runs, groups) + caution(runs) + "</section>\n";
  for (size_t i = 0; i < groups.size(); ++i) page += analysis_section(runs, groups[i], i);
  const bool of_tasks = std::any_of(runs.begin(), runs.end(), [](const RunInput& run) { return !run.tasks.empty(); });
  if (groups.empty() && !of_tasks)
    page += "<section><h2>Attention</h2><p class='missing'>No analysis was recorded.</p></section>\n";
  page += "<section><h2>Settings</h2>\n" + settings_table(runs) + "</section>\n" + remarks(runs, interactive.remarks);
  return page + "</main>\n" + interactive.scripts + "</body></html>\n";
}

void write_report(const std::vector<std::filesystem::path>& folders, const std::filesystem::path& output,
                  const std::string& title) {
  std::vector<RunInput> runs;
  runs.reserve(folders.size());
  for (const auto& folder : folders) runs.push_back(read_run(folder));
  // Runs of one name in different places are told apart by their paths.
  for (size_t i = 0; i < runs.size(); ++i)
    for (size_t j = 0; j < runs.size(); ++j)
      if (i != j && folders[i].filename() == folders[j].filename()) runs[i].name = folders[i].string();
  io::write_file(output, render_comparison_page(runs, title));
}

}  // namespace saobp::report

#include "saobp/report/report.h"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>

#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/report/figures.h"
#include "saobp/report/html.h"
#include "saobp/report/tables.h"
#include "tests/report/search.h"
#include "tests/tools.h"

namespace saobp::report {
namespace {

namespace fs = std::filesystem;
using io::Json;

// A folder of made-up runs, removed at the end.
class Report : public ::testing::Test {
 protected:
  void write(const fs::path& path, const std::string& text) { root_.write(path.string(), text); }

  static Json record(const std::string& variant) {
    Json json = {{"command", "pretrain"}, {"seed", 42}, {"started", "2026-01-02T03:04:05Z"}};
    json["options"] = {{"steps", 30}, {"learning_rate", 5e-4}};
    json["model"] = {{"num_hidden_layers", 2}, {"hidden_size", 8}, {"num_attention_heads", 2}};
    json["model"]["refined_attention"] = {{"variant", variant}, {"strength", 0.2}};
    json["final"] = {{"step", 30},
                     {"loss", 3.25},
                     {"validation_loss", 3.5},
                     {"masked_lm_perplexity", 33.12},
                     {"tokens_per_s", 5231.4},
                     {"parameters", 11171130},
                     {"peak_rss_mb", 812},
                     {"surprise", 77}};
    return json;
  }

  static Json analysis(double refined_more) {
    Json json = {{"model", "m"}, {"text", "dev.txt"}, {"sequences", 12}, {"tokens", 1234}};
    json["settings"] = {{"gtd_discount", 0.9}, {"gtd_hops", 4}, {"sparsity_threshold", 0.01}};
    for (const char* which : {"A", "B"}) {
      const double more = *which == 'B' ? refined_more : 0;
      json["matrices"][which] = {{"attention_entropy", {{2.0 + more, 2.5 + more}, {1.0 + more, 1.5 + more}}},
                                 {"gtd", {{0.70 + more / 10, 0.72 + more / 10}, {0.80, 0.84}}},
                                 {"indirect_entropy", {{3.0, 3.0}, {3.0, 3.0}}},
                                 {"sparsity", {{0.5, 0.7}, {0.9, 0.9}}}};
    }
    return json;
  }

  void write_run(const std::string& name, const std::string& variant, double refined_more) {
    write(name + "/run.json", record(variant).dump());
    write(name + "/analysis/dev.json", analysis(refined_more).dump());
    std::string lines;
    for (int step = 1; step <= 30; ++step) {
      lines += Json({{"step", step}, {"loss", 10.0 - step / 10.0}, {"learning_rate", 1e-4}}).dump() + "\n";
      if (step % 10 == 0)
        lines +=
            Json({{"step", step}, {"validation_loss", 9.5 - step / 10.0}, {"masked_lm_perplexity", 1.0}}).dump() + "\n";
    }
    write(name + "/metrics.jsonl", lines);
  }

  std::string error_of(const std::string& run) {
    try {
      read_run(root_ / run);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  tests::TempFolder root_;
};

// The page less its scripts: what files hold is in the first of them too, as JSON in which no < stands.
std::string without_scripts(const std::string& page) {
  std::string rest;
  for (size_t at = 0; at < page.size();) {
    const size_t begin = std::min(page.find("<script", at), page.size());
    rest += page.substr(at, begin - at);
    at = begin == page.size() ? begin : page.find("</script>", begin) + 9;
  }
  return rest;
}

// Every start tag has its end tag, in the right order; the check that a browser would not make.
void expect_balanced(const std::string& whole) {
  const auto page = without_scripts(whole);
  static const std::regex tag("<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^<>'\"]|'[^']*'|\"[^\"]*\")*)>");
  std::vector<std::string> open;
  const size_t body = page.find("<body>"), end_of_body = page.find("</body>");
  ASSERT_NE(body, std::string::npos);
  ASSERT_NE(end_of_body, std::string::npos);
  const std::string inside = page.substr(body + 6, end_of_body - body - 6);
  for (std::sregex_iterator at(inside.begin(), inside.end(), tag), end; at != end; ++at) {
    const std::string name = (*at)[2], rest = (*at)[3];
    if (!rest.empty() && rest.back() == '/') continue;
    if ((*at)[1].length() == 0) {
      open.push_back(name);
    } else {
      ASSERT_FALSE(open.empty()) << "</" << name << "> without a start";
      ASSERT_EQ(open.back(), name);
      open.pop_back();
    }
  }
  EXPECT_TRUE(open.empty()) << "left open: " << open.back();
}

TEST_F(Report, ReadsARunFolder) {
  write_run("high", "high", 0.5);
  const RunInput run = read_run(root_ / "high");
  EXPECT_EQ(run.name, "high");
  EXPECT_EQ(read_run(root_ / "high" / "").name, "high");
  ASSERT_EQ(run.train_loss.size(), 30u);
  EXPECT_EQ(run.train_loss[9].step, 10);
  EXPECT_DOUBLE_EQ(run.train_loss[9].value, 9.0);
  ASSERT_EQ(run.validation_loss.size(), 3u);
  EXPECT_DOUBLE_EQ(run.validation_loss[2].value, 6.5);
  ASSERT_EQ(run.analyses.size(), 1u);
  EXPECT_EQ(run.analyses[0].name, "dev");
  EXPECT_NEAR(run.analyses[0].idempotent_gtd, 5.948721 / 6.948721, 1e-12);
  EXPECT_DOUBLE_EQ(run.analyses[0].refined.of("attention_entropy")[1][0], 1.5);
  EXPECT_FALSE(run.analyses[0].is_unrefined());
  EXPECT_TRUE(run.remarks.empty());
}

TEST_F(Report, ShowsAttentionWhileTraining) {
  const auto monitored = [](int step, double entropy, bool refined_entropy) {
    Json json = {{"step", step}, {"monitored_sequences", 8}};
    for (const char* which : {"A", "B"}) {
      auto& matrix = json["attention"][which];
      matrix["gtd"] = {{0.7, 0.72}, {0.8, 0.84}};
      if (*which == 'A' || refined_entropy)
        matrix["attention_entropy"] = {{entropy, 2.5}, {3.0, *which == 'A' ? 3.5 : 4.5}};
    }
    return json.dump() + "\n";
  };
  const std::string loss = "{\"step\": 1, \"loss\": 3}\n";
  // Resumed from a checkpoint between 20 and 40: what was logged beyond is replaced.
  write("high/metrics.jsonl", loss + monitored(20, 2, true) + monitored(40, 9, true) + monitored(30, 1, true));
  write("elemmul/metrics.jsonl", loss + monitored(20, 1.5, false));
  write("plain/metrics.jsonl", loss);
  const std::vector<RunInput> runs{read_run(root_ / "high"), read_run(root_ / "elemmul"), read_run(root_ / "plain")};
  ASSERT_EQ(runs[0].monitored.size(), 2u);
  EXPECT_EQ(runs[0].monitored[1].step, 30);
  EXPECT_EQ(runs[0].monitored[1].refined.of("attention_entropy")[1][1], 4.5);
  const std::string page = make_report(runs, "Runs").html;
  expect_balanced(page);
  EXPECT_TRUE(contains(page, "high, B, mean of all heads: from 3.000 at step 20 to 2.750 at step 30."));
  EXPECT_TRUE(contains(page, "elemmul, A, mean of all heads: from 2.625 at step 20 to 2.625 at step 20."));
  EXPECT_TRUE(contains(page, "elemmul, B, mean of all heads: from 0.765"));
  EXPECT_FALSE(contains(page, "plain, B") || contains(page, "plain, A"));
  EXPECT_FALSE(contains(make_report({runs[2]}, "Run").html, "while training"));
  write("odd/metrics.jsonl", loss + "{\"step\": 2, \"attention\": {\"A\": {}}}\n");
  EXPECT_TRUE(contains(error_of("odd"), "metrics.jsonl, line 2: \"attention\": \"B\" is missing")) << error_of("odd");
}

TEST_F(Report, PageHoldsTheFiguresOfTheFiles) {
  write_run("original", "original", 0);
  write_run("high", "high", 0.5);
  write_report({root_ / "original", root_ / "high"}, {root_ / "report.html", {}, {}}, "Two runs & more");
  const std::string page = io::read_file(root_ / "report.html");
  expect_balanced(page);
  for (const char* part : {"<h1>Two runs &amp; more</h1>",
                           "11,171,130",
                           "33.12",
                           "3.2500",
                           "5,231",
                           "Peak memory, MB",
                           "surprise",
                           ">77<",
                           ">812<",
                           "original, A = B",
                           "high, A<",
                           "high, B<",
                           "0.856",
                           "λ = 0.2",
                           "1,234 tokens",
                           "does not say that one is better",
                           "original: 42 and high: 42",
                           "prefers-color-scheme: dark",
                           "@media print",
                           "high, validation at step 30: 6.5000",
                           "high, B, layer 1, head 1: 2.0000"})
    EXPECT_TRUE(contains(page, part)) << part;
  EXPECT_FALSE(contains(page, "original, B")) << "original attention has no matrix of its own after refinement";
  EXPECT_FALSE(contains(page, "not recorded"));
  // Mean of B's entropy: (2.5 + 3.0 + 1.5 + 2.0) / 4; of GTD of A: (0.70 + 0.72 + 0.80 + 0.84) / 4.
  EXPECT_TRUE(contains(page, "<td class='number'>2.2500</td>"));
  EXPECT_TRUE(contains(page, "<td class='number'>0.7650</td>"));
  EXPECT_EQ(count(page, "<svg role='img'"), 7u) << "two of losses, four by layer and head, one of heads";
}

TEST_F(Report, LoadsNothingFromOutside) {
  write_run("high", "high", 0.5);
  const std::string page = make_report({read_run(root_ / "high")}, "t").html;
  for (const char* part : {"http://", "https://", "src=", "href=", "@import", "<link"})
    EXPECT_FALSE(contains(page, part)) << part;
  EXPECT_EQ(count(without_scripts(page), "url("), count(without_scripts(page), "url(#"));
}

TEST_F(Report, EscapesEverything) {
  const std::string evil = "<script>alert('1')</script>&\"";
  write_run("a<b>&'\"", "high", 0.5);
  auto json = record("<i>high</i>");
  json["options"]["<b>"] = evil;
  json["final"]["<u>"] = evil;
  json["host"] = evil;
  json["command"] = evil;
  json["seed"] = evil;
  write("a<b>&'\"/run.json", json.dump());
  auto measured = analysis(0.1);
  measured["text"] = evil;
  write("a<b>&'\"/analysis/<em>.json", measured.dump());
  const std::string page = make_report({read_run(root_ / "a<b>&'\"")}, evil).html;
  expect_balanced(page);
  EXPECT_FALSE(contains(page, "<script>alert"));
  for (const char* tag : {"<script", "<i>", "<u>", "<b>", "<em>"})
    EXPECT_FALSE(contains(without_scripts(page), tag)) << tag;
  EXPECT_TRUE(contains(page, "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;"));
}

TEST_F(Report, WhatIsMissingIsSaid) {
  write("bare/run.json", "{}");
  const RunInput run = read_run(root_ / "bare");
  ASSERT_EQ(run.remarks.size(), 2u);
  const std::string page = make_report({run}, "t").html;
  expect_balanced(page);
  for (const char* part : {"Losses were not recorded.", "Settings were not recorded.", "No analysis was recorded.",
                           "metrics.jsonl is missing", "Attention: <span class='absent'>not recorded</span>"})
    EXPECT_TRUE(contains(page, part)) << part;
  EXPECT_EQ(count(page, "<svg role='img'"), 0u);
}

TEST_F(Report, AStoppedRunShowsItsLastValidation) {
  write_run("high", "high", 0.5);
  fs::remove(root_ / "high" / "run.json");
  const std::string page = make_report({read_run(root_ / "high")}, "t").html;
  EXPECT_TRUE(contains(page, "6.5000 (step 30)"));
  EXPECT_TRUE(contains(page, "Steps</th><td class='number'>30</td>"));
  EXPECT_TRUE(contains(page, "Tokens per second</th><td class='number'><span class='absent'>not recorded"));
  EXPECT_TRUE(contains(page, "run.json is missing"));
}

TEST_F(Report, ACutOffLastLineIsARemark) {
  write_run("high", "high", 0.5);
  std::ofstream(root_ / "high" / "metrics.jsonl", std::ios::app) << "{\"step\": 31, \"lo";
  const RunInput run = read_run(root_ / "high");
  EXPECT_EQ(run.train_loss.size(), 30u);
  ASSERT_EQ(run.remarks.size(), 1u);
  EXPECT_TRUE(contains(run.remarks[0], "line 34")) << run.remarks[0];
  EXPECT_TRUE(contains(make_report({run}, "t").html, "was cut off"));
}

TEST_F(Report, ACompleteLastLineWithoutNewlineCounts) {
  write("high/metrics.jsonl", "{\"step\": 1, \"loss\": 3}\n{\"step\": 2, \"loss\": 2}");
  EXPECT_EQ(read_run(root_ / "high").train_loss.size(), 2u);
}

TEST_F(Report, DamagedFilesAreErrorsThatNameThePlace) {
  // A line that is no JSON is left out and remarked upon; one that is, and says nonsense, is an error.
  write("a/metrics.jsonl", "{\"step\": 1, \"loss\": 3}\n{\"step\": 2, \"lo\n{\"step\": 3, \"loss\": 2}\n");
  const auto lines = read_run(root_ / "a");
  EXPECT_EQ(lines.train_loss.size(), 2u);
  const auto remarks = concat(lines.remarks[0], lines.remarks[1], lines.remarks[2]);
  EXPECT_TRUE(contains(remarks, "1 line of metrics.jsonl (the first is line 2) could not be read")) << remarks;
  write("b/metrics.jsonl", "{\"loss\": 3}\n");
  EXPECT_TRUE(contains(error_of("b"), "line 1: \"step\" is missing")) << error_of("b");
  write("c/run.json", "[1]");
  EXPECT_TRUE(contains(error_of("c"), "a list; an object was expected")) << error_of("c");
  write("d/other", "");
  EXPECT_TRUE(contains(error_of("d"), "neither run.json nor metrics.jsonl")) << error_of("d");
  EXPECT_TRUE(contains(error_of("nowhere"), "not a folder")) << error_of("nowhere");
  write_run("e", "high", 0.1);
  auto broken = analysis(0.1);
  broken["matrices"]["B"]["gtd"].erase(1);
  write("e/analysis/dev.json", broken.dump());
  EXPECT_TRUE(contains(error_of("e"), "\"gtd\" of B has 1 layer of 2 heads; 2 of 2 were expected")) << error_of("e");
  EXPECT_THROW(make_report({}, "t").html, UsageError);
}

TEST_F(Report, LossesThatAreNotFiniteAreCountedNotDrawn) {
  write("a/metrics.jsonl", "{\"step\": 1, \"loss\": 3}\n{\"step\": 2, \"loss\": null}\n{\"step\": 3, \"loss\": 2}\n");
  const RunInput run = read_run(root_ / "a");
  EXPECT_EQ(run.train_loss.size(), 2u);
  EXPECT_TRUE(contains(concat(run.remarks[0], run.remarks[1]), "1 logged loss was not finite"));
  EXPECT_FALSE(contains(without_scripts(make_report({run}, "t").html), "nan"));
}

TEST_F(Report, AResumedRunKeepsTheLaterRecord) {
  write("a/metrics.jsonl",
        "{\"step\": 1, \"loss\": 9}\n{\"step\": 2, \"loss\": 8}\n{\"step\": 3, \"loss\": 7}\n{\"step\": 2, \"loss\": "
        "6}\n");
  const RunInput run = read_run(root_ / "a");
  ASSERT_EQ(run.train_loss.size(), 2u);
  EXPECT_EQ(run.train_loss[1].step, 2);
  EXPECT_EQ(run.train_loss[1].value, 6);
  bool said = false;
  for (const auto& remark : run.remarks) said = said || contains(remark, "resumed");
  EXPECT_TRUE(said);
}

TEST_F(Report, ALongRunStaysASmallPage) {
  std::string lines;
  for (int step = 1; step <= 40000; ++step)
    lines += Json({{"step", step}, {"loss", 3 + (step % 97) / 50.0}}).dump() + "\n";
  write("long/metrics.jsonl", lines);
  EXPECT_LT(without_scripts(make_report({read_run(root_ / "long")}, "t").html).size(), 120'000u);
}

TEST_F(Report, SettingsThatDifferComeFirst) {
  write_run("original", "original", 0);
  write_run("high", "high", 0.5);
  const std::string table = settings_table({read_run(root_ / "original"), read_run(root_ / "high")});
  const size_t same = table.find("The same in all runs");
  ASSERT_NE(same, std::string::npos);
  EXPECT_LT(table.find("model.refined_attention.variant"), same);
  EXPECT_GT(table.find("options.learning_rate"), same);
  EXPECT_TRUE(contains(table, ">0.0005<"));
  EXPECT_FALSE(contains(table, "peak_rss_mb")) << "final figures have a table of their own";
}

TEST_F(Report, OneLayerAndManyLayers) {
  for (const size_t layers : {1, 13, 24}) {
    write_run("high", "high", 0.5);
    auto json = analysis(0.5);
    for (const char* which : {"A", "B"})
      for (auto& [name, values] : json["matrices"][which].items()) values = Json(layers, values[0]);
    write("high/analysis/dev.json", json.dump());
    const std::string page = make_report({read_run(root_ / "high")}, "t").html;
    expect_balanced(page);
    EXPECT_TRUE(contains(page, concat("high, B, layer ", layers - 1, ", head 1")));
  }
}

TEST_F(Report, AnyFiniteNumberIsDrawn) {
  for (const double value : {1e16, 1e308, -1e308, 1.7976931348623157e308, 5e-324, 1e-300, 9007199254740993.0}) {
    write_run("high", "high", 0.5);
    auto json = analysis(0.5);
    for (auto& [name, values] : json["matrices"]["B"].items()) values = Json::parse("[[0.5, 0.5], [0.5, 0.5]]");
    for (auto& [name, values] : json["matrices"]["A"].items()) values[1] = {value, value};
    write("high/analysis/dev.json", json.dump());
    const Json layers = {{"attention_entropy", {{value, 1.0}}}, {"gtd", {{value, value}}}};
    std::string lines;
    for (int step = 1; step < 30; ++step) lines += Json({{"step", step}, {"loss", value}}).dump() + "\n";
    lines += Json({{"step", 30}, {"validation_loss", value}}).dump() + "\n";
    lines += Json({{"step", 30}, {"attention", {{"A", layers}, {"B", layers}}}}).dump() + "\n";
    lines += Json({{"step", INT64_MAX}, {"loss", 1.0}}).dump() + "\n";
    write("high/metrics.jsonl", lines);
    const std::string page = make_report({read_run(root_ / "high")}, "t").html;
    expect_balanced(page);
    EXPECT_FALSE(contains(page, "not finite")) << value;
  }
}

TEST_F(Report, AnAnalysisThatIsNoneIsNamed) {
  write_run("high", "high", 0.5);
  const auto refused = [&](const std::string& text, const std::string& words) {
    write("high/analysis/dev.json", text);
    const auto error = error_of("high");
    EXPECT_EQ(error.find((root_ / "high/analysis/dev.json").string() + ": "), 0u) << error;
    EXPECT_TRUE(contains(error, words)) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos);
  };
  refused("", "not valid JSON");
  refused("[1]", "text");
  refused("{\"notes\": 3}", "text");
  refused(Json({{"first", analysis(0)}, {"second", analysis(0)}}).dump(), "text");
  auto json = analysis(0.5);
  json["settings"]["gtd_discount"] = 1e308;
  refused(json.dump(), "\"gtd_discount\" is 1e+308; a number above 0 and at most 1 was expected");
  json = analysis(0.5);
  json["matrices"]["A"]["gtd"][1][0] = "high";
  refused(json.dump(), "gtd");
  for (const auto& strengths :
       {Json(nullptr), Json("x"), Json::array(), Json({nullptr, 1}), Json({Json::array({"a"})})}) {
    json = analysis(0.5);
    json["refined_attention"] = {{"attention", "high"}};
    json["strengths"] = strengths;
    refused(json.dump(), "strengths");
  }
  json = analysis(0.5);
  json["what_if"] = {{{"attention", "high"}, {"strength", "much"}}};
  refused(json.dump(), "what_if");
  auto text = analysis(0.5).dump();
  text.replace(text.find("2.5"), 3, "1e999");
  refused(text, "1e999");
}

}  // namespace
}  // namespace saobp::report

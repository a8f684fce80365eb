#include "saobp/report/analysis_table.h"

#include <gtest/gtest.h>

#include "saobp/report/findings.h"
#include "saobp/report/group_tables.h"
#include "tests/tools.h"

namespace saobp::report {
namespace {

using tests::error_of;

// A hand-written analysis: two layers of two heads.
io::Json sample(double shift) {
  io::Json json = {{"model", "runs/mini"}, {"text", "dev.txt"}, {"sequences", 5}, {"tokens", 321}};
  json["settings"] = {{"gtd_discount", 0.9}, {"gtd_hops", 4}, {"sparsity_threshold", 0.01}};
  json["idempotent_gtd"] = 0.856089;
  for (const char* which : {"A", "B"}) {
    const double more = shift + (*which == 'B' ? 0.5 : 0);
    for (const char* metric : {"attention_entropy", "gtd", "indirect_entropy", "sparsity"})
      json["matrices"][which][metric] = {{1 + more, 2 + more}, {3 + more, 5 + more}};
  }
  return json;
}

std::string line_with(const std::string& text, const std::string& start) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    if (text.compare(at, start.size(), start) == 0) return text.substr(at, end - at);
    at = end + 1;
  }
  return "";
}

TEST(MetricsTable, ShowsMeansOverHeadsAndLayers) {
  const auto text = metrics_table(sample(0), TableDetail::layers);
  EXPECT_EQ(line_with(text, "0 "),
            "0               1.5000    1.5000    1.5000    1.5000       2.0000    2.0000    2.0000    2.0000");
  EXPECT_EQ(line_with(text, "mean "),
            "mean            2.7500    2.7500    2.7500    2.7500       3.2500    3.2500    3.2500    3.2500");
  for (const char* part :
       {"runs/mini on dev.txt", "5 sequences, 321 tokens; 2 layers of 2 heads", "A: before refinement",
        "B: after refinement", "0.856", "nats", "K = 4", "a threshold of 0.01"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " is missing in\n" << text;
  EXPECT_EQ(text.find("head 0"), std::string::npos);
}

TEST(MetricsTable, NamesWhatIsDefinedNowhere) {
  auto json = sample(0);
  json["settings"]["measures"] = "gtd,clustering";
  json["measures"] = {{"gtd", {{"heading", "GTD"}, {"unit", ""}, {"definition", "share"}}},
                      {"clustering", {{"heading", "clust."}, {"unit", ""}, {"definition", "of a graph"}}}};
  for (const char* which : {"A", "B"}) json["matrices"][which]["clustering"] = {{nullptr, nullptr}, {nullptr, nullptr}};
  const auto text = metrics_table(json, TableDetail::layers);
  EXPECT_NE(text.find("Defined nowhere here: clustering"), std::string::npos) << text;
  EXPECT_EQ(text.find("clust."), std::string::npos) << "a column without a number\n" << text;
  for (const char* which : {"A", "B"}) json["matrices"][which].erase("gtd");
  json["layers"] = 6, json["heads"] = 3;
  for (const char* which : {"A", "B"})
    json["matrices"][which] = {{"clustering", json["matrices"][which]["clustering"]}};
  EXPECT_NE(metrics_table(json, TableDetail::layers).find("6 layers of 3 heads"), std::string::npos);
}

TEST(Findings, CallNothingASinkWhereTextsAreShort) {
  auto json = sample(0);
  for (const char* which : {"A", "B"}) json["matrices"][which] = {{"top_key_share", {{0.34, 0.36}, {0.33, 0.35}}}};
  EXPECT_NE(findings_text(json, "x").find("give more than 30 %"), std::string::npos);
  json["even_share"] = 0.33;
  const auto text = findings_text(json, "x");
  EXPECT_EQ(text.find("give more than"), std::string::npos) << text;
  EXPECT_NE(text.find("with 64 tokens on average"), std::string::npos) << text;
  EXPECT_NE(text.find("gives one key 33 % of its attention"), std::string::npos) << text;
}

TEST(Findings, DoNotPutAHeadAboveTheLineThatLiesOnIt) {
  auto json = sample(0);
  for (const char* which : {"A", "B"}) json["matrices"][which] = {{"gtd", {{0.85609, 0.8561}, {0.7, 0.856089}}}};
  EXPECT_NE(findings_text(json, "x").find("no head lies above 0.856"), std::string::npos);
  json["matrices"]["B"]["gtd"][0][0] = 0.87;
  EXPECT_NE(findings_text(json, "x").find("1 head lies above 0.856"), std::string::npos);
}

TEST(GroupTables, AreInTheOrderOfNumbers) {
  auto json = sample(0);
  io::Json part = {{"sequences", 3}, {"tokens", 9}};
  for (const char* place : {"16-31", "4-7", "0"}) {
    for (const char* which : {"A", "B"})
      part["matrices"][which] = {{"gtd", {{place[0] - '0' + 0.5, nullptr}, {place[0] - '0' + 0.25, nullptr}}}};
    json["by_position"][place] = part;
  }
  const auto record = read_analysis(json, "x");
  const auto tables = group_tables({{"m", &record}}, "dev");
  ASSERT_EQ(tables.size(), 1u);
  EXPECT_EQ(tables[0].id, "by_position-dev");
  ASSERT_EQ(tables[0].rows.size(), 3u);
  std::vector<std::string> places, gtd;
  for (const auto& row : tables[0].rows) {
    places.push_back(row.cells[0]);
    EXPECT_EQ(row.cells[1], "3");
    EXPECT_EQ(row.cells[2], "–") << "not measured";
    gtd.push_back(row.cells[3]);
  }
  EXPECT_EQ(places, (std::vector<std::string>{"0", "4-7", "16-31"}));
  EXPECT_EQ(gtd, (std::vector<std::string>{"0.3750", "4.3750", "1.3750"}));
  // Of several analyses each has its heading.
  EXPECT_EQ(group_tables({{"m", &record}, {"n", &record}}, "dev")[0].rows.size(), 8u);
  json["by_position"] = 5;
  const auto damaged = read_analysis(json, "x.json");
  EXPECT_NE(error_of([&] { group_tables({{"m", &damaged}}, ""); }).find("x.json: \"by_position\""), std::string::npos);
}

TEST(MetricsTable, ShowsHeads) {
  const auto text = metrics_table(sample(0), TableDetail::heads);
  EXPECT_EQ(line_with(text, "  head 1"),
            "  head 1        2.0000    2.0000    2.0000    2.0000       2.5000    2.5000    2.5000    2.5000");
}

TEST(MetricsTable, ComparesTwoModels) {
  auto other = sample(0.25);
  const auto text = comparison_table(sample(0), other, TableDetail::heads);
  EXPECT_EQ(line_with(text, "0 ").substr(0, 38), "0                1.500   1.750  +0.250");
  EXPECT_EQ(line_with(text, "  head 1").substr(0, 38), "  head 1         2.000   2.250  +0.250");
  EXPECT_EQ(text.find("texts differ"), std::string::npos);
  // A model with a layer more: a dash stands for what the other one lacks.
  for (const char* which : {"A", "B"})
    for (auto& [name, layers] : other["matrices"][which].items()) layers.push_back({1.0, 1.0});
  other["text"] = "else.txt";
  const auto deeper = comparison_table(sample(0), other, TableDetail::layers);
  EXPECT_NE(line_with(deeper, "2 ").find("–   1.000       –"), std::string::npos) << deeper;
  EXPECT_NE(deeper.find("texts differ"), std::string::npos);
}

TEST(MetricsTable, NoSignOnADifferenceOfZero) {
  const auto text = comparison_table(sample(0), sample(-1e-9), TableDetail::layers);
  EXPECT_EQ(text.find("-0.000"), std::string::npos) << text;
  EXPECT_EQ(text.find("+0.000"), std::string::npos) << text;
}

TEST(MetricsTable, RefusesDamagedOrUnlikeAnalyses) {
  auto missing = sample(0);
  missing.erase("tokens");
  EXPECT_NE(error_of([&] { metrics_table(missing, TableDetail::layers, "x.json"); }).find("x.json: \"tokens\""),
            std::string::npos);
  auto ragged = sample(0);
  ragged["matrices"]["B"]["gtd"][1] = {1.0};
  EXPECT_NE(error_of([&] { metrics_table(ragged, TableDetail::layers, "x.json"); }).find("1 head in layer 1"),
            std::string::npos);
  auto shorter = sample(0);
  shorter["matrices"]["B"]["gtd"].erase(1);
  EXPECT_NE(
      error_of([&] { metrics_table(shorter, TableDetail::layers, "x.json"); }).find("of B has 1 layer of 2 heads"),
      std::string::npos);
  auto unlike = sample(0);
  unlike["settings"]["gtd_hops"] = 5;
  EXPECT_NE(error_of([&] { comparison_table(sample(0), unlike, TableDetail::layers); }).find("gtd_hops"),
            std::string::npos);
}

}  // namespace
}  // namespace saobp::report

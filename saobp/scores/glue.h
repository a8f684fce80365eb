// GLUE's averages, each under the name of who takes it so. Scores as in tables: any scale, the same for all.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace saobp::scores {

// Of each task by its name ("cola", "mnli" …) its scores ("accuracy", "f1" …); MNLI's second half is "mnli_mismatched".
using GlueScores = std::map<std::string, std::map<std::string, double>>;

// Of a task as one number: where there are two scores (MRPC, QQP: F1 and accuracy; STS-B: Pearson and Spearman; MNLI:
// both halves), their mean.
std::optional<double> glue_task(const GlueScores& scores, const std::string& task);

// The site's: the mean over the nine tasks of that. Nothing where one is missing.
std::optional<double> glue_site_average(const GlueScores& scores);
// Without WNLI, which models lose by learning: the mean over the other eight.
std::optional<double> glue_without_wnli(const GlueScores& scores);
// The paper's (Lee et al. 2025, Table 8): the mean over nine columns of one score each, that is accuracy, Matthews'
// correlation of CoLA, Pearson's of STS-B, and MNLI's matched half.
std::optional<double> glue_paper_average(const GlueScores& scores);

}  // namespace saobp::scores

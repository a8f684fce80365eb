#include "saobp/report/report.h"

#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/outputs.h"

namespace saobp::cli {
namespace {

struct Report {
  std::vector<std::string> runs;
  std::string output, figures, tables, title;
  Console console;

  void run() {
    std::vector<std::filesystem::path> folders(runs.begin(), runs.end());
    const auto path = output.empty() ? folders.front() / "report.html" : std::filesystem::path(output);
    Paths inputs;
    for (const auto& folder : folders) inputs = std::move(inputs) + files_of(folder, /*analyses=*/true);
    prepare_output(path.string(), "--output", inputs);
    const auto written = report::write_report(folders, {path, figures, tables}, title);
    for (const auto& remark : written.remarks) console.line(remark);
    if (written.files.size() > 1)
      console.line(concat("written: ", io::counted(written.files.size() - 1, "file"), " of figures and tables"));
    console.line("written: " + path.string());
    console.result({{"report", path.string()}, {"runs", runs}, {"files", written.files}, {"remarks", written.remarks}});
  }
};

}  // namespace

void add_report_command(CLI::App& app) {
  auto state = std::make_shared<Report>();
  auto* command = app.add_subcommand(
      "report", "Make one HTML page of runs: training, tasks, attention and its maps, the paper's tables");
  command->add_option("runs", state->runs, "run folders, folders of suites, those that analyze --into makes, or models")
      ->required()
      ->type_name("RUN|MODEL");
  command->add_option("-o,--output", state->output, "the page; by default report.html in the first run")
      ->type_name("FILE.html");
  command->add_option("--figures", state->figures, "also write each chart as SVG there")->type_name("FOLDER");
  command->add_option("--tables", state->tables, "also write each table there, as CSV and as Markdown")
      ->type_name("FOLDER");
  command->add_option("--title", state->title, "of the page; by default what is shown in it");
  state->console.add_flag(*command);
  add_example(*command, "Example:\n  saobp report runs/demo/original runs/demo/high --output runs/both.html");
  command->callback([state, command] {
    refuse_empty_values(*command);
    state->run();
  });
}

}  // namespace saobp::cli

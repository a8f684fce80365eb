// The files of a run folder with NUL bytes between: metrics.jsonl, run.json, two analyses, maps,
// an analysis of a checkpoint, config.json; and the page that is
// made of them.
#include "saobp/report/report.h"
#include "tests/fuzz/fuzz.h"

namespace {

bool has(std::string_view page, const char* text) { return page.find(text) != std::string_view::npos; }

// Every coordinate of what is drawn is a number.
bool marks_have_places(std::string_view page) {
  for (const char* mark : {"<path", "<line", "<circle", "<polyline", "<polygon", "<rect"})
    for (size_t at = 0; (at = page.find(mark, at)) != std::string_view::npos; ++at) {
      const auto tag = page.substr(at, page.find('>', at) - at);
      if (has(tag, "nan") || has(tag, "inf")) return false;
    }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace saobp;
  static const fuzz::Folder folder;
  const char* const names[] = {"run/metrics.jsonl",        "run/run.json",
                               "run/analysis/a.json",      "run/analysis/b.json",
                               "run/analysis/a.maps.json", "run/analysis/a.step-000001.json",
                               "run/config.json"};
  const auto input = fuzz::parts(data, size, std::size(names));
  for (size_t i = 0; i < input.size(); ++i) {
    if (input[i].empty())
      folder.remove(names[i]);
    else
      folder.write(names[i], input[i]);
  }
  folder.write("run/keep", "");  // the folder is there even when it is empty
  fuzz::attempt([&] {
    const auto run = report::read_run(folder / "run");
    for (const auto& runs : {std::vector{run}, std::vector{run, run}}) {
      const std::string page = report::make_report(runs, "title").html;
      io::require_utf8(page, "the page");
      fuzz::require(page.ends_with("</html>\n"), "the page is whole");
      fuzz::require(marks_have_places(page), "every mark has a place");
      // Of scripts there are the data, plotly.js and four that draw.
      size_t scripts = 0;
      for (size_t at = 0; (at = page.find("<script", at)) != std::string::npos; ++at) ++scripts;
      fuzz::require(scripts <= 7 && !has(page, "<img"), "what files hold is escaped");
      fuzz::require(page.size() < (size_t{16} << 20), "a page is no larger than its data want");
    }
  });
  return 0;
}

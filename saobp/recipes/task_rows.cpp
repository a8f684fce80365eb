#include "saobp/recipes/task_rows.h"

#include <array>
#include <utility>

#include "saobp/io/words.h"
#include "saobp/recipes/evaluate.h"
#include "saobp/recipes/finetune.h"
#include "saobp/tasks/objective.h"

namespace saobp::recipes {
void each_task_row(const std::string& model, const TaskRowOptions& options, const train::Reporter& reporter,
                   const std::function<void(const io::Json& row)>& use) {
  auto task = tasks::find_task(options.task, options.preset);
  require_windows({task}, options.overlap);
  task = in_windows_of(std::move(task), options.overlap, model);
  const bool choice = head_of(task) == model::HeadKind::multiple_choice;
  auto config = model::read_config(fs::path(model) / "config.json");
  tasks::set_labels(task, config);
  const auto tokenizer = text::load_tokenizer(options.tokenizer.empty() ? model : options.tokenizer);
  auto examples = tasks::read_examples(task, options.split, options.data);
  if (options.rows > 0 && options.rows < static_cast<int64_t>(examples.list.size()))
    examples.list.resize(static_cast<size_t>(options.rows));
  const auto length = options.length > 0 ? options.length : row_length(task, model);
  const auto objective = tasks::make_objective(task, examples, config, *tokenizer, length);
  reporter.note(task.name, examples.file.string(), ", ", io::counted(examples.list.size(), "example"), ", ",
                io::counted(objective->items(), "item"));
  for (const std::vector<std::string>* notes : {&std::as_const(examples.notes), &objective->notes()})
    for (const auto& each : *notes) reporter.note(task.name, each);
  for (int64_t item = 0; item < objective->items(); ++item) {
    const auto rows = pretrained::unpad(objective->inputs(std::array{item}));
    io::Json row = {{"id", examples.list[static_cast<size_t>(objective->example_of(item))].id}};
    auto ids = io::Json::array(), types = io::Json::array();
    for (const auto& each : rows) ids.push_back(each.ids), types.push_back(each.types);
    row["input_ids"] = choice ? ids : ids[0];
    row["token_type_ids"] = choice ? types : types[0];
    row["target"] = objective->target(item);
    use(row);
  }
}

}  // namespace saobp::recipes

#include <algorithm>

#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/open_model.h"
#include "saobp/cli/outputs.h"
#include "saobp/io/file.h"
#include "saobp/io/paths.h"
#include "saobp/model/overflow.h"
#include "saobp/pretrained/rows.h"

namespace saobp::cli {
namespace {

struct Fill {
  std::string model, tokenizer, logits_file, hidden_file;
  std::vector<std::string> texts;
  int64_t top = 5;
  Console console;

  // Every text as one row.
  model::Inputs batch(const OpenedModel& opened) {
    const int64_t table = opened.model->config.max_length();
    std::vector<std::vector<int64_t>> rows;
    for (const auto& text : texts) {
      io::require_utf8(text, "--text");
      rows.push_back(opened.encode(text, std::numeric_limits<int32_t>::max()));
    }
    auto made = pretrained::pad(rows, opened.model->config.pad_token_id);
    if (made.ids.size(1) > table)
      fail("--text: ", made.ids.size(1), " tokens with the special ones; the model's position table ends at ", table);
    if (const auto note = model::note_on_positions(opened.model->config, made.ids.size(1)); !note.empty())
      console.line(concat(model, ": ", note));
    return made;
  }

  void save(const torch::Tensor& tensor, const std::string& path) {
    pretrained::write_floats(tensor, path);
    console.line("written: " + path);
  }

  void prepare_outputs() const {
    const auto inputs = files_of(model) + (tokenizer.empty() ? Paths() : files_of(tokenizer));
    prepare_output(logits_file, "--logits", inputs);
    prepare_output(hidden_file, "--hidden-states", inputs);
    if (!logits_file.empty() && !hidden_file.empty() && io::same_file(logits_file, hidden_file))
      fail_usage("--hidden-states ", hidden_file, ": --logits is written there; another file was expected");
  }

  io::Json best_at(const OpenedModel& opened, const torch::Tensor& logits, int64_t row, int64_t position) {
    auto probabilities = logits.to(torch::kFloat64).softmax(0);
    auto [best, ids] = probabilities.topk(std::min(top, opened.tokenizer->vocab_size()));
    io::Json tokens = io::Json::array();
    console.line(concat(texts.size() > 1 ? concat("text ", row + 1, ", ") : "", "[MASK] at position ", position));
    for (int64_t i = 0; i < best.size(0); ++i) {
      const auto id = static_cast<int32_t>(ids[i].item<int64_t>());
      const std::string token = opened.tokenizer->has_token(id) ? opened.tokenizer->token(id) : concat("id ", id);
      const double p = best[i].item<double>();
      char line[64];
      std::snprintf(line, sizeof line, "  %6.2f %%  ", 100 * p);
      console.line(line + token);
      tokens.push_back({{"token", token}, {"id", id}, {"probability", p}});
    }
    return {{"text", row}, {"position", position}, {"tokens", tokens}};
  }

  void run() {
    prepare_outputs();
    torch::NoGradGuard no_grad;
    auto opened = open_model(model, tokenizer, /*causal=*/false, "fill");
    const auto inputs = batch(opened);
    const auto& ids = inputs.ids;
    auto hidden = opened.model->hidden_states(inputs);
    model::require_finite(hidden, *opened.model, inputs, model);
    if (!hidden_file.empty()) save(hidden, hidden_file);
    const auto mask_id = opened.tokenizer->special().mask;
    auto masked = (mask_id ? ids == *mask_id : torch::zeros_like(ids)).nonzero();
    if (masked.size(0) == 0 && logits_file.empty() && hidden_file.empty())
      fail(mask_id ? "--text: there is no [MASK] to fill" : "the vocabulary has no [MASK]");
    io::Json places = io::Json::array();
    if (masked.size(0) > 0 || !logits_file.empty()) {
      auto logits = opened.model->logits(hidden);
      model::require_finite(logits, *opened.model, inputs, model);
      if (!logits_file.empty()) save(logits, logits_file);
      for (int64_t i = 0; i < masked.size(0); ++i) {
        const auto row = masked[i][0].item<int64_t>(), position = masked[i][1].item<int64_t>();
        places.push_back(best_at(opened, logits[row][position], row, position));
      }
    }
    for (size_t row = 0; row < texts.size() && masked.size(0) > 0; ++row)
      if (!masked.select(1, 0).eq(static_cast<int64_t>(row)).any().item<bool>())
        console.line(concat("text ", row + 1, " has no [MASK]"));
    console.result({{"model", model}, {"masks", places}});
  }
};

}  // namespace

void add_fill_command(CLI::App& app) {
  auto state = std::make_shared<Fill>();
  auto* command = app.add_subcommand("fill", "Show what an encoder such as a BERT expects in place of [MASK]");
  command->add_option("model", state->model, "run folder, a checkpoint's folder in it, or any encoder's folder")
      ->required()
      ->type_name("MODEL");
  command->add_option("--text", state->texts, "text with [MASK] in it; repeatable, all texts make one padded batch")
      ->required()
      ->allow_extra_args(false)
      ->type_name("TEXT");
  FieldsToFlags flags{*command};
  flags("tokenizer", state->tokenizer, "tokenizer, when it is not in the model's folder");
  flags("top", state->top, "tokens to show for each [MASK]", io::at_least(1));
  command->add_option("--logits", state->logits_file, "write all logits, float32 [texts, length, vocabulary]")
      ->type_name("FILE.npy");
  command->add_option("--hidden-states", state->hidden_file, "write the last layer, float32 [texts, length, channels]")
      ->type_name("FILE.npy");
  state->console.add_flag(*command);
  add_example(*command, "Example:\n  saobp fill runs/demo/high --text \"the red key is in the [MASK] hall .\"");
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli

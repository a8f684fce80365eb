#include "saobp/model/generate.h"

#include <cstdio>
#include <limits>

#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/open_model.h"
#include "saobp/cli/outputs.h"
#include "saobp/io/file.h"
#include "saobp/model/overflow.h"
#include "saobp/pretrained/rows.h"
#include "saobp/text/stream_decoder.h"

namespace saobp::cli {
namespace {

struct Generate {
  std::string model, tokenizer, logits_file;
  std::vector<std::string> prompts;
  model::SamplingOptions sampling;
  Console console;

  // What ends a text: the model's own token, or the tokenizer's where config.json names none.
  static model::Ending ending_of(const OpenedModel& opened) {
    model::Ending ending{opened.tokenizer->vocab_size(), opened.model->config.eos_token_ids};
    if (const auto end = opened.tokenizer->special().end_of_text(); ending.end_of_text.empty() && end)
      ending.end_of_text = {*end};
    for (int32_t id = 0; id < opened.tokenizer->vocab_size(); ++id)
      if (!opened.tokenizer->has_token(id)) ending.never.push_back(id);
    return ending;
  }

  std::vector<int64_t> encode(const OpenedModel& opened, const std::string& prompt, const model::Ending& ending) const {
    io::require_utf8(prompt, "--prompt");
    auto ids = opened.encode(prompt, std::numeric_limits<int32_t>::max());
    if (ids.empty() && ending.end_of_text.empty())
      fail("--prompt: the text has no token, and the model no end of text to begin after");
    if (ids.empty()) ids.push_back(ending.end_of_text[0]);
    if (const int64_t table = opened.model->config.max_length(); static_cast<int64_t>(ids.size()) > table)
      fail("--prompt: ", io::counted(ids.size(), "token"), "; the model's position table ends at ", table);
    return ids;
  }

  void save_logits(const OpenedModel& opened, const std::vector<std::vector<int64_t>>& rows) {
    torch::NoGradGuard no_grad;
    const auto inputs = pretrained::pad(rows, 0);
    const auto logits = opened.model->logits(opened.model->hidden_states(inputs));
    model::require_finite(logits, *opened.model, inputs, model);
    pretrained::write_floats(logits, logits_file);
    console.line("written: " + logits_file);
  }

  io::Json continue_text(const OpenedModel& opened, const std::string& prompt, const std::vector<int64_t>& ids,
                         const model::Ending& ending) {
    text::StreamDecoder decoder(*opened.tokenizer, {ids.begin(), ids.end()});
    std::string text;
    const auto show = [&](const std::string& piece) {
      text += piece;
      if (!piece.empty()) console.piece(piece);
    };
    console.piece(prompt);
    const auto made = model::generate(*opened.model, ids, sampling, ending,
                                      [&](int64_t id) { show(decoder.push(static_cast<int32_t>(id))); });
    show(decoder.finish());
    console.line("");
    const auto speed = made.tokens_per_s();
    char rate[40];
    std::snprintf(rate, sizeof rate, " at %.0f tokens/s", made.prompt_tokens_per_s(ids.size()));
    std::cerr << io::counted(ids.size(), "token") << " of prompt" << rate << ", " << made.ids.size() << " new";
    if (speed) std::snprintf(rate, sizeof rate, " at %.0f tokens/s", *speed), std::cerr << rate;
    std::cerr << "; stopped: " << io::enum_name(made.stopped) << "\n";
    const auto tokens = static_cast<int64_t>(ids.size() + made.ids.size()) - 1;  // the last one is not read
    if (const auto note = model::note_on_positions(opened.model->config, tokens); !note.empty())
      std::cerr << model << ": " << note << "\n";
    io::Json json = {{"prompt", prompt},
                     {"text", text},
                     {"ids", made.ids},
                     {"stopped", io::enum_name(made.stopped)},
                     {"prompt_tokens", ids.size()},
                     {"prompt_tokens_per_s", made.prompt_tokens_per_s(ids.size())},
                     {"tokens_per_s", nullptr}};
    if (speed) json["tokens_per_s"] = *speed;
    return json;
  }

  void run() {
    sampling.check();
    prepare_output(logits_file, "--logits", files_of(model) + (tokenizer.empty() ? Paths() : files_of(tokenizer)));
    const auto opened = open_model(model, tokenizer, /*causal=*/true, "generate");
    const auto ending = ending_of(opened);
    std::vector<std::vector<int64_t>> rows;
    for (const auto& prompt : prompts) rows.push_back(encode(opened, prompt, ending));
    if (!logits_file.empty()) save_logits(opened, rows);
    io::Json texts = io::Json::array();
    for (size_t i = 0; i < prompts.size(); ++i) texts.push_back(continue_text(opened, prompts[i], rows[i], ending));
    console.result({{"model", model}, {"settings", io::fields_to_json(sampling)}, {"texts", texts}});
  }
};

}  // namespace

void add_generate_command(CLI::App& app) {
  auto state = std::make_shared<Generate>();
  auto* command = app.add_subcommand("generate", "Continue a text with a GPT-2");
  command->add_option("model", state->model, "run folder, a checkpoint's folder in it, or any GPT-2's folder")
      ->required()
      ->type_name("MODEL");
  command
      ->add_option("--prompt", state->prompts,
                   "the text's beginning, \"\" for a new text; repeatable, each is continued by itself")
      ->required()
      ->allow_extra_args(false)
      ->type_name("TEXT");
  FieldsToFlags{*command}("tokenizer", state->tokenizer, "tokenizer, when it is not in the model's folder");
  add_flags(*command, state->sampling);
  command
      ->add_option("--logits", state->logits_file,
                   "write the prompts' logits, float32 [prompts, length, vocabulary], short ones filled up at the end")
      ->type_name("FILE.npy");
  state->console.add_flag(*command);
  add_example(*command, "Example:\n  saobp generate runs/stories --prompt \"the red key\" --top-k 50 --seed 7");
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli

#include <algorithm>

#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/open_model.h"
#include "saobp/io/npy.h"

namespace saobp::cli {
namespace {

struct Fill {
  std::string model, tokenizer, logits_file, hidden_file;
  std::vector<std::string> texts;
  int64_t top = 5;
  Console console;

  // Every text as one row, short ones filled up with [PAD].
  void batch(const OpenedModel& opened, torch::Tensor& ids, torch::Tensor& mask) const {
    const int64_t table = opened.model->config.max_position_embeddings;
    std::vector<std::vector<int64_t>> rows;
    size_t longest = 0;
    for (const auto& text : texts) {
      io::require_utf8(text, "--text");
      rows.push_back(opened.encode(text, std::numeric_limits<int32_t>::max()));
      longest = std::max(longest, rows.back().size());
    }
    if (longest > static_cast<size_t>(table))
      fail("--text: ", longest, " tokens with [CLS] and [SEP]; the model's position table ends at ", table);
    const auto shape = {static_cast<int64_t>(rows.size()), static_cast<int64_t>(longest)};
    ids = torch::full(shape, opened.model->config.pad_token_id, torch::kInt64);
    mask = torch::zeros(shape, torch::kBool);
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto row = static_cast<int64_t>(i), length = static_cast<int64_t>(rows[i].size());
      ids[row].slice(0, 0, length).copy_(torch::tensor(rows[i]));
      mask[row].slice(0, 0, length).fill_(true);
    }
  }

  void save(const torch::Tensor& tensor, const std::string& path) {
    auto values = tensor.to(torch::kFloat32).contiguous();
    io::write_npy(path, "<f4", values.sizes().vec(),
                  {static_cast<const std::byte*>(values.const_data_ptr()), static_cast<size_t>(values.nbytes())});
    console.line("written: " + path);
  }

  io::Json best_at(const OpenedModel& opened, const torch::Tensor& logits, int64_t row, int64_t position) {
    auto probabilities = logits.to(torch::kFloat64).softmax(0);
    auto [best, ids] = probabilities.topk(std::min(top, opened.tokenizer->vocab_size()));
    io::Json tokens = io::Json::array();
    console.line(concat(texts.size() > 1 ? concat("text ", row + 1, ", ") : "", "[MASK] at position ", position));
    for (int64_t i = 0; i < best.size(0); ++i) {
      const auto id = static_cast<int32_t>(ids[i].item<int64_t>());
      const std::string token = id < opened.tokenizer->vocab_size() ? opened.tokenizer->token(id) : concat("id ", id);
      const double p = best[i].item<double>();
      char line[64];
      std::snprintf(line, sizeof line, "  %6.2f %%  ", 100 * p);
      console.line(line + token);
      tokens.push_back({{"token", token}, {"id", id}, {"probability", p}});
    }
    return {{"text", row}, {"position", position}, {"tokens", tokens}};
  }

  void run() {
    if (top < 1) fail_usage("--top: ", top, " was given; at least 1 was expected");
    torch::NoGradGuard no_grad;
    auto opened = open_model(model, tokenizer);
    torch::Tensor ids, mask;
    batch(opened, ids, mask);
    auto hidden = opened.model->encode(ids, mask.all().item<bool>() ? torch::Tensor() : mask);
    if (!hidden_file.empty()) save(hidden, hidden_file);
    const auto mask_id = opened.tokenizer->special().mask;
    auto masked = (mask_id ? ids == *mask_id : torch::zeros_like(mask)).nonzero();
    if (masked.size(0) == 0 && logits_file.empty() && hidden_file.empty())
      fail(mask_id ? "--text: there is no [MASK] to fill" : "the vocabulary has no [MASK]");
    io::Json places = io::Json::array();
    if (masked.size(0) > 0 || !logits_file.empty()) {
      auto logits = opened.model->mlm_logits(hidden);
      if (!logits_file.empty()) save(logits, logits_file);
      for (int64_t i = 0; i < masked.size(0); ++i) {
        const auto row = masked[i][0].item<int64_t>(), position = masked[i][1].item<int64_t>();
        places.push_back(best_at(opened, logits[row][position], row, position));
      }
    }
    console.result({{"model", model}, {"masks", places}});
  }
};

}  // namespace

void add_fill_command(CLI::App& app) {
  auto state = std::make_shared<Fill>();
  auto* command = app.add_subcommand("fill", "Show what a BERT expects in place of [MASK]");
  command->add_option("model", state->model, "run folder or BERT checkpoint")->required()->type_name("MODEL");
  command->add_option("--text", state->texts, "text with [MASK] in it; repeatable, all texts make one padded batch")
      ->required()
      ->allow_extra_args(false);
  command->add_option("--tokenizer", state->tokenizer, "tokenizer, when it is not in the model's folder");
  command->add_option("--top", state->top, "tokens to show for each [MASK]")->capture_default_str();
  command->add_option("--logits", state->logits_file, "write all logits, float32 [texts, length, vocabulary]")
      ->type_name("FILE.npy");
  command->add_option("--hidden-states", state->hidden_file, "write the last layer, float32 [texts, length, channels]")
      ->type_name("FILE.npy");
  state->console.add_flag(*command);
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli

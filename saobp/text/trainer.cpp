#include "saobp/text/trainer.h"

#include "saobp/text/bpe_trainer.h"
#include "saobp/text/wordpiece_trainer.h"

namespace saobp::text {

const std::vector<std::string>& enum_names(TokenizerKind) {
  static const std::vector<std::string> names = {"wordpiece", "bpe"};
  return names;
}

std::unique_ptr<Trainer> make_trainer(const TrainerOptions& options, int threads) {
  io::check_limits(options);
  for (const std::string& token : options.special_tokens)
    if (token.empty()) fail_usage("--special-tokens: a special token may not be empty");
  return options.kind == TokenizerKind::bpe ? make_bpe_trainer(options, threads)
                                            : make_wordpiece_trainer(options, threads);
}

std::unique_ptr<Tokenizer> train_tokenizer(const TrainerOptions& options, const std::vector<std::string_view>& texts) {
  auto trainer = make_trainer(options);
  for (std::string_view text : texts) trainer->add(text, "text to train on");
  return trainer->train();
}

}  // namespace saobp::text

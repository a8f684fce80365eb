// Liu et al. 2019: BERT's layers, other special tokens, and positions that begin behind that of padding.
#include "saobp/model/config.h"

namespace saobp::model {
const Family kRoberta = {
    .name = "roberta",
    .title = "RoBERTa",
    .architecture = "RobertaModel",
    .set_defaults =
        [](ModelConfig& c) {
          kBert.set_defaults(c);
          c.vocab_size = 50265, c.pad_token_id = 1, c.bos_token_id = 0, c.eos_token_ids = {2};
        },
    .only = {{"position_embedding_type", "absolute"}, {"is_decoder", false}, {"add_cross_attention", false}},
    .tensors = bert_tensors("roberta."),
    .positions_from_padding = true,
    .separators = 2,
    .second_type = 0,
    .heads = {{.kind = HeadKind::language_model,
               .architecture = "RobertaForMaskedLM",
               .pool = Pool::every,
               .dense = "lm_head.dense",
               .activation = "gelu",
               .norm = "lm_head.layer_norm",
               .output = "lm_head.decoder",
               .bias = "lm_head.bias"},
              {.kind = HeadKind::sequence_classification,
               .architecture = "RobertaForSequenceClassification",
               .pool = Pool::first,
               .dense = "classifier.dense",
               .activation = "tanh",
               .output = "classifier.out_proj",
               .dropout = "classifier_dropout",
               .dropout_before_dense = true},
              {.kind = HeadKind::multiple_choice,
               .architecture = "RobertaForMultipleChoice",
               .pool = Pool::first,
               .dense = "roberta.pooler.dense",
               .activation = "tanh",
               .output = "classifier",
               .dropout = "hidden_dropout_prob"},
              {.kind = HeadKind::span,
               .architecture = "RobertaForQuestionAnswering",
               .pool = Pool::every,
               .output = "qa_outputs"}}};

}  // namespace saobp::model

// Radford et al. 2019; distilgpt2 is one of six layers.
#include "saobp/model/config.h"

namespace saobp::model {
const Family kGpt2 = {.name = "gpt2",
                      .title = "GPT-2",
                      .architecture = "GPT2Model",
                      .causal = true,
                      .keys = {.hidden_size = "n_embd",
                               .num_hidden_layers = "n_layer",
                               .num_attention_heads = "n_head",
                               .intermediate_size = "n_inner",
                               .max_position_embeddings = "n_positions",
                               .type_vocab_size = nullptr,
                               .hidden_dropout = "resid_pdrop",
                               .attention_dropout = "attn_pdrop",
                               .embedding_dropout = "embd_pdrop",
                               .layer_norm_eps = "layer_norm_epsilon",
                               .activation = "activation_function",
                               .attention_scaling = true},
                      .set_defaults =
                          [](ModelConfig& c) {
                            c.vocab_size = 50257, c.hidden_size = 768, c.num_hidden_layers = 12,
                            c.num_attention_heads = 12;
                            c.intermediate_size = 3072, c.max_position_embeddings = 1024, c.type_vocab_size = 0;
                            c.layer_norm_eps = 1e-5, c.hidden_act = "gelu_new", c.pad_token_id = 0;
                            c.bos_token_id = 50256, c.eos_token_ids = {50256};
                          },
                      .only = {{"add_cross_attention", false}},
                      .tensors = {.prefix = "transformer.",
                                  .word_embeddings = "wte.weight",
                                  .position_embeddings = "wpe.weight",
                                  .final_norm = "ln_f",
                                  .layer = "h.",
                                  .packed = "attn.c_attn",
                                  .attention_output = "attn.c_proj",
                                  .attention_norm = "ln_1",
                                  .up = "mlp.c_fc",
                                  .down = "mlp.c_proj",
                                  .output_norm = "ln_2",
                                  .query_norm = "attn.query_norm.weight",
                                  .key_norm = "attn.key_norm.weight",
                                  .input_first = true,
                                  .no_weights = {".attn.bias", ".attn.masked_bias"}},
                      .norm = NormPlace::before,
                      .separators = 0,
                      .second_type = 0,
                      .heads = {{.kind = HeadKind::language_model,
                                 .architecture = "GPT2LMHeadModel",
                                 .pool = Pool::every,
                                 .output = "lm_head",
                                 .bias = nullptr},
                                {.kind = HeadKind::sequence_classification,
                                 .architecture = "GPT2ForSequenceClassification",
                                 .pool = Pool::last,
                                 .output = "score",
                                 .bias = nullptr},
                                {.kind = HeadKind::span,
                                 .architecture = "GPT2ForQuestionAnswering",
                                 .pool = Pool::every,
                                 .output = "qa_outputs"}}};

}  // namespace saobp::model

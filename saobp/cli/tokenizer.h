// saobp tokenizer train | encode | decode
#pragma once

namespace CLI {
class App;
}

namespace saobp::cli {

void add_tokenizer_command(CLI::App& app);

}  // namespace saobp::cli

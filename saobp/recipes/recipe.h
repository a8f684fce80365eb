// What all commands that train share: a new run, going on with one, ranks, locks and records. A recipe says what is
// trained on and what for.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "saobp/io/json.h"
#include "saobp/recipes/run_keys.h"
#include "saobp/train/reporter.h"
#include "saobp/train/trainer.h"

namespace saobp::recipes {

namespace fs = std::filesystem;

struct RunOutcome {
  bool interrupted = false;  // a signal came
  bool saved = true;         // there is a state to resume; false where the signal came before the first step
  int64_t rank = 0;          // of this process; what there is to say, rank 0 says
  int64_t step = 0;
  io::Json final;  // what run.json holds under "final"
};

// Where a run is put together: in which process, and for which folder.
struct RunPlace {
  fs::path run;
  const train::Reporter& reporter;
  const train::World& world;
  bool resumed;  // model and tokenizer come from the run's folder: the files that they came from may have changed
};

// One rank's parts of a run. What all ranks do they do in the same order; files are read and written by the first
// alone, which then says to the others where the run stands.
class Composition {
 public:
  virtual ~Composition() = default;

  virtual train::TrainerOptions trainer_options() const = 0;
  // "keys" and "options" are filled in.
  virtual train::TrainerParts trainer_parts() = 0;
  virtual RunKeys keys() const = 0;
  // What run.json says of this run beside what it says of any: "model", "task" …
  virtual io::Json record() const = 0;
  // Writes what the folder of a new run holds from the start, but for run.json.
  virtual void write_folder(const fs::path& folder) const = 0;
  // Called by rank 0 where a run that has no checkpoint goes on: what its seed does not draw comes from what
  // write_folder() wrote.
  virtual void begin_again() = 0;
  // The lines with which a run begins.
  virtual void announce() const = 0;
  // Whether the run may go on with another number of ranks.
  virtual bool takes_other_ranks() const { return true; }
  // Rows that a step of one rank sees.
  virtual int64_t rows_a_step() const = 0;
  // Called by rank 0 after the last step, with the run's final figures, to which it may add.
  virtual void finish(io::Json& /*final*/) {}
};

// Options are JSON here, in sections (sections.h). All have "train" with "steps" (0: as many as the data makes),
// "seed" and "threads", "optimizer" and "distributed".
struct Recipe {
  const char* command;                  // "pretrain", of run.json
  std::vector<std::string> changeable;  // the flags that go with --resume
  // Options as a file has them, with defaults for what it lacks; Error naming `source`.
  io::Json (*read_options)(const io::Json& json, const std::string& source);
  void (*check)(const io::Json& options);  // UsageError naming the flag, what was given and what was expected
  // The options under their flags' names that have to be the same on all ranks and when a run goes on: without threads,
  // how long to wait, and paths, whose contents are compared by their keys.
  io::Json (*shared)(const io::Json& options);
  std::unique_ptr<Composition> (*compose)(const io::Json& options, const RunPlace& place);
};

// Both train in one process, or as one of the ranks that torchrun started (distributed.h). Rank 0 alone calls the
// reporter and writes files; an Error names the rank.

// A new run. Error when `run` exists, unless torchrun has started the ranks again (RunRecord::began_as): then it goes
// on as resume_run() does. Error when the options are not those that `run` began with.
// `find_inputs` throws an Error for what is not there, before work begins.
RunOutcome start_run(const Recipe& recipe, const io::Json& options, const std::function<void()>& find_inputs,
                     const fs::path& run, const train::Reporter& reporter);

// Goes on from the newest checkpoint of `run` with the options in its run.json, but for `changes` to them (sections of
// fields; UsageError for one that may not change, run_change.h), its config.json and tokenizer.json, and the text they
// name, which must not have changed: losses and weights are bit-identical to those of a run that was never interrupted,
// with the same number of ranks. Another number is told to the reporter: a step sees other rows then. A run whose
// folder another process trains in is left alone, with an Error that names that one (run_lock.h).
RunOutcome resume_run(const Recipe& recipe, const fs::path& run, const io::Json& changes,
                      const train::Reporter& reporter);

// The folder without a slash or a dot at its end, which its name for what is written beside it would begin with.
fs::path folder_name(fs::path folder);

}  // namespace saobp::recipes

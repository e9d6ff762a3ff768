// A benchmark from beginning to end: broker, topic, workers, samples, verification, report.
#pragma once

#include "tools/bench/options.hpp"
#include "tools/cli/command.hpp"
#include "tools/cli/exit_code.hpp"

namespace skald::cli::bench {

// Runs it on the broker at globals.broker, or, with `embedded`, on one of its own, and prints the report;
// that of a run that was interrupted or has failed says so, and has what was measured until then. Nothing is
// left running or stored, except what options.keep says. `with` has passed check(). Throws command_error when
// it did not come to measuring.
exit_code run(const global_options& globals, options with, bool embedded);

}  // namespace skald::cli::bench

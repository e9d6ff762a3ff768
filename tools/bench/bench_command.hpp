// skald bench
#pragma once

#include "tools/cli/command.hpp"

namespace skald::cli {

// `globals` and `chosen` have to outlive `app`.
void add_bench_command(CLI::App& app, const global_options& globals, action& chosen);

}  // namespace skald::cli

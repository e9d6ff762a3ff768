// What `skald` tells the shell. Scripts depend on these numbers: they are documented in --help and in
// skald(1), and never renumbered.
#pragma once

#include <stdexcept>
#include <string>

namespace skald::cli {

enum class exit_code : int {
  ok = 0,
  failed = 1,           // the broker refused, or a file could not be read or written
  usage = 2,            // the command line or the input's format is wrong; nothing was sent
  cannot_connect = 3,   // no broker answered at the address
  partial_publish = 4,  // some records were acknowledged, then something failed
  timed_out = 5,        // --timeout passed
  stuck = 6,            // skald doctor has found something
  interrupted = 130,    // SIGINT, as shells report it
  terminated = 143,     // SIGTERM, likewise
  broken_pipe = 141,    // the reader of standard output went away; says nothing
};

// Ends a command. what() is the line for the user, "what: where: what to do", without the leading "skald: ".
class command_error : public std::runtime_error {
 public:
  command_error(exit_code code, const std::string& message) : std::runtime_error(message), code_(code) {}
  exit_code code() const noexcept { return code_; }

 private:
  exit_code code_;
};

}  // namespace skald::cli

// A PostgreSQL server of the test's own, in a scratch directory, reachable by a Unix socket only.
#pragma once

#include <memory>
#include <string>

#include "tests/system/support/child_process.hpp"
#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

class postgresql_server {
 public:
  // Makes a cluster and starts it, as an unprivileged user: PostgreSQL refuses to run as root. Throws
  // std::runtime_error with what went wrong.
  postgresql_server();
  ~postgresql_server();

  // A new empty database; the connection string of it.
  std::string make_database();
  // As a crash of the machine does, but without losing files. Clients lose their connections.
  void kill();
  void start();

 private:
  std::string connection_string(const std::string& database) const;

  scratch_directory directory_;
  std::unique_ptr<child_process> process_;
  int databases_ = 0;
};

}  // namespace skald::tests

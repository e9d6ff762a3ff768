#include "tests/system/outbox/postgresql_server.hpp"

#include <libpq-fe.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <thread>
#include <vector>

namespace skald::tests {

namespace {

// The newest of Debian's versions.
std::filesystem::path find_programs() {
  std::vector<std::filesystem::path> found;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql"))
    if (exists(version.path() / "bin/postgres")) found.push_back(version.path() / "bin");
  if (found.empty()) throw std::runtime_error("there is no PostgreSQL server; tools/setup test installs one");
  return *std::max_element(found.begin(), found.end());
}

// A program and its arguments, run as nobody if this is root.
std::vector<std::string> unprivileged(std::vector<std::string> command) {
  if (::geteuid() != 0) return command;
  std::vector<std::string> result{"/usr/bin/setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"};
  result.insert(result.end(), command.begin(), command.end());
  return result;
}

std::vector<std::string> arguments_of(const std::vector<std::string>& command) {
  return {command.begin() + 1, command.end()};
}

void give_away(const std::filesystem::path& directory) {
  if (::geteuid() != 0) return;
  const passwd* nobody = ::getpwnam("nobody");
  if (nobody == nullptr || ::chown(directory.c_str(), nobody->pw_uid, nobody->pw_gid) != 0)
    throw std::runtime_error("cannot give " + directory.string() + " to nobody");
}

}  // namespace

postgresql_server::postgresql_server() {
  give_away(directory_.path());
  const auto command =
      unprivileged({(find_programs() / "initdb").string(), "--pgdata", (directory_.path() / "data").string(),
                    "--username=skald", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"});
  const process_result made = run_process(command.front(), arguments_of(command));
  if (made.exit_code != 0) throw std::runtime_error("initdb failed: " + made.output + made.errors);
  start();
}

postgresql_server::~postgresql_server() {
  if (process_ == nullptr) return;
  process_->send_signal(SIGINT);  // a fast shutdown
  process_->wait();
}

void postgresql_server::start() {
  // Without fsync, since no test cuts the power, and recovery would begin by syncing every file there is.
  const std::string directory = directory_.path().string();
  const auto command =
      unprivileged({(find_programs() / "postgres").string(), "-D", directory + "/data", "-k", directory, "-c",
                    "listen_addresses=", "-c", "shared_buffers=16MB", "-c", "max_connections=50"});
  process_ = std::make_unique<child_process>(command.front(), arguments_of(command));
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (PQping(connection_string("postgres").c_str()) != PQPING_OK) {
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("PostgreSQL does not come up: " + process_->errors());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void postgresql_server::kill() {
  process_->send_signal(SIGQUIT);  // an immediate shutdown: recovery at the next start
  process_->wait();
  process_.reset();
}

std::string postgresql_server::make_database() {
  const std::string name = "test" + std::to_string(++databases_);
  PGconn* connection = PQconnectdb(connection_string("postgres").c_str());
  PGresult* made = PQexec(connection, ("CREATE DATABASE " + name).c_str());
  const std::string failure = PQresultStatus(made) == PGRES_COMMAND_OK ? "" : PQerrorMessage(connection);
  PQclear(made);
  PQfinish(connection);
  if (!failure.empty()) throw std::runtime_error("PostgreSQL makes no database: " + failure);
  return connection_string(name);
}

std::string postgresql_server::connection_string(const std::string& database) const {
  return "host=" + directory_.path().string() + " user=skald dbname=" + database;
}

}  // namespace skald::tests

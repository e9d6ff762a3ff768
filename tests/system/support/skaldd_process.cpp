#include "tests/system/support/skaldd_process.hpp"

#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace skald::tests {

scratch_directory::scratch_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "skald-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a directory " + name);
  path_ = name;
}

scratch_directory::~scratch_directory() {
  std::error_code ignored;  // what cannot be removed is no reason to fail a test
  std::filesystem::remove_all(path_, ignored);
}

skaldd_process::skaldd_process(std::string program, std::filesystem::path data_directory,
                               std::vector<std::string> more_arguments)
    : program_(std::move(program)),
      data_directory_(std::move(data_directory)),
      more_arguments_(std::move(more_arguments)) {
  start();
}

void skaldd_process::start() {
  std::vector<std::string> arguments{"--data-dir", data_directory_.string(), "--listen", address()};
  arguments.insert(arguments.end(), more_arguments_.begin(), more_arguments_.end());
  process_ = std::make_unique<child_process>(program_, arguments);
  static constexpr std::string_view ready = "is ready on 127.0.0.1:";
  if (!process_->wait_errors(ready)) {
    const process_result ended = process_->wait();
    throw std::runtime_error("skaldd did not start (exit code " + std::to_string(ended.exit_code) +
                             "): " + ended.errors);
  }
  const std::string log = process_->errors();
  port_ = static_cast<std::uint16_t>(std::stoul(log.substr(log.find(ready) + ready.size())));
}

void skaldd_process::kill() {
  process_->send_signal(SIGKILL);
  process_->wait();
}

process_result skaldd_process::stop() {
  process_->send_signal(SIGTERM);
  return process_->wait();
}

}  // namespace skald::tests

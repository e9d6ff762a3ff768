#pragma once

// A skaldd of one's own: started on a free port of the loopback interface, stopped with this object.

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace skald::bench {

class broker_process {
 public:
  // Starts the daemon. `log` receives what it prints. Does not wait for it to serve.
  broker_process(const std::filesystem::path& daemon, const std::filesystem::path& data_directory,
                 const std::filesystem::path& log, const std::vector<std::string>& more_arguments = {});
  // Stops it as stop() does.
  ~broker_process();
  broker_process(const broker_process&) = delete;
  broker_process& operator=(const broker_process&) = delete;

  const std::string& address() const { return address_; }
  pid_t process() const { return pid_; }
  // Whether it has ended by itself.
  bool has_ended() const;

  // SIGTERM, and waits for the end. Throws std::runtime_error when it did not end with status 0.
  void stop();
  // SIGKILL, and waits for the end.
  void kill();

  // Memory of its own (not the page cache it maps), from /proc.
  std::uint64_t anonymous_bytes() const;
  // The most memory it has had resident at any time, mapped files included.
  std::uint64_t peak_resident_bytes() const;
  // Processor time it has used.
  double cpu_seconds() const;

 private:
  std::uint64_t status_bytes(const char* field) const;
  int wait();

  pid_t pid_ = -1;
  std::string address_;
};

}  // namespace skald::bench

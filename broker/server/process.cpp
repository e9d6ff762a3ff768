#include "broker/server/process.hpp"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "broker/server/log.hpp"

namespace skald::server {

std::uint64_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  in >> all >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t free_disk_bytes(const std::filesystem::path& path) {
  struct statvfs is{};
  if (::statvfs(path.c_str(), &is) != 0) return 0;
  return std::uint64_t{is.f_bavail} * is.f_frsize;
}

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = raised.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur;
}

void die(const std::string& why) {
  logger().critical("{}; the broker ends here: start it again to recover from the journal", why);
  logger().flush();
  std::_Exit(70);
}

}  // namespace skald::server

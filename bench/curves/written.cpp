#include "bench/curves/written.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>
#include <iterator>
#include <string>

#include "tools/bench/process_figures.hpp"

namespace skald::bench::curves {
namespace {

// The seventh figure of /sys/dev/block/MAJOR:MINOR/stat, in sectors of 512 bytes whatever the device's are;
// see Documentation/block/stat.rst.
std::optional<std::uint64_t> written_to_disk_of(const std::filesystem::path& directory) {
  struct stat is{};
  if (::stat(directory.c_str(), &is) != 0) return std::nullopt;
  std::ifstream in("/sys/dev/block/" + std::to_string(major(is.st_dev)) + ":" +
                   std::to_string(minor(is.st_dev)) + "/stat");
  std::uint64_t figure = 0;
  for (int i = 0; i < 7; ++i)
    if (!(in >> figure)) return std::nullopt;
  return figure * 512;
}

}  // namespace

written written_by(pid_t process, const std::filesystem::path& directory) {
  std::ifstream in("/proc/" + std::to_string(process) + "/io");
  const std::string io{std::istreambuf_iterator<char>(in), {}};
  return {.passed = cli::bench::field(io, "wchar").value_or(0),
          .dirtied = cli::bench::field(io, "write_bytes").value_or(0),
          .disk = written_to_disk_of(directory)};
}

}  // namespace skald::bench::curves

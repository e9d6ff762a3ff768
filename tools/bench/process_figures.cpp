#include "tools/bench/process_figures.hpp"

#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

namespace skald::cli::bench {
namespace {

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> found;
  for (std::size_t at = line.find_first_not_of(" \t"); at != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(" \t", at), line.size());
    found.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(" \t", end);
  }
  return found;
}

std::optional<std::uint64_t> number(std::string_view text, int base = 10) {
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (failed != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

bool holds_socket(const std::filesystem::path& process, const std::string& socket) {
  std::error_code denied;
  for (const auto& descriptor : std::filesystem::directory_iterator(process / "fd", denied)) {
    std::error_code gone;
    if (std::filesystem::read_symlink(descriptor.path(), gone) == socket) return true;
  }
  return false;
}

}  // namespace

std::optional<std::uint64_t> cpu_ticks(std::string_view stat) {
  const std::size_t after_name = stat.rfind(')');
  if (after_name == std::string_view::npos) return std::nullopt;
  constexpr std::size_t user_time = 11;  // of the fields after the name, from 0
  const auto fields = words(stat.substr(after_name + 1));
  if (fields.size() < user_time + 2) return std::nullopt;
  const auto user = number(fields[user_time]);
  const auto system = number(fields[user_time + 1]);
  if (!user || !system) return std::nullopt;
  return *user + *system;
}

std::optional<std::uint64_t> field(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(name) && line.substr(name.size()).starts_with(':')) {
      const auto found = words(line.substr(name.size() + 1));
      return found.empty() ? std::nullopt : number(found.front());
    }
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return std::nullopt;
}

std::optional<std::uint64_t> listening_inode(std::string_view table, std::uint16_t port) {
  constexpr std::size_t local_address = 1;
  constexpr std::size_t state = 3;
  constexpr std::size_t inode = 9;
  constexpr std::string_view listening = "0A";
  while (!table.empty()) {
    const std::string_view line = table.substr(0, table.find('\n'));
    table.remove_prefix(std::min(line.size() + 1, table.size()));
    const auto fields = words(line);
    if (fields.size() <= inode || fields[state] != listening) continue;
    const std::size_t colon = fields[local_address].rfind(':');
    if (colon == std::string_view::npos) continue;
    if (number(fields[local_address].substr(colon + 1), 16) == port) return number(fields[inode]);
  }
  return std::nullopt;
}

std::optional<process_figures> figures_of(pid_t process) {
  const std::filesystem::path in = "/proc/" + std::to_string(process);
  const auto ticks = cpu_ticks(contents(in / "stat"));
  const auto peak_kibibytes = field(contents(in / "status"), "VmHWM");
  if (!ticks || !peak_kibibytes) return std::nullopt;
  return process_figures{
      .cpu_seconds = static_cast<double>(*ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK)),
      .peak_memory_bytes = *peak_kibibytes * 1024,
      .disk_written_bytes = field(contents(in / "io"), "wchar")};
}

process_figures own_figures() {
  return figures_of(::getpid()).value_or(process_figures{});
}

std::optional<pid_t> listening_process(std::uint16_t port) {
  auto inode = listening_inode(contents("/proc/net/tcp"), port);
  if (!inode) inode = listening_inode(contents("/proc/net/tcp6"), port);
  if (!inode) return std::nullopt;
  const std::string socket = "socket:[" + std::to_string(*inode) + "]";
  std::error_code unreadable;
  for (const auto& process : std::filesystem::directory_iterator("/proc", unreadable)) {
    const auto id = number(process.path().filename().string());
    if (id && holds_socket(process.path(), socket)) return static_cast<pid_t>(*id);
  }
  return std::nullopt;
}

}  // namespace skald::cli::bench

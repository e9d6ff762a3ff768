#include "tools/bench/embedded_broker.hpp"

#include <fcntl.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <skald/broker.hpp>
#include <system_error>

#include "tools/bench/child_pipe.hpp"
#include "tools/cli/exit_code.hpp"

namespace skald::cli::bench {
namespace {

command_error failed_at(const std::string& what, const std::filesystem::path& where) {
  return {exit_code::failed, what + " " + where.string() + ": " + std::system_category().message(errno) +
                                 "; name another directory with --dir"};
}

// The whole life of the child. What it answers is its port, or why there is none.
[[noreturn]] void serve(const std::filesystem::path& directory, int life, int answers) {
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGTERM, SIG_IGN);
  int ended = EXIT_SUCCESS;
  try {
    broker serving({.data_directory = directory / "data", .port = 0});
    serving.start();
    write_whole(answers, std::to_string(serving.port()));
    ::close(answers);
    read_whole(life);
    serving.stop();
  } catch (const std::exception& why) {
    write_whole(answers, "!" + std::string(why.what()));
    ended = EXIT_FAILURE;
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  ::_exit(ended);
}

}  // namespace

std::filesystem::path embedded_broker::default_parent() {
  const char* const chosen = std::getenv("TMPDIR");
  return chosen != nullptr && *chosen != '\0' ? chosen : "/var/tmp";
}

embedded_broker::embedded_broker(const std::filesystem::path& parent) {
  std::string name = (parent / "skald-bench-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw failed_at("cannot make a directory in", parent);
  directory_ = name;
  std::array<int, 2> life{-1, -1};
  std::array<int, 2> answers{-1, -1};
  if (::pipe2(life.data(), O_CLOEXEC) != 0 || ::pipe2(answers.data(), O_CLOEXEC) != 0 ||
      (process_ = ::fork()) < 0) {
    const command_error failed = failed_at("cannot start a broker in", directory_);
    for (const int each : {life[0], life[1], answers[0], answers[1]})
      if (each >= 0) ::close(each);
    remove();
    throw failed;
  }
  if (process_ == 0) {
    ::close(life[1]);
    ::close(answers[0]);
    serve(directory_, life[0], answers[1]);
  }
  ::close(life[0]);
  ::close(answers[1]);
  life_ = life[1];
  const std::string said = read_whole(answers[0]);
  ::close(answers[0]);
  if (said.empty() || said.front() == '!') {
    remove();
    throw command_error(exit_code::failed,
                        "the embedded broker did not start: " + (said.empty() ? "it ended" : said.substr(1)));
  }
  port_ = static_cast<std::uint16_t>(std::stoul(said));
}

embedded_broker::~embedded_broker() {
  remove();
}

void embedded_broker::remove() noexcept {
  if (life_ >= 0) ::close(life_);
  life_ = -1;
  if (process_ > 0) {
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  process_ = -1;
  std::error_code ignored;  // the child has removed it, unless it was killed
  std::filesystem::remove_all(directory_, ignored);
}

std::string file_system_of(const std::filesystem::path& path) {
  struct known {
    std::uint64_t magic;
    const char* name;
  };
  constexpr std::array<known, 9> all{{{0xEF53, "ext4"},
                                      {0x58465342, "xfs"},
                                      {0x9123683E, "btrfs"},
                                      {0x01021994, "tmpfs"},
                                      {0x858458F6, "ramfs"},
                                      {0x794C7630, "overlayfs"},
                                      {0x6969, "nfs"},
                                      {0x2FC12FC1, "zfs"},
                                      {0xF2F52010, "f2fs"}}};  // statfs(2)
  struct statfs is{};
  if (::statfs(path.c_str(), &is) != 0) return {};
  for (const known& each : all)
    if (each.magic == static_cast<std::uint64_t>(is.f_type)) return each.name;
  return {};
}

}  // namespace skald::cli::bench

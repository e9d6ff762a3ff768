// A fuzzer's main() where libFuzzer is not to be had: replays the seeds, then a fixed number of mutations of
// them. The same seeds and options give the same inputs, so that a failure repeats; the input being run is
// described when the process dies.
//
//   fuzz_replay_NAME DIRECTORY [MUTATIONS] [SEED]
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/effort.hpp"
#include "tests/fuzz/fuzzer.hpp"

namespace {

using input = std::vector<std::uint8_t>;

char running[512] = "nothing";

void describe(int signal_number) {
  constexpr char text[] = "\nwhile running ";
  (void)!::write(STDERR_FILENO, text, sizeof text - 1);
  (void)!::write(STDERR_FILENO, running, std::strlen(running));
  (void)!::write(STDERR_FILENO, "\n", 1);
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

std::vector<input> replayed_seeds(const char* directory) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<input> seeds;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    std::snprintf(running, sizeof running, "%s", path.c_str());
    LLVMFuzzerTestOneInput(seeds.back().data(), seeds.back().size());
  }
  return seeds;
}

class mutator {
 public:
  explicit mutator(unsigned seed) : random_(seed) {}

  input next(const std::vector<input>& seeds) {
    input bytes = pick(seeds);
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) change(bytes, seeds);
    return bytes;
  }

 private:
  std::size_t below(std::size_t bound) { return random_() % bound; }
  const input& pick(const std::vector<input>& seeds) { return seeds[below(seeds.size())]; }

  void change(input& bytes, const std::vector<input>& seeds) {
    // Values at which signs change and lengths overflow.
    constexpr std::uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    const std::size_t at = below(bytes.size() + 1);
    const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(6)) {
      case 0:
        if (at < bytes.size()) bytes[at] ^= static_cast<std::uint8_t>(1u << below(8));
        break;
      case 1:
        if (at < bytes.size()) bytes[at] = edges[below(std::size(edges))];
        break;
      case 2:
        for (std::size_t i = at; i < std::min(bytes.size(), at + 4); ++i)
          bytes[i] = edges[below(std::size(edges))];
        break;
      case 3:
        bytes.resize(at);
        break;
      case 4:
        bytes.insert(place, 1 + below(8), static_cast<std::uint8_t>(below(256)));
        break;
      default: {
        const input& other = pick(seeds);
        const auto from = other.begin() + static_cast<std::ptrdiff_t>(below(other.size() + 1));
        bytes.insert(place, from, other.end());
      }
    }
  }

  std::mt19937 random_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: %s DIRECTORY [MUTATIONS] [SEED]\n", arguments[0]);
    return 2;
  }
  const int mutations = count > 2 ? std::atoi(arguments[2]) : static_cast<int>(skald::tests::effort(200'000));
  const auto seed = static_cast<unsigned>(count > 3 ? std::atoi(arguments[3]) : 1);
  for (const int deadly : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) std::signal(deadly, describe);

  const std::vector<input> seeds = replayed_seeds(arguments[1]);
  if (seeds.empty()) {
    std::fprintf(stderr, "no seeds in %s\n", arguments[1]);
    return 1;
  }
  mutator mutations_of_seeds(seed);
  for (int i = 0; i < mutations; ++i) {
    const input bytes = mutations_of_seeds.next(seeds);
    std::snprintf(running, sizeof running, "mutation %d of seed %u", i + 1, seed);
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  }
  std::printf("%zu seeds and %d mutations replayed\n", seeds.size(), mutations);
  return 0;
}

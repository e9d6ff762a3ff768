#include "bench/compare/load.hpp"

#include <algorithm>
#include <utility>

#include "bench/limit/process.hpp"

namespace skald::bench::compare {

double seconds_since(clock::time_point start) {
  return std::chrono::duration<double>(clock::now() - start).count();
}

crew::~crew() {
  stopped_ = true;
  for (std::thread& each : threads_)
    if (each.joinable()) each.join();
}

void crew::repeat(std::function<bool()> step) {
  threads_.emplace_back([this, step = std::move(step)] {
    try {
      while (!stopped_ && step()) limit::throw_if_interrupted();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      failed_ = true;
      stopped_ = true;
    }
  });
}

void crew::check() {
  limit::throw_if_interrupted();
  if (!failed_) return;
  const std::lock_guard lock(mutex_);
  std::rethrow_exception(failure_);
}

void crew::join() {
  for (std::thread& each : threads_) each.join();
  threads_.clear();
  check();
}

bool wait_until_seen(std::uint64_t wanted, const std::function<std::uint64_t()>& seen,
                     const std::function<void()>& meanwhile) {
  constexpr std::chrono::microseconds between_looks{50};
  auto changed = clock::now();
  for (std::uint64_t before = seen(); before < wanted;) {
    meanwhile();
    std::this_thread::sleep_for(between_looks);
    const std::uint64_t now = seen();
    if (now != before) changed = clock::now();
    if (clock::now() - changed > patience) return false;
    before = now;
  }
  return true;
}

std::uint64_t write_for(writer& out, const task& how, const std::function<void(std::uint64_t sent)>& go_on) {
  constexpr std::uint64_t burst = 64;  // records between two looks at the clock
  record_source records(how.record_bytes);
  const std::uint64_t most = std::max<std::uint64_t>(how.bytes_max / how.record_bytes, 1);
  std::uint64_t sent = 0;
  for (const auto end = clock::now() + how.time; sent < most && clock::now() < end;) {
    go_on(sent);
    for (std::uint64_t i = 0; i < burst && sent < most; ++i) out.write(records.make(sent++));
  }
  out.finish();
  return sent;
}

}  // namespace skald::bench::compare

#include "bench/curves/fleet.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <chrono>

#include "bench/limit/process.hpp"

namespace skald::bench::curves {
namespace {

constexpr std::chrono::milliseconds tick{20};
// Ten thousand at a time take their turns.
constexpr milliseconds patience{60'000};

}  // namespace

std::uint32_t fleet::lanes_of(std::uint32_t clients) {
  return std::clamp<std::uint32_t>(std::thread::hardware_concurrency(), 1, clients);
}

fleet::fleet(const std::string& address, std::uint32_t clients) {
  for (std::uint32_t i = 0; i < lanes_of(clients); ++i) lanes_.push_back(std::make_unique<lane>());
  for (std::uint32_t i = 0; i < clients; ++i) {
    clients_.push_back(std::make_unique<client>(lanes_[lane_of(i)]->loop.get_executor(),
                                                client_options{.address = address,
                                                               .client_name = "skald-curves",
                                                               .timeout = patience,
                                                               .connect_timeout = patience}));
  }
  for (const auto& each : lanes_) each->thread = std::thread([&loop = each->loop] { loop.run(); });
}

fleet::~fleet() {
  stop();
}

void fleet::run(std::uint32_t count, const task& what, const std::function<void()>& watch) {
  running_ = count;  // nobody else looks yet
  for (std::uint32_t i = 0; i < count; ++i) {
    asio::co_spawn(lanes_[lane_of(i)]->loop, what(i), [this](const std::exception_ptr& why) { ended(why); });
  }
  std::unique_lock lock(mutex_);
  bool closed = false;
  while (running_ != 0) {
    changed_.wait_for(lock, tick, [this] { return running_ == 0; });
    if (!closed && (failed_ || limit::interrupt_requested())) {
      close_all();
      closed = true;
    }
    if (!watch || closed) continue;
    lock.unlock();
    watch();
    lock.lock();
  }
  limit::throw_if_interrupted();
  if (failed_) std::rethrow_exception(failed_);
}

void fleet::ended(const std::exception_ptr& why) {
  const std::lock_guard lock(mutex_);
  if (why && !failed_) failed_ = why;
  if (--running_ == 0) changed_.notify_one();
}

void fleet::close_all() {
  for (std::uint32_t i = 0; i < clients_.size(); ++i)
    asio::post(lanes_[lane_of(i)]->loop, [one = clients_[i].get()] { one->close(); });
}

void fleet::stop() {
  close_all();
  for (const auto& each : lanes_) each->work.reset();
  for (const auto& each : lanes_)
    if (each->thread.joinable()) each->thread.join();
}

}  // namespace skald::bench::curves

#include "broker/server/worker.hpp"

#include <algorithm>
#include <utility>

#include "broker/server/connection.hpp"

namespace skald::server {

namespace asio = boost::asio;

worker::worker(reactor& on, session_host host, block_pool& received)
    : reactor_(on), host_(std::move(host)), received_(received) {}

worker::~worker() {
  close_all();
}

void worker::start() {
  schedule_sweep();
}

void worker::adopt(asio::ip::tcp::socket socket, std::shared_ptr<const failure> refusal) {
  ++load_;
  auto moved = std::make_shared<asio::ip::tcp::socket>(std::move(socket));
  reactor_.post([this, moved, refusal = std::move(refusal)] {
    const auto added = std::make_shared<connection>(*this, std::move(*moved));
    connections_.insert(added);
    ++host_.counts.connections;
    added->start();
    if (refusal) {
      added->refuse(*refusal);
    } else if (stopping_) {
      added->stop();
    }
  });
}

void worker::closed(connection& gone) {
  const auto held = gone.shared_from_this();
  if (connections_.erase(held) == 0) return;
  --load_;
  --host_.counts.connections;
  if (connections_.empty() && all_gone_) std::exchange(all_gone_, nullptr)();
}

void worker::flush_later(std::shared_ptr<connection> of) {
  to_flush_.push_back(std::move(of));
  if (to_flush_.size() > 1) return;
  reactor_.post_to_end_of_turn([this] {
    const auto batch = std::exchange(to_flush_, {});
    for (const auto& one : batch) one->flush();
  });
}

void worker::starve(std::weak_ptr<connection> waits) {
  starved_.push_back(std::move(waits));
}

bool worker::may_finish(const connection& waits) {
  if (finishing_ == nullptr) finishing_ = &waits;
  return finishing_ == &waits;
}

void worker::has_finished(const connection& one) {
  if (finishing_ != &one) return;
  finishing_ = nullptr;
  resume_starved();
}

void worker::resume_starved() {
  reactor_.post([this] {
    for (const auto& one : std::exchange(starved_, {})) {
      if (const auto alive = one.lock()) alive->resume();
    }
  });
}

void worker::topic_changed(const shard::topic_change& change) {
  for (const auto& one : connections_) one->topic_changed(change);
}

void worker::stop_all(std::function<void()> done) {
  stopping_ = true;
  all_gone_ = std::move(done);
  const auto all = connections_;  // stopping may close, which changes the set
  for (const auto& one : all) one->stop();
  if (connections_.empty() && all_gone_) std::exchange(all_gone_, nullptr)();
}

void worker::close_all() {
  all_gone_ = nullptr;
  const auto all = connections_;
  for (const auto& one : all) one->close();
  to_flush_.clear();
  starved_.clear();
  scratch_.reset();
}

void worker::schedule_sweep() {
  const session_settings& is = host_.settings;
  const auto shortest = std::min({is.hello_timeout, is.idle_timeout, is.frame_timeout, is.write_timeout,
                                  is.linger_timeout, std::chrono::milliseconds(4000)});
  reactor_.post_after(std::max(shortest / 4, std::chrono::milliseconds(5)), [this] { sweep(); });
}

void worker::sweep() {
  const auto now = host_.now();
  const std::vector<std::shared_ptr<connection>> all(connections_.begin(), connections_.end());
  for (const auto& one : all) one->sweep(now);
  host_.decoder.trim();
  schedule_sweep();
}

}  // namespace skald::server

#include "bench/curves/publisher.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "bench/curves/records.hpp"

namespace skald::bench::curves {
namespace {

// Between two turns of the event loop, which sends and receives meanwhile.
constexpr int burst = 64;

}  // namespace

publisher::publisher(client& broker, payload_pool& payloads, publishing how)
    : broker_(broker),
      payloads_(payloads),
      how_(std::move(how)),
      sequences_(how_.partitions),
      partition_(how_.index % how_.partitions) {}

asio::awaitable<void> publisher::publish(ending enough) {
  if (!out_) {
    out_.emplace(broker_, producer_options{.batch_bytes = how_.batch_bytes,
                                           .buffer_bytes_max = how_.buffer_bytes,
                                           .delivery_timeout = milliseconds(60'000)});
    const auto each = static_cast<std::uint64_t>(payloads_.mean_bytes());  // all have one size
    out_->on_delivery([this, each](const delivery_report& report) {
      if (!report.failed) acknowledged_bytes_.fetch_add(report.records * each, std::memory_order_relaxed);
    });
  }
  std::uint64_t records = 0;
  while (records < enough.records && steady_clock::now() < enough.at) {
    for (int i = 0; i < burst && records < enough.records; ++i, ++records) {
      const message record = next();
      if (!out_->try_send(how_.topic, record)) co_await out_->send(how_.topic, record);
    }
    co_await asio::post(broker_.get_executor(), asio::use_awaitable);
  }
  co_await out_->flush();
}

message publisher::next() {
  const std::span<char> record = payloads_.next().record;
  write_mark(record, {.publisher = how_.index, .sequence = sequences_[partition_]++});
  const message made{.value = std::string_view(record.data(), record.size()),
                     .partition = partition_id(partition_)};
  if (++turn_ == how_.records_per_turn) {
    turn_ = 0;
    if (++partition_ == how_.partitions) partition_ = 0;
  }
  return made;
}

}  // namespace skald::bench::curves

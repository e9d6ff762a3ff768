// Redis, through hiredis. Streams: XADD in a pipeline as long as may be in flight, XRANGE of many entries at
// a time, not XREAD, because everything is there and nothing has to be waited for. Channels: PUBLISH
// likewise.
#include <stdexcept>
#include <utility>

#include "bench/compare/peer.hpp"
#include "bench/compare/redis_live.hpp"
#include "bench/compare/server.hpp"
#include "bench/limit/loopback.hpp"

namespace skald::bench::compare {
namespace {

using redis::connection;
using redis::reply;

// What is common to streams and a channel: a pipeline as long as may be in flight.
class pipeline : public writer {
 public:
  pipeline(std::uint16_t port, const in_flight& most) : to_(port), in_flight_(most.records) {}
  void poll() override { to_.flush(); }
  void finish() override { settle(0); }

 protected:
  template <std::size_t Count>
  void send(const std::array<std::string_view, Count>& words) {
    to_.send<Count>(words);
    // Half of them at a time, so that the other half keeps the server busy.
    if (++pending_ >= in_flight_) settle(in_flight_ / 2);
  }

 private:
  void settle(std::size_t left) {
    for (; pending_ > left; --pending_) to_.receive();
  }

  connection to_;
  std::size_t in_flight_;
  std::size_t pending_ = 0;
};

class stream_writer final : public pipeline {
 public:
  stream_writer(std::uint16_t port, const in_flight& most, std::size_t streams) : pipeline(port, most) {
    for (std::size_t i = 0; i < streams; ++i) keys_.push_back(redis::key(i));
  }
  void write(std::string_view record) override {
    send<5>({"XADD", keys_[next_], "*", "v", record});
    if (++next_ == keys_.size()) next_ = 0;
  }

 private:
  std::vector<std::string> keys_;
  std::size_t next_ = 0;
};

class channel_writer final : public pipeline {
 public:
  using pipeline::pipeline;
  void write(std::string_view record) override { send<3>({"PUBLISH", redis::channel, record}); }
};

class redis_reader final : public reader {
 public:
  explicit redis_reader(std::uint16_t port) : from_(port) {}
  bool read(const sink& into, milliseconds) override {
    from_.send<6>({"XRANGE", stream_, after_, "+", "COUNT", redis::count});
    const reply some = from_.receive();
    for (std::size_t i = 0; i < some->elements; ++i) {
      const redisReply* const entry = some->element[i];  // its id, and its fields and values
      const redisReply* const value = entry->element[1]->element[1];
      into(redis::text_of(*value));
      if (i + 1 == some->elements) after_ = "(" + std::string(redis::text_of(*entry->element[0]));
    }
    return some->elements != 0;
  }

 private:
  connection from_;
  const std::string stream_ = redis::key(0);
  std::string after_ = "-";
};

std::optional<std::filesystem::path> program() {
  return find_program("SKALD_COMPARE_REDIS_SERVER", "redis-server");
}

class redis_peer final : public peer {
 public:
  redis_peer(const std::filesystem::path& directory, const std::string& settings, redis::source what)
      : what_(what),
        port_(limit::free_port()),
        server_({program()->string(), write_settings(settings, directory, port_).string()}, {}, directory) {
    server_.wait_for(port_);
  }
  void prepare(const purpose& is) override {
    streams_ = is.streams();
    if (is.what != workload::queue) return;  // streams come with their first record
    connection to(port_);
    to.send<6>({"XGROUP", "CREATE", redis::key(0), redis::group, "0", "MKSTREAM"});
    to.receive();
  }
  std::unique_ptr<writer> open_writer(const in_flight& most) override {
    if (what_ == redis::source::channel) return std::make_unique<channel_writer>(port_, most);
    return std::make_unique<stream_writer>(port_, most, streams_);
  }
  std::unique_ptr<reader> open_reader() override { return std::make_unique<redis_reader>(port_); }
  std::unique_ptr<audience> open_audience(std::size_t subscribers, delivery_sink into) override {
    return redis::open_audience(port_, what_, subscribers, std::move(into));
  }
  std::unique_ptr<caller> open_caller() override { return redis::open_caller(port_); }
  std::unique_ptr<responder> open_responder() override { return redis::open_responder(port_); }
  std::unique_ptr<worker> open_worker(std::size_t which) override { return redis::open_worker(port_, which); }
  std::uint64_t count_stored() override {
    connection to(port_);
    for (std::size_t i = 0; i < streams_; ++i) to.send<2>({"XLEN", redis::key(i)});
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < streams_; ++i) all += static_cast<std::uint64_t>(to.receive()->integer);
    return all;
  }

 private:
  redis::source what_;
  std::uint16_t port_;
  server server_;
  std::size_t streams_ = 1;
};

candidate with(const std::string& setting, durability acknowledges, const std::string& settings,
               redis::source what, inabilities cannot) {
  return {.broker = "redis",
          .setting = setting,
          .acknowledges = acknowledges,
          .settings_file = settings,
          .missing = []() -> std::optional<std::string> {
            if (program()) return std::nullopt;
            return "install redis-server, or name one with SKALD_COMPARE_REDIS_SERVER";
          },
          .start =
              [settings, what](const std::filesystem::path& directory) {
                return std::make_unique<redis_peer>(directory, settings, what);
              },
          .cannot = std::move(cannot)};
}

candidate of_streams(const std::string& setting, durability acknowledges, const std::string& settings) {
  return with(setting, acknowledges, settings, redis::source::stream,
              {{workload::request, "requests do not go through streams: see redis/pubsub"}});
}

}  // namespace

std::vector<candidate> redis_candidates() {
  return {of_streams("default", durability::memory, "redis.conf"),
          of_streams("aof", durability::page_cache, "redis-aof.conf"),
          of_streams("fsync", durability::fsync, "redis-fsync.conf"),
          with("pubsub", durability::nothing, "redis.conf", redis::source::channel,
               all_but({workload::request, workload::fanout}, "channels neither store nor acknowledge"))};
}

}  // namespace skald::bench::compare

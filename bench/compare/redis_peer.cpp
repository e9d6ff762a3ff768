// Redis Streams, through hiredis: XADD in a pipeline as long as may be in flight, XRANGE of many entries at a
// time; not XREAD, because everything is there and nothing has to be waited for.
#include <hiredis/hiredis.h>

#include <array>
#include <stdexcept>

#include "bench/compare/peer.hpp"
#include "bench/compare/server.hpp"
#include "bench/limit/loopback.hpp"

namespace skald::bench::compare {
namespace {

constexpr const char* count = "1000";  // entries in a reply, so many that the round trips hardly count

struct free_reply {
  void operator()(redisReply* one) const { freeReplyObject(one); }
};
using reply = std::unique_ptr<redisReply, free_reply>;

class connection {
 public:
  explicit connection(std::uint16_t port) : context_(redisConnect("127.0.0.1", port)) {
    if (context_ == nullptr || context_->err != 0) throw std::runtime_error("redis: cannot connect");
  }
  ~connection() { redisFree(context_); }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  // To be answered later, in turn.
  template <std::size_t Count>
  void send(const std::array<std::string_view, Count>& words) {
    std::array<const char*, Count> at;
    std::array<std::size_t, Count> sizes;
    for (std::size_t i = 0; i < Count; ++i) {
      at[i] = words[i].data();
      sizes[i] = words[i].size();
    }
    if (redisAppendCommandArgv(context_, Count, at.data(), sizes.data()) != REDIS_OK) fail();
  }
  reply receive() {
    void* raw = nullptr;
    if (redisGetReply(context_, &raw) != REDIS_OK) fail();
    reply said(static_cast<redisReply*>(raw));
    if (said->type == REDIS_REPLY_ERROR) throw std::runtime_error(std::string("redis: ") + said->str);
    return said;
  }

 private:
  [[noreturn]] void fail() const { throw std::runtime_error(std::string("redis: ") + context_->errstr); }

  redisContext* context_;
};

class redis_writer final : public writer {
 public:
  redis_writer(std::uint16_t port, const in_flight& most) : to_(port), in_flight_(most.records) {}
  void write(std::string_view record) override {
    to_.send<5>({"XADD", "log", "*", "v", record});
    // Half of them at a time, so that the other half keeps the server busy.
    if (++pending_ >= in_flight_) settle(in_flight_ / 2);
  }
  void finish() override { settle(0); }

 private:
  void settle(std::size_t left) {
    for (; pending_ > left; --pending_) to_.receive();
  }

  connection to_;
  std::size_t in_flight_;
  std::size_t pending_ = 0;
};

class redis_reader final : public reader {
 public:
  explicit redis_reader(std::uint16_t port) : from_(port) {}
  bool read(const sink& into, milliseconds) override {
    from_.send<6>({"XRANGE", "log", after_, "+", "COUNT", count});
    const reply some = from_.receive();
    for (std::size_t i = 0; i < some->elements; ++i) {
      const redisReply* const entry = some->element[i];  // its id, and its fields and values
      const redisReply* const value = entry->element[1]->element[1];
      into({value->str, value->len});
      if (i + 1 == some->elements) after_ = "(" + std::string(entry->element[0]->str, entry->element[0]->len);
    }
    return some->elements != 0;
  }

 private:
  connection from_;
  std::string after_ = "-";
};

std::optional<std::filesystem::path> program() {
  return find_program("SKALD_COMPARE_REDIS_SERVER", "redis-server");
}

class redis_peer final : public peer {
 public:
  redis_peer(const std::filesystem::path& directory, const std::string& settings)
      : port_(limit::free_port()),
        server_({program()->string(), write_settings(settings, directory, port_).string()}, {}, directory) {
    server_.wait_for(port_);
  }
  std::unique_ptr<writer> open_writer(const in_flight& most) override {
    return std::make_unique<redis_writer>(port_, most);
  }
  std::unique_ptr<reader> open_reader() override { return std::make_unique<redis_reader>(port_); }

 private:
  std::uint16_t port_;
  server server_;
};

candidate with(const std::string& setting, durability acknowledges, const std::string& settings) {
  return {.broker = "redis",
          .setting = setting,
          .acknowledges = acknowledges,
          .settings_file = settings,
          .missing = []() -> std::optional<std::string> {
            if (program()) return std::nullopt;
            return "install redis-server, or name one with SKALD_COMPARE_REDIS_SERVER";
          },
          .start =
              [settings](const std::filesystem::path& directory) {
                return std::make_unique<redis_peer>(directory, settings);
              }};
}

}  // namespace

std::vector<candidate> redis_candidates() {
  return {with("default", durability::memory, "redis.conf"),
          with("aof", durability::page_cache, "redis-aof.conf"),
          with("fsync", durability::fsync, "redis-fsync.conf")};
}

}  // namespace skald::bench::compare

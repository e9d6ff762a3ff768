// Redis's connection, and its subscribers, requests and workers; see peer.hpp.
#pragma once

#include <hiredis/hiredis.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/compare/peer.hpp"

namespace skald::bench::compare::redis {

inline constexpr const char* count = "1000";  // entries in a reply, so many that round trips hardly count
inline constexpr const char* channel = "live";
inline constexpr const char* group = "work";

struct free_reply {
  void operator()(redisReply* one) const { freeReplyObject(one); }
};
using reply = std::unique_ptr<redisReply, free_reply>;

inline std::string_view text_of(const redisReply& one) {
  return {one.str, one.len};
}

class connection {
 public:
  explicit connection(std::uint16_t port);
  ~connection() { redisFree(context_); }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  int socket() const { return context_->fd; }

  // To be answered later, in turn. It leaves with the next receive() or flush().
  template <std::size_t Count>
  void send(const std::array<std::string_view, Count>& words) {
    std::array<const char*, Count> at;
    std::array<std::size_t, Count> sizes;
    for (std::size_t i = 0; i < Count; ++i) {
      at[i] = words[i].data();
      sizes[i] = words[i].size();
    }
    send(Count, at.data(), sizes.data());
  }
  void send(const std::vector<std::string_view>& words);
  void flush();
  reply receive();
  // What one system call, or none, finds there.
  void take_input();
  reply received();  // nothing when it has not come

 private:
  [[noreturn]] void fail() const;
  void send(std::size_t words, const char** at, const std::size_t* sizes);
  reply checked(void* raw) const;

  redisContext* context_;
};

// The stream with this number.
std::string key(std::size_t stream);

// What the subscribers of an audience wait at.
enum class source : std::uint8_t { stream, channel };

std::unique_ptr<audience> open_audience(std::uint16_t port, source what, std::size_t subscribers,
                                        delivery_sink into);
std::unique_ptr<caller> open_caller(std::uint16_t port);
std::unique_ptr<responder> open_responder(std::uint16_t port);
std::unique_ptr<worker> open_worker(std::uint16_t port, std::size_t which);

}  // namespace skald::bench::compare::redis

#include "bench/compare/peer.hpp"

#include <algorithm>
#include <stdexcept>

namespace skald::bench::compare {
namespace {

[[noreturn]] void lacks(const char* what) {
  throw std::logic_error(std::string("a driver without ") + what + " was asked for them");
}

}  // namespace

std::unique_ptr<audience> peer::open_audience(std::size_t, delivery_sink) {
  lacks("subscribers");
}
std::unique_ptr<caller> peer::open_caller() {
  lacks("requests");
}
std::unique_ptr<responder> peer::open_responder() {
  lacks("replies");
}
std::unique_ptr<worker> peer::open_worker(std::size_t) {
  lacks("queues");
}
std::uint64_t peer::count_stored() {
  lacks("streams");
}

std::string_view to_string(workload what) noexcept {
  switch (what) {
    case workload::publish:
      return "publish";
    case workload::consume:
      return "consume";
    case workload::latency:
      return "latency";
    case workload::request:
      return "request";
    case workload::fanout:
      return "fanout";
    case workload::queue:
      return "queue";
    case workload::streams:
      return "streams";
  }
  return "";
}

std::vector<workload> all_workloads() {
  using enum workload;
  return {publish, consume, latency, request, fanout, queue, streams};
}

std::string_view to_string(durability what) noexcept {
  switch (what) {
    case durability::nothing:
      return "nothing";
    case durability::memory:
      return "memory";
    case durability::page_cache:
      return "page cache";
    case durability::fsync:
      return "fsync";
  }
  return "";
}

inabilities all_but(const std::vector<workload>& these, const std::string& why) {
  inabilities all;
  for (const workload each : all_workloads())
    if (std::ranges::find(these, each) == these.end()) all[each] = why;
  return all;
}

}  // namespace skald::bench::compare

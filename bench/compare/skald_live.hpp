// skald's subscribers, requests and workers; see peer.hpp.
#pragma once

#include <memory>
#include <string>

#include "bench/compare/peer.hpp"

namespace skald::bench::compare {

inline constexpr const char* skald_topic = "log";
inline constexpr const char* skald_queue = "work";

std::unique_ptr<audience> open_skald_audience(const std::string& address, std::size_t subscribers,
                                              delivery_sink into);
std::unique_ptr<caller> open_skald_caller(const std::string& address);
std::unique_ptr<responder> open_skald_responder(const std::string& address);
std::unique_ptr<worker> open_skald_worker(const std::string& address);

}  // namespace skald::bench::compare

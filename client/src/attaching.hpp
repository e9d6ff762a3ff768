// What subscribers, consumers of queues and responders have in common: each is attached to a connection, and
// again to the next one, and tries once more when the broker cannot have it now.
#pragma once

#include <chrono>

#include <skald/protocol/error.hpp>

namespace skald::detail {

inline constexpr std::chrono::milliseconds attach_again_after{200};

// Whether the refusal passes by itself.
inline bool may_attach_later(errc code) {
  return code == errc::overloaded || code == errc::shutting_down || code == errc::connection_lost;
}

}  // namespace skald::detail

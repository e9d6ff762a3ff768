// What the commands about services share.
#pragma once

#include <string>

#include <skald/blocking_client.hpp>

namespace skald::cli {

// What `failed` says about the service: with the subject in front where it is left out, and with what to do.
error about_subject(const std::string& subject, const error& failed);

// Runs `work`, and lets its errors say which service they are about.
template <class Work>
auto about_service(const std::string& subject, Work work) {
  try {
    return work();
  } catch (const error& failed) {
    throw about_subject(subject, failed);
  }
}

// "850 us", "12.5 ms", "1.2 s"; "-" for none.
std::string duration_text(std::chrono::microseconds time);

}  // namespace skald::cli

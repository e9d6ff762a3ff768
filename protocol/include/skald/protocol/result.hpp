// The outcome of an operation that can fail for reasons a user should hear about.
//
// `result<T>` holds a T or a `failure`. It is Boost.System's result with skald's own error type: test it as a
// bool, take `*outcome` or `outcome.error()`. `outcome.value()` throws `skald::error` when there is no value.
#pragma once

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>
#include <iosfwd>
#include <string>

#include <skald/protocol/error.hpp>

namespace skald {

// What kind of failure it was, and a sentence that says what, where and what to do.
struct failure {
  errc code = errc::internal_error;
  std::string message;
};
// "unknown_topic: no topic 'orders'"
std::ostream& operator<<(std::ostream& out, const failure& failed);

[[noreturn]] void throw_exception_from_error(const failure& failed, const boost::source_location& where);

template <class T = void>
using result = boost::system::result<T, failure>;

}  // namespace skald

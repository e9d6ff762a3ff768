// Guards around guards.
//
//   const auto guarded = resilience::compose(retry, breaker, bulkhead);
//   const auto price = co_await guarded.run([&] { return broker.request("price", sku); });
//
// The first is the outermost: here every attempt asks the breaker, and takes a place only while the breaker
// lets it through. Resilience4j's order, a good one, is retry, circuit breaker, rate limiter, time limiter,
// bulkhead. A guard is any copyable type with such a run(); what compose() makes is one, too.
//
// Operations. run() takes a callable that gives an awaitable, and calls it once for every attempt. It lives
// until run() has ended. GCC 12 destroys a lambda that stands inside a co_await expression twice, so such a
// lambda may capture references and numbers, but must not own memory.
//
// Threading: as its guards'.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

namespace skald::resilience {

template <class... Guards>
class composed {
 public:
  explicit composed(Guards... guards) : guards_(std::move(guards)...) {}

  template <class Operation>
  std::invoke_result_t<Operation&> run(Operation operation) const {
    return outermost(*this, std::move(operation));
  }

 private:
  template <class Operation>
  static std::invoke_result_t<Operation&> outermost(composed self, Operation operation) {
    co_return co_await nested<0>(self.guards_, operation);
  }

  template <std::size_t Depth, class Operation>
  static std::invoke_result_t<Operation&> nested(const std::tuple<Guards...>& guards, Operation& operation) {
    if constexpr (Depth == sizeof...(Guards))
      return operation();
    else
      return std::get<Depth>(guards).run(
          [&guards, &operation] { return nested<Depth + 1>(guards, operation); });
  }

  std::tuple<Guards...> guards_;
};

template <class... Guards>
composed<Guards...> compose(Guards... guards) {
  return composed<Guards...>(std::move(guards)...);
}

}  // namespace skald::resilience

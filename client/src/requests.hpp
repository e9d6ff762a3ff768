// Requests with one answer: encoded when they are prepared, submitted when they are begun.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <skald/detail/completion.hpp>
#include <skald/protocol/error.hpp>
#include "client/src/connection.hpp"

namespace skald::detail {

inline std::exception_ptr exception_of(const failure& why) {
  return std::make_exception_ptr(error(why.code, why.message));
}

inline failure unexpected_answer(const std::string& what) {
  return {errc::protocol_error, "the broker's answer does not fit the request; " + what};
}

// An operation whose request is `build(FlatBufferBuilder&)`, and whose answer is turned into its result by
// `decode(incoming_frame) -> result<Result>` (`-> result<>` for an operation without one).
template <class... Results, class Build, class Decode>
operation<Results...> make_call(const std::shared_ptr<connection>& through, std::string what, on_loss lost,
                                timeout limit, Build&& build, Decode decode) {
  const auto id = through->session().next_id();
  auto frame = through->session().encode(id, std::forward<Build>(build));
  return {through->get_executor(),
          [through, id, what = std::move(what), lost, limit, frame = std::move(frame),
           decode = std::move(decode)](completion<Results...> done) mutable {
            auto shared = std::make_shared<completion<Results...>>(std::move(done));
            shared->on_cancel([weak = std::weak_ptr(through), shared, id, what] {
              if (const auto alive = weak.lock()) alive->session().forget(id);
              if (*shared) shared->fail(exception_of({errc::cancelled, what + " was cancelled"}));
            });
            through->session().submit(
                {id, std::move(frame), std::move(what), lost, true, through->deadline(limit)},
                [shared, decode = std::move(decode)](const result<incoming_frame>& answer) mutable {
                  if (!answer) return shared->fail(exception_of(answer.error()));
                  auto decoded = decode(*answer);
                  if (!decoded) return shared->fail(exception_of(decoded.error()));
                  if constexpr (sizeof...(Results) == 0)
                    shared->succeed();
                  else
                    shared->succeed(*std::move(decoded));
                });
            through->kick();
          }};
}

// For requests that are answered with Ok.
struct expect_ok {
  result<> operator()(const incoming_frame& answer) const {
    if (answer.header->body_as_Ok() == nullptr) return unexpected_answer("expected Ok");
    return {};
  }
};

}  // namespace skald::detail

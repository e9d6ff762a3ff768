// Requests with one answer: encoded when they are prepared, submitted when they are begun.
#pragma once

#include <functional>
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

// A request that is asked for one page of its result after the other, all within one deadline:
// `build(session, id, result so far)` encodes what asks for the next, `take(answer, result) -> result<bool>`
// adds it and says whether there is more.
template <class Result>
class paged_call : public std::enable_shared_from_this<paged_call<Result>> {
 public:
  using builder = std::function<shared_frame(session&, std::uint64_t id, const Result&)>;
  using taker = std::function<result<bool>(const incoming_frame&, Result&)>;

  paged_call(std::shared_ptr<connection> through, std::string what, timeout limit, builder build, taker take,
             completion<Result> done)
      : connection_(std::move(through)),
        what_(std::move(what)),
        deadline_(connection_->deadline(limit)),
        build_(std::move(build)),
        take_(std::move(take)),
        done_(std::move(done)) {}

  void next_page() {
    auto& session = connection_->session();
    id_ = session.next_id();
    auto frame = build_(session, id_, result_);
    done_.on_cancel([weak = this->weak_from_this()] {
      if (const auto self = weak.lock()) self->cancel();
    });
    session.submit(
        {id_, std::move(frame), what_, on_loss::repeat, true, deadline_},
        [self = this->shared_from_this()](const result<incoming_frame>& answer) { self->page(answer); });
    connection_->kick();
  }

 private:
  void page(const result<incoming_frame>& answer) {
    if (!answer) return done_.fail(exception_of(answer.error()));
    const auto more = take_(*answer, result_);
    if (!more) return done_.fail(exception_of(more.error()));
    if (*more) return next_page();
    done_.succeed(std::move(result_));
  }
  void cancel() {
    const auto kept = this->shared_from_this();  // the request's handler is the other owner
    connection_->session().forget(id_);
    if (done_) done_.fail(exception_of({errc::cancelled, what_ + " was cancelled"}));
  }

  std::shared_ptr<connection> connection_;
  std::string what_;
  steady_time deadline_;
  builder build_;
  taker take_;
  completion<Result> done_;
  std::uint64_t id_ = 0;
  Result result_;
};

template <class Result>
operation<Result> make_paged_call(const std::shared_ptr<connection>& through, std::string what, timeout limit,
                                  typename paged_call<Result>::builder build,
                                  typename paged_call<Result>::taker take) {
  return {
      through->get_executor(), [through, what = std::move(what), limit, build = std::move(build),
                                take = std::move(take)](completion<Result> done) {
        std::make_shared<paged_call<Result>>(through, what, limit, build, take, std::move(done))->next_page();
      }};
}

}  // namespace skald::detail

#include "broker/server/io_threads.hpp"

#include <boost/asio/post.hpp>
#include <utility>

namespace skald::server {

void io_threads::run(std::function<void()> work, std::function<void()> then) {
  boost::asio::post(threads_,
                    [work = std::move(work), then = std::move(then), &back_to = back_to_]() mutable {
                      work();
                      back_to.post(std::move(then));
                    });
}

}  // namespace skald::server

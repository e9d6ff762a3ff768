// Durable request and reply for programs without an event loop; see durable_request.hpp.
//
//   skald::blocking_durable_service prices(broker, "price");
//   const skald::durable_reply said = prices.ask("order-42", R"({"sku": 7})");
//
// Threading: a service may be used by any thread, a responder by one at a time. The client has to outlive
// both.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <skald/blocking_client.hpp>
#include <skald/durable_request.hpp>

namespace skald {

// See durable_responder.
class blocking_durable_responder {
 public:
  blocking_durable_responder() = default;

  durable_request receive();
  // Nothing when none came in this time.
  std::optional<durable_request> receive_for(milliseconds patience);
  bool answer(const durable_request& to, durable_answer with, commit&& effect = {});
  void retry(const durable_request& what, std::string_view reason);
  // Until another thread closes it.
  template <class Handler>
  void run(Handler work) {
    for (;;) {
      durable_request asked;
      try {
        asked = receive();
      } catch (const error& ended) {
        if (ended.code() == errc::closed) return;
        throw;
      }
      try {
        commit effect = traced_effect(asked);
        const durable_reply made = work(std::as_const(asked), effect);
        answer(asked, {made.body, made.failed}, std::move(effect));
      } catch (const std::exception& why) {
        retry(asked, why.what());
      }
    }
  }
  void close() { requests_.close(); }

 private:
  friend class blocking_durable_service;
  blocking_durable_responder(blocking_client& broker, blocking_queue requests, std::string replies)
      : broker_(&broker), requests_(std::move(requests)), replies_(std::move(replies)) {}
  durable_request next();
  static commit traced_effect(const durable_request& of);

  blocking_client* broker_ = nullptr;
  blocking_queue requests_;
  std::string replies_;
  deliveries held_;  // the next last
};

// See durable_service.
class blocking_durable_service {
 public:
  blocking_durable_service(blocking_client& broker, std::string_view name);

  void create(durable_settings settings = {});
  durable_reply ask(std::string_view id, std::string_view body, ask_options options = {});
  bool send(std::string_view id, std::string_view body, ask_options options = {});
  std::optional<durable_reply> find(std::string_view id, call_options options = {});
  blocking_durable_responder serve(std::uint32_t prefetch = 1, call_options options = {});

 private:
  blocking_client* broker_;
  std::string requests_;
  std::string replies_;
};

}  // namespace skald

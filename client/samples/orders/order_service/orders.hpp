// Orders. One is PENDING until the customer service has been asked for credit, then CREDIT_CONFIRMED or
// REJECTED, for good; a confirmed one may be CANCELLED. Each change is an event of `shop.orders`.
//
// Threading: all of it within transactions of the connection.
#pragma once

#include <cstdint>
#include <optional>
#include <skald/outbox/sqlite_statement.hpp>
#include <skald/outbox/transaction.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace shop {

namespace order_state {
inline constexpr std::string_view pending = "PENDING";
inline constexpr std::string_view confirmed = "CREDIT_CONFIRMED";
inline constexpr std::string_view rejected = "REJECTED";
inline constexpr std::string_view cancelled = "CANCELLED";
}  // namespace order_state

namespace rejection {
inline constexpr std::string_view insufficient_credit = "INSUFFICIENT_CREDIT";
inline constexpr std::string_view unknown_customer = "UNKNOWN_CUSTOMER";
inline constexpr std::string_view no_answer = "NO_ANSWER";  // of the customer service, in time
}  // namespace rejection

struct order {
  std::string id;
  std::string customer;
  std::int64_t amount = 0;
  std::string state = std::string(order_state::pending);
  std::string reason = {};  // of a rejected one
};

class orders {
 public:
  // Makes the table if need be.
  explicit orders(sqlite3* connection);

  // False: there is one of that id, which stays.
  bool place(const order& one, skald::outbox::transaction& change);
  // Of an order that is not pending these change nothing: they may come again.
  void confirm(std::string_view id, skald::outbox::transaction& change);
  void reject(std::string_view id, std::string_view reason, skald::outbox::transaction& change);
  // False: it is not confirmed.
  bool cancel(std::string_view id, skald::outbox::transaction& change);

  std::optional<order> find(std::string_view id);
  std::vector<order> list();

 private:
  using statement = skald::outbox::sqlite_statement;
  // Whether it was in the one state, and is in the other now.
  bool move(std::string_view id, std::string_view from, std::string_view to, std::string_view reason = {});

  sqlite3* connection_;
  statement insert_, move_, select_, select_all_;
};

}  // namespace shop

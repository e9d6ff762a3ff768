// Customers, and the credit that is reserved for their orders: reserved credit never exceeds the limit.
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

struct customer {
  std::string id;
  std::string name;
  std::int64_t limit = 0;
  std::int64_t reserved = 0;  // of the limit
};

struct released_credit {
  std::string customer;
  std::int64_t amount = 0;
};

enum class reservation : std::uint8_t { made, unknown_customer, insufficient_credit };

class customers {
 public:
  // Makes the tables if need be.
  explicit customers(sqlite3* connection);

  // False: there is one of that id, which stays.
  bool add(const customer& one, skald::outbox::transaction& change);
  std::optional<customer> find(std::string_view id);
  std::vector<customer> list();

  // One reservation for an order; the same again changes nothing.
  reservation reserve(std::string_view order, std::string_view customer_id, std::int64_t amount);
  // What was reserved for the order; nothing: there is no reservation, or not any more.
  std::optional<released_credit> release(std::string_view order);

 private:
  using statement = skald::outbox::sqlite_statement;
  bool is_reserved(std::string_view order);

  sqlite3* connection_;
  statement insert_, select_, select_all_, reserve_, note_, noted_, release_, forget_;
};

}  // namespace shop
